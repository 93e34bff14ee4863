//! A directory with a fleet in it.

use backstay_core::observed::{Listing, Observed};
use backstay_core::point::Catalogue;
use backstay_test_support::shell::{Said, Shell};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) shell: Shell,
}

impl Place {
    fn in_directory(directory: TempDir) -> Self {
        Self { shell: Shell::in_directory(directory.path()), directory }
    }

    /// A directory without anything in it.
    pub(crate) fn empty() -> Self {
        Self::in_directory(TempDir::new().unwrap())
    }

    /// The fleet `small` of the scenarios: clusters `orders` and `wiki`.
    pub(crate) fn small() -> Self {
        let place = Self::in_directory(TempDir::new().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/fleets/small");
        for path in ["fleet/fleet.yaml", "fleet/world.yaml", "policies/policies.yaml"] {
            place.write(path, &fs::read_to_string(from.join(path)).unwrap());
        }
        place
    }

    /// A generated fleet of so many clusters with two disks each.
    pub(crate) fn of(clusters: usize) -> Self {
        let directory = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let place = Self::in_directory(directory);
        let mut fleet = "apiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: { name: many }\nspec: {}\n---\n\
            apiVersion: backstay.dev/v1\nkind: Site\nmetadata: { name: eu }\n\
            spec: { provider: sim, profile: aws, seed: 1, world: fleet/world.yaml, clock: virtual }\n---\n\
            apiVersion: backstay.dev/v1\nkind: BackupPolicy\nmetadata: { name: gold }\nspec:\n  \
            schedule: { cron: \"0 */8 * * *\" }\n  source: primary\n  consistency: application\n  \
            retention: { keep: { last: 3 }, grace: 1d }\n"
            .to_owned();
        let mut world = "apiVersion: backstay.dev/v1\nkind: World\nmetadata: { name: eu }\nspec:\n  \
            start: 2026-11-23T00:00:00Z\n  account: \"111122223333\"\n  instances:\n"
            .to_owned();
        for i in 0..clusters {
            write!(
                fleet,
                "---\napiVersion: backstay.dev/v1\nkind: Cluster\nmetadata: {{ name: db-{i:03} }}\nspec:\n  \
                 uid: db-uid-{i:03}\n  site: eu\n  policy: gold\n  nodes:\n    \
                 - {{ name: db-{i:03}-0, role: postgres, instance: i-{i:03} }}\n"
            )
            .unwrap();
            write!(
                world,
                "    - id: i-{i:03}\n      postgres: {{ role: primary, system: \"73000000000000{i:05}\" }}\n      \
                 disks: [ {{ id: vol-{i:03}-d, role: data, sizeGiB: 10 }}, {{ id: vol-{i:03}-w, role: wal, sizeGiB: 2 }} ]\n"
            )
            .unwrap();
        }
        place.write("fleet/fleet.yaml", &fleet);
        place.write("fleet/world.yaml", &world);
        place
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.directory.path().join(path)).unwrap()
    }

    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{from}");
        self.write(path, &text.replace(from, to));
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        now(self.shell.run(arguments, None))
    }

    /// Runs it, and it must succeed.
    pub(crate) fn done(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}\n{}", said.out, said.err);
        said
    }

    /// The real binary in this directory, without a terminal or an environment that changes what it says.
    pub(crate) fn binary(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backstay"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["CI", "COLUMNS", "NO_COLOR", "TERM"] {
            command.env_remove(name);
        }
        command
    }

    /// How many restorable points each slot of each cluster has; every part of each point must be there once.
    pub(crate) fn points(&self) -> BTreeMap<String, usize> {
        self.done(&["observe", "-out=inventory.json"]);
        let observed: Observed = serde_json::from_str(&self.read("inventory.json")).unwrap();
        let mut points = BTreeMap::new();
        for listing in observed.sites.values() {
            let Listing::Complete(site) = listing else { panic!("the site was not read") };
            let catalogue = Catalogue::of(site, &observed.keyring);
            for cluster in catalogue.clusters() {
                for point in catalogue.shelf(cluster).points.iter().filter(|point| point.is_restorable()) {
                    let parts: Vec<_> = point.parts.iter().map(|part| part.name.to_string()).collect();
                    assert_eq!(parts, ["wal-1of2", "data-2of2"], "{cluster} {}", point.key);
                    *points.entry(format!("{cluster} {}", point.key.slot)).or_default() += 1;
                }
            }
        }
        points
    }
}

/// Runs what does not really wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Every line of a JSON run.
pub(crate) fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
