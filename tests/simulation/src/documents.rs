//! The documents of a fleet, as its owners would write them.

use crate::house::Texts;
use crate::life::START;
use crate::town::{Cluster, POLICIES, Policy, Retention, Site, Town};
use std::fmt::Write as _;

impl Town {
    /// Every document, by its path.
    #[must_use]
    pub fn documents(&self) -> Texts {
        let mut texts = Texts::new();
        let mut fleet = document("Fleet", "town") + "spec: {}\n";
        for (number, site) in self.sites.iter().enumerate() {
            fleet += &site.document(number, self.is_virtual);
            texts.insert(format!("fleet/worlds/{}.yaml", site.name), self.world(number));
        }
        texts.insert("fleet/fleet.yaml".to_owned(), fleet);
        for (number, policy) in self.policies.iter().enumerate() {
            texts.insert(format!("policies/{number}.yaml"), self.policy(policy, number));
        }
        for cluster in self.clusters.iter().filter(|cluster| cluster.is_declared) {
            texts.insert(format!("fleet/clusters/{}.yaml", cluster.number), self.declared(cluster));
        }
        texts
    }

    fn declared(&self, cluster: &Cluster) -> String {
        let [primary, standby] = cluster.instances();
        let retire = if cluster.is_retired { "  retire: true\n" } else { "" };
        document("Cluster", &format!("c-{}", cluster.number))
            + &format!(
                "spec:\n  uid: {}\n  site: {}\n  policy: p-{}\n{retire}  nodes:\n    - {{ name: n0, role: postgres, \
                 instance: {primary} }}\n    - {{ name: n1, role: postgres, instance: {standby} }}\n",
                cluster.uid(),
                self.sites[cluster.site].name,
                cluster.site * POLICIES + cluster.policy
            )
    }

    fn world(&self, site: usize) -> String {
        let mut text = document("World", &self.sites[site].name);
        write!(text, "spec:\n  start: {START}\n  account: \"00000000000{site}\"\n  instances:")
            .expect("texts take all");
        let here: Vec<&Cluster> = self.clusters.iter().filter(|cluster| cluster.site == site).collect();
        text += if here.is_empty() { " []\n" } else { "\n" };
        for cluster in here {
            for (instance, role) in cluster.instances().iter().zip(["primary", "standby"]) {
                let wal = format!(", {{ id: vol-{instance}-w, role: wal, sizeGiB: 1 }}");
                let wal = if cluster.has_wal_disk { wal.as_str() } else { "" };
                writeln!(
                    text,
                    "    - id: {instance}\n      postgres: {{ role: {role}, system: \"{}\" }}\n      disks: [ {{ id: \
                     vol-{instance}-d, role: data, sizeGiB: 4 }}{wal} ]",
                    cluster.system()
                )
                .expect("texts take all");
            }
        }
        text
    }

    fn policy(&self, policy: &Policy, number: usize) -> String {
        let Policy { every_hours, spread_hours, consistency, source, retention, copies, lock } = policy;
        let spread = spread_hours.map_or_else(String::new, |hours| format!(", spread: {hours}h"));
        let mut text = document("BackupPolicy", &format!("p-{number}"))
            + &format!(
                "spec:\n  schedule: {{ every: {every_hours}h{spread} }}\n  source: {source}\n  consistency: \
                 {consistency}\n  retention: {}\n",
                retention.document()
            );
        for copy in copies {
            let site = &self.sites[copy.site].name;
            writeln!(text, "  copies: [ {{ site: {site}, retention: {} }} ]", copy.retention.document())
                .expect("texts take all");
        }
        if let Some(lock) = lock {
            writeln!(text, "  lock: {{ mode: {}, for: {}h }}", lock.mode, lock.hours).expect("texts take all");
        }
        text
    }
}

impl Site {
    fn document(&self, number: usize, is_virtual: bool) -> String {
        let clock = if is_virtual { "virtual" } else { "real" };
        let Self { name, profile, page_size, faults, skew } = self;
        let mut text = "---\n".to_owned() + &document("Site", name);
        write!(
            text,
            "spec:\n  provider: sim\n  profile: {profile}\n  seed: {number}\n  world: fleet/worlds/{name}.yaml\n  clock: \
             {clock}\n  pageSize: {page_size}\n"
        )
        .expect("texts take all");
        if let Some(skew) = skew {
            writeln!(text, "  clockSkew: {skew}").expect("texts take all");
        }
        if !faults.is_empty() {
            text += "  faults:\n";
        }
        for fault in faults {
            let (call, fail, percent) = (fault.call, fault.fail, fault.percent);
            writeln!(text, "    - {{ call: {call}, fail: {fail}, percent: {percent} }}").expect("texts take all");
        }
        text
    }
}

impl Retention {
    fn document(&self) -> String {
        let Self { window_hours, last, daily, minimum_redundancy, grace_hours } = self;
        let window = if *window_hours == 0 { String::new() } else { format!("recoveryWindow: {window_hours}h, ") };
        format!(
            "{{ {window}keep: {{ last: {last}, daily: {daily} }}, minimumRedundancy: {minimum_redundancy}, grace: \
             {grace_hours}h }}"
        )
    }
}

fn document(kind: &str, name: &str) -> String {
    format!("apiVersion: backstay.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\n")
}
