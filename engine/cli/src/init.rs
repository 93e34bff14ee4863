//! A first fleet as its files: for a chosen IaaS, commented, and planned at once. Nothing is written here.

use crate::args::Iaas;
use crate::format::format;
use backstay_core::diagnostic::Diagnostics;
use backstay_core::document::{SourceTree, schema};
use backstay_core::model::Origin;
use backstay_core::resolve::resolve;
use jiff::Timestamp;

/// What a fleet is made for.
pub(crate) struct Wish {
    pub(crate) iaas: Iaas,
    pub(crate) name: String,
    pub(crate) now: Timestamp,
    /// What identities are made of.
    pub(crate) chance: [u8; 32],
}

/// A file to be made: its path below the fleet's directory, and its content.
pub(crate) type NewFile = (&'static str, String);

/// How things are named at an IaaS.
struct Dialect {
    cloud: &'static str,
    /// The name in documents: of the profile, and of the provider that reaches the real one.
    real: &'static str,
    region: &'static str,
    account: &'static str,
    site: &'static str,
    /// Before the hexadecimal digits of an instance's and a disk's id, and how many those are.
    instance: (&'static str, usize),
    disk: (&'static str, usize),
    world: &'static str,
}

const AWS: Dialect = Dialect {
    cloud: "AWS",
    real: "aws",
    region: "eu-central-1",
    account: "111122223333",
    site: "aws-eu10",
    instance: ("i-", 17),
    disk: ("vol-", 17),
    world: "fleet/worlds/aws-eu10.yaml",
};

const AZURE: Dialect = Dialect {
    cloud: "Azure",
    real: "azure",
    region: "westeurope",
    account: "7c0e4c1e-5a52-4f0f-9d3b-4f6f3d1c2b10",
    site: "azure-eu20",
    instance: ("vm-", 12),
    disk: ("disk-", 16),
    world: "fleet/worlds/azure-eu20.yaml",
};

const GCP: Dialect = Dialect {
    cloud: "Google Cloud",
    real: "gcp",
    region: "europe-west3",
    account: "databases-prod",
    site: "gcp-eu30",
    instance: ("vm-", 12),
    disk: ("disk-", 16),
    world: "fleet/worlds/gcp-eu30.yaml",
};

const ALIBABA: Dialect = Dialect {
    cloud: "Alibaba Cloud",
    real: "alibaba",
    region: "cn-shanghai",
    account: "5123456789012345",
    site: "alibaba-cn40",
    instance: ("i-", 20),
    disk: ("d-", 20),
    world: "fleet/worlds/alibaba-cn40.yaml",
};

/// Every file of the fleet.
pub(crate) fn files(wish: &Wish) -> Vec<NewFile> {
    let mut files = match wish.iaas {
        Iaas::Aws | Iaas::Sim => simulated(&AWS, wish),
        Iaas::Azure => simulated(&AZURE, wish),
        Iaas::Gcp => simulated(&GCP, wish),
        Iaas::Alibaba => simulated(&ALIBABA, wish),
        Iaas::Local => local(wish),
    };
    files.push(("fleet/fleet.yaml", include_str!("init/templates/fleet.yaml").replace("{name}", &wish.name)));
    files.push(("policies/bronze.yaml", include_str!("init/templates/bronze.yaml").to_owned()));
    files.push(("schemas/backstay.schema.json", schema::ANY.to_owned()));
    for (path, text) in &mut files {
        // A name that was filled in may be longer than the one that its neighbours were aligned with.
        if let Some(formatted) = path.ends_with(".yaml").then(|| format(text).ok()).flatten() {
            *text = formatted;
        }
    }
    files.sort_unstable_by_key(|(path, _)| *path);
    files
}

/// The directories beside the files: what a local site needs to be read, still without a disk.
pub(crate) fn directories(wish: &Wish) -> &'static [&'static str] {
    match wish.iaas {
        Iaas::Local => &["local/disks", "local/instances"],
        Iaas::Aws | Iaas::Azure | Iaas::Gcp | Iaas::Alibaba | Iaas::Sim => &[],
    }
}

fn gold(encryption: &str) -> NewFile {
    ("policies/gold.yaml", include_str!("init/templates/gold.yaml").replace("{encryption}", encryption))
}

fn simulated(dialect: &Dialect, wish: &Wish) -> Vec<NewFile> {
    let start = Timestamp::from_second(wish.now.as_second() / 3600 * 3600).unwrap_or(wish.now);
    let mut chance = Chance::of(wish.chance);
    let uid = chance.uid();
    let system = chance.system();
    let mut names: Vec<(String, String)> = [
        ("cloud", dialect.cloud),
        ("real", dialect.real),
        ("region", dialect.region),
        ("account", dialect.account),
        ("site", dialect.site),
        ("uid", &uid),
        ("system", &system),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    names.push(("start".to_owned(), start.to_string()));
    names.extend((0..5).map(|i| (format!("instance-{i}"), chance.id(dialect.instance))));
    names.extend((0..9).map(|i| (format!("disk-{i}"), chance.id(dialect.disk))));
    let fill = |template: &str| filled(template, &names);
    vec![
        ("fleet/sites.yaml", fill(include_str!("init/templates/sites-sim.yaml"))),
        ("fleet/clusters/orders-db.yaml", fill(include_str!("init/templates/cluster-sim.yaml"))),
        (dialect.world, fill(include_str!("init/templates/world.yaml"))),
        gold("\n  # A disk without encryption is not snapshotted.\n  encryption: required\n"),
        (".gitignore", "# The state: leases, the journal, the seal key.\n/.backstay/\n".to_owned()),
    ]
}

fn local(wish: &Wish) -> Vec<NewFile> {
    let names = [("site".to_owned(), "here".to_owned()), ("uid".to_owned(), Chance::of(wish.chance).uid())];
    let fill = |template: &str| filled(template, &names);
    vec![
        ("fleet/sites.yaml", fill(include_str!("init/templates/sites-local.yaml"))),
        ("fleet/clusters/orders-db.yaml", fill(include_str!("init/templates/cluster-local.yaml"))),
        gold(""),
        (
            ".gitignore",
            "# The state: leases, the journal, the seal key.\n/.backstay/\n# Disks and their snapshots.\n/local/\n"
                .to_owned(),
        ),
    ]
}

fn filled(template: &str, names: &[(String, String)]) -> String {
    names.iter().fold(template.to_owned(), |text, (key, value)| text.replace(&format!("{{{key}}}"), value))
}

/// What is wrong with a fleet that would be written: nothing, whatever was wished for.
pub(crate) fn faults(files: &[NewFile]) -> Diagnostics {
    let documents = files.iter().filter(|(path, _)| SourceTree::takes(path));
    let tree: SourceTree = documents.map(|(path, text)| (*path, text.as_str())).collect();
    let origin = Origin { commit: None, dirty: false, documents: tree.digest() };
    resolve(&tree, origin).diagnostics
}

/// A name of a fleet out of any text; `fleet` where nothing of it can be in one.
pub(crate) fn name_of(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
        .take(63)
        .collect();
    let kept = kept.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if kept.is_empty() { "fleet".to_owned() } else { kept.to_owned() }
}

/// Hexadecimal digits, used one after the other; the host's chance lasts for more than one fleet needs.
struct Chance {
    state: u64,
}

impl Chance {
    fn of(bytes: [u8; 32]) -> Self {
        let word = |chunk: &[u8]| chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        Self { state: bytes.chunks(8).map(word).fold(0, |all, word| all.rotate_left(17) ^ word) }
    }

    /// SplitMix64: ids of a made-up world need to differ, and nothing more. A uid takes its own digits first.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text += &format!("{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }

    fn id(&mut self, (prefix, digits): (&str, usize)) -> String {
        format!("{prefix}{}", self.hex(digits))
    }

    /// A UUID of version 4.
    fn uid(&mut self) -> String {
        let hex = self.hex(32);
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// A system identifier as `initdb` makes them.
    fn system(&mut self) -> String {
        (7_300_000_000_000_000_000 + self.next() % 1_000_000_000_000_000).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    fn wish(iaas: Iaas) -> Wish {
        let now = "2026-11-23T12:34:56Z".parse().unwrap();
        Wish { iaas, name: "shop".to_owned(), now, chance: [7; 32] }
    }

    #[test]
    fn every_fleet_is_valid_and_formatted_and_no_placeholder_is_left() {
        for iaas in Iaas::value_variants() {
            let files = files(&wish(*iaas));
            assert!(faults(&files).is_empty(), "{iaas:?}: {}", faults(&files).render());
            for (path, text) in &files {
                if path.ends_with(".yaml") {
                    assert_eq!(crate::format::format(text).as_deref(), Ok(text.as_str()), "{iaas:?} {path}");
                    let braces =
                        text.split('{').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
                    assert_eq!(braces.count(), 0, "{iaas:?} {path}:\n{text}");
                }
            }
        }
    }

    #[test]
    fn two_fleets_have_other_identities() {
        let first = files(&wish(Iaas::Sim));
        let second = files(&Wish { chance: [8; 32], ..wish(Iaas::Sim) });
        let uid = |files: &[NewFile]| files.iter().find(|(path, _)| path.contains("orders")).unwrap().1.clone();
        assert_ne!(uid(&first), uid(&second));
    }

    #[test]
    fn any_directory_gives_a_name() {
        for (directory, name) in [("Backups EU", "backups-eu"), ("..", "fleet"), ("ünï", "n"), ("a.b_c-", "a.b_c")] {
            assert_eq!(name_of(directory), name);
        }
    }
}
