//! A fleet drawn by lot, and its documents.

use crate::chance::Chance;
use crate::life::START;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Whose rules the sites follow.
const PROFILES: [&str; 1] = ["aws"];

/// What is declared, and what goes wrong at the sites.
#[derive(Debug, Clone)]
pub(crate) struct Town {
    pub(crate) sites: Vec<Site>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) clusters: Vec<Cluster>,
}

#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) profile: &'static str,
    pub(crate) page_size: u64,
    /// Each as the site document writes it.
    pub(crate) faults: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) every_hours: u64,
    pub(crate) window_hours: u64,
    pub(crate) last: u64,
    pub(crate) daily: u64,
    pub(crate) minimum_redundancy: u64,
    pub(crate) grace_hours: u64,
    pub(crate) consistency: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) number: usize,
    pub(crate) site: usize,
    pub(crate) policy: usize,
    /// Whether its document is there.
    pub(crate) is_declared: bool,
}

impl Cluster {
    pub(crate) fn uid(&self) -> String {
        format!("uid-{}", self.number)
    }

    pub(crate) fn instances(&self) -> [String; 2] {
        [format!("i-{}-0", self.number), format!("i-{}-1", self.number)]
    }
}

impl Policy {
    pub(crate) fn draw(chance: &mut Chance, can_crash: bool) -> Self {
        Self {
            every_hours: chance.one_of(&[4, 8, 24]),
            window_hours: chance.one_of(&[0, 12, 48]),
            last: 1 + chance.below(4),
            daily: chance.below(4),
            minimum_redundancy: 1 + chance.below(3),
            grace_hours: chance.one_of(&[12, 24, 72]),
            consistency: if can_crash { chance.one_of(&["application", "crash"]) } else { "application" },
        }
    }
}

impl Town {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let sites: Vec<Site> = (0..1 + chance.below(2))
            .map(|number| Site {
                name: format!("site-{number}"),
                profile: chance.one_of(&PROFILES),
                page_size: 2 + chance.below(6),
                faults: Vec::new(),
            })
            .collect();
        let can_crash = sites.iter().all(|site| site.profile == "aws");
        let policies = (0..2).map(|_| Policy::draw(chance, can_crash)).collect();
        let clusters = (0..2 + chance.below(3))
            .map(|number| Cluster {
                number: usize::try_from(number).expect("a small number"),
                site: usize::try_from(chance.below(sites.len() as u64)).expect("a small number"),
                policy: usize::try_from(chance.below(2)).expect("there are two"),
                is_declared: true,
            })
            .collect();
        Self { sites, policies, clusters }
    }

    /// Writes every document anew.
    pub(crate) fn write(&self, directory: &Path) {
        let put = |path: &str, text: &str| {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        };
        let mut fleet = document("Fleet", "town") + "spec: {}\n";
        for (number, site) in self.sites.iter().enumerate() {
            fleet += "---\n";
            fleet += &document("Site", &site.name);
            writeln!(
                fleet,
                "spec:\n  provider: sim\n  profile: {}\n  seed: {number}\n  world: fleet/worlds/{}.yaml\n  clock: \
                 virtual\n  pageSize: {}",
                site.profile, site.name, site.page_size
            )
            .expect("texts take all");
            if !site.faults.is_empty() {
                fleet += "  faults:\n";
            }
            for fault in &site.faults {
                writeln!(fleet, "    - {fault}").expect("texts take all");
            }
            put(&format!("fleet/worlds/{}.yaml", site.name), &self.world(number));
        }
        put("fleet/fleet.yaml", &fleet);
        for (number, policy) in self.policies.iter().enumerate() {
            put(&format!("policies/{number}.yaml"), &policy.document(number));
        }
        for cluster in &self.clusters {
            let path = format!("fleet/clusters/{}.yaml", cluster.number);
            if cluster.is_declared {
                put(&path, &self.cluster(cluster));
            } else {
                let path = directory.join(path);
                if path.exists() {
                    fs::remove_file(path).expect("it can be removed");
                }
            }
        }
    }

    fn cluster(&self, cluster: &Cluster) -> String {
        let [primary, standby] = cluster.instances();
        document("Cluster", &format!("c-{}", cluster.number))
            + &format!(
                "spec:\n  uid: {}\n  site: {}\n  policy: p-{}\n  nodes:\n    - {{ name: n0, role: postgres, instance: \
                 {primary} }}\n    - {{ name: n1, role: postgres, instance: {standby} }}\n",
                cluster.uid(),
                self.sites[cluster.site].name,
                cluster.policy
            )
    }

    fn world(&self, site: usize) -> String {
        let mut text = document("World", &self.sites[site].name);
        writeln!(text, "spec:\n  start: {START}\n  account: \"00000000000{site}\"\n  instances:")
            .expect("texts take all");
        let mut any = false;
        for cluster in self.clusters.iter().filter(|cluster| cluster.site == site) {
            any = true;
            for (instance, role) in cluster.instances().iter().zip(["primary", "standby"]) {
                writeln!(
                    text,
                    "    - id: {instance}\n      postgres: {{ role: {role}, system: \"730000000000000000{}\" }}\n      \
                     disks: [ {{ id: vol-{instance}-d, role: data, sizeGiB: 4 }}, {{ id: vol-{instance}-w, role: wal, \
                     sizeGiB: 1 }} ]",
                    cluster.number
                )
                .expect("texts take all");
            }
        }
        if !any {
            text = text.replace("  instances:\n", "  instances: []\n");
        }
        text
    }
}

impl Policy {
    fn document(&self, number: usize) -> String {
        let Self { every_hours, window_hours, last, daily, minimum_redundancy, grace_hours, consistency } = self;
        let window = if *window_hours == 0 { String::new() } else { format!("recoveryWindow: {window_hours}h, ") };
        document("BackupPolicy", &format!("p-{number}"))
            + &format!(
                "spec:\n  schedule: {{ every: {every_hours}h }}\n  source: prefer-standby\n  consistency: \
                 {consistency}\n  retention: {{ {window}keep: {{ last: {last}, daily: {daily} }}, minimumRedundancy: \
                 {minimum_redundancy}, grace: {grace_hours}h }}\n"
            )
    }
}

fn document(kind: &str, name: &str) -> String {
    format!("apiVersion: backstay.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\n")
}
