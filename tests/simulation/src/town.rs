//! A fleet drawn by lot: what is declared, and what goes wrong at the sites.

use crate::chance::Chance;

/// Whose rules the sites follow.
pub(crate) const PROFILES: [&str; 4] = ["aws", "azure", "gcp", "alibaba"];

/// How many policies the clusters of a site choose from.
pub(crate) const POLICIES: usize = 2;

/// What goes wrong with which calls.
const FAULTS: [(&str, &str); 27] = [
    ("any", "unavailable"),
    ("any", "throttled"),
    ("list-snapshots", "unavailable"),
    ("list-snapshots", "throttled"),
    ("list-snapshots", "denied"),
    ("list-snapshots", "stale"),
    ("list-snapshots", "reordered"),
    ("list-instances", "unavailable"),
    ("list-instances", "denied"),
    ("describe", "unavailable"),
    ("describe", "denied"),
    ("describe", "stale"),
    ("create", "denied"),
    ("create", "throttled"),
    ("create", "lost-response"),
    ("create", "repeated"),
    ("create", "fails-later"),
    ("create", "stuck"),
    ("create", "slow"),
    ("tag", "lost-response"),
    ("tag", "throttled"),
    ("tag", "repeated"),
    ("tag", "denied"),
    ("delete", "lost-response"),
    ("delete", "unavailable"),
    ("delete", "repeated"),
    ("delete", "denied"),
];

/// Each kind of fault, with every call that it can meet.
const EVENLY: [(&str, &str); 19] = [
    ("any", "unavailable"),
    ("any", "throttled"),
    ("list-snapshots", "denied"),
    ("list-snapshots", "stale"),
    ("list-snapshots", "reordered"),
    ("list-instances", "denied"),
    ("list-instances", "reordered"),
    ("describe", "stale"),
    ("create", "denied"),
    ("create", "lost-response"),
    ("create", "repeated"),
    ("create", "fails-later"),
    ("create", "stuck"),
    ("create", "slow"),
    ("tag", "lost-response"),
    ("tag", "denied"),
    ("delete", "lost-response"),
    ("delete", "repeated"),
    ("delete", "denied"),
];

/// What is declared, and what goes wrong at the sites.
#[derive(Debug, Clone)]
pub struct Town {
    pub(crate) sites: Vec<Site>,
    /// [`POLICIES`] of each site, one site after the other.
    pub(crate) policies: Vec<Policy>,
    pub(crate) clusters: Vec<Cluster>,
    /// Whether the sites' time is Backstay's to move; else it is the host's.
    pub(crate) is_virtual: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) profile: &'static str,
    pub(crate) page_size: u64,
    pub(crate) faults: Vec<Fault>,
    /// How far its clock is ahead.
    pub(crate) skew: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) call: &'static str,
    pub(crate) fail: &'static str,
    pub(crate) percent: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) every_hours: u64,
    /// Over how much of the interval the clusters spread; all of it unless it is said.
    pub(crate) spread_hours: Option<u64>,
    pub(crate) consistency: &'static str,
    pub(crate) source: &'static str,
    pub(crate) retention: Retention,
    pub(crate) copies: Vec<Copy>,
    pub(crate) lock: Option<Lock>,
}

/// Which points live at a place.
#[derive(Debug, Clone)]
pub(crate) struct Retention {
    pub(crate) window_hours: u64,
    pub(crate) last: u64,
    pub(crate) daily: u64,
    pub(crate) minimum_redundancy: u64,
    pub(crate) grace_hours: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) site: usize,
    pub(crate) retention: Retention,
}

#[derive(Debug, Clone)]
pub(crate) struct Lock {
    pub(crate) mode: &'static str,
    pub(crate) hours: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) number: usize,
    pub(crate) site: usize,
    /// Which of its site's policies.
    pub(crate) policy: usize,
    /// Whether its WAL lies on a disk of its own.
    pub(crate) has_wal_disk: bool,
    /// How often its system identifier changed.
    pub(crate) upgrades: usize,
    /// Whether its document is there.
    pub(crate) is_declared: bool,
    pub(crate) is_retired: bool,
}

impl Cluster {
    pub(crate) fn uid(&self) -> String {
        format!("uid-{}", self.number)
    }

    /// Its two machines: others at each site.
    pub(crate) fn instances(&self) -> [String; 2] {
        [0, 1].map(|node| format!("i-{}-{}-{node}", self.site, self.number))
    }

    pub(crate) fn system(&self) -> String {
        format!("73000000000000{:03}{:02}", self.number, self.upgrades)
    }
}

impl Site {
    /// Whether all disks of a machine can be cut at one instant.
    fn has_groups(&self) -> bool {
        matches!(self.profile, "aws" | "alibaba")
    }

    /// Whether there is one object for a point, and no copy of it.
    pub(crate) fn places_at_creation(&self) -> bool {
        self.profile == "gcp"
    }

    fn lock_modes(&self) -> &'static [&'static str] {
        match self.profile {
            "gcp" => &[],
            "alibaba" => &["compliance"],
            _ => &["governance", "compliance"],
        }
    }

    /// Draws what goes wrong for a while.
    pub(crate) fn break_somehow(&mut self, chance: &mut Chance) {
        self.faults.clear();
        self.skew = None;
        if chance.happens(40) {
            for _ in 0..1 + chance.below(2) {
                let (call, fail) = chance.one_of(&FAULTS);
                self.faults.push(Fault { call, fail, percent: chance.one_of(&[25, 50, 100]) });
            }
        }
        if chance.happens(4) {
            self.skew = Some(chance.one_of(&["7m", "-7m", "2m"]));
        }
    }
}

impl Site {
    /// Everything goes wrong, each thing this often.
    pub(crate) fn break_evenly(&mut self, percent: u64) {
        self.skew = None;
        self.faults = EVENLY.iter().map(|(call, fail)| Fault { call, fail, percent }).collect();
    }
}

impl Retention {
    fn draw(chance: &mut Chance) -> Self {
        Self {
            window_hours: chance.one_of(&[0, 12, 48]),
            last: 1 + chance.below(3),
            daily: chance.below(4),
            minimum_redundancy: 1 + chance.below(3),
            grace_hours: chance.one_of(&[6, 12, 36]),
        }
    }

    /// How long the longest of its rules keeps a point, with the grace.
    fn longest_life_hours(&self, every_hours: u64) -> u64 {
        let counted = self.last.max(self.minimum_redundancy) * every_hours;
        self.window_hours.max(counted).max(self.daily * 24) + self.grace_hours
    }
}

impl Policy {
    /// A policy for the clusters of a site, such as its cloud can honour.
    pub(crate) fn draw(chance: &mut Chance, sites: &[Site], home: usize) -> Self {
        let site = &sites[home];
        let every_hours = chance.one_of(&[4, 8, 24]);
        let others: Vec<usize> =
            (0..sites.len()).filter(|other| *other != home && sites[*other].profile == site.profile).collect();
        let copies = if others.is_empty() || chance.happens(25) {
            Vec::new()
        } else {
            // A copy's retention that is silent on the window has the policy's.
            let window_hours = chance.one_of(&[12, 48]);
            let retention = Retention { window_hours, ..Retention::draw(chance) };
            vec![Copy { site: chance.one_of(&others), retention }]
        };
        let modes = site.lock_modes();
        let lock = (!modes.is_empty() && chance.happens(30))
            .then(|| Lock { mode: chance.one_of(modes), hours: chance.one_of(&[6, 30]) });
        Self {
            every_hours,
            spread_hours: chance.one_of(&[None, Some(1), Some(4)]),
            consistency: if site.has_groups() { chance.one_of(&["application", "crash"]) } else { "application" },
            source: chance.one_of(&["prefer-standby", "prefer-standby", "primary"]),
            retention: Retention::draw(chance),
            copies,
            lock,
        }
        .with_a_lock_that_ends()
    }

    /// Documents refuse a lock that outlasts what it protects, here or at a copy.
    fn with_a_lock_that_ends(mut self) -> Self {
        let lives = std::iter::once(&self.retention).chain(self.copies.iter().map(|copy| &copy.retention));
        let longest = lives.map(|retention| retention.longest_life_hours(self.every_hours)).min().unwrap_or(0);
        if let Some(lock) = &mut self.lock {
            lock.hours = lock.hours.min(longest);
        }
        self
    }
}

impl Town {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let mut sites: Vec<Site> = Vec::new();
        for number in 0..1 + chance.below(4) {
            // Copies go between sites of one kind: often there is a second one.
            let profile = match sites.last() {
                Some(last) if chance.happens(50) => last.profile,
                Some(_) | None => chance.one_of(&PROFILES),
            };
            let page_size = 2 + chance.below(6);
            sites.push(Site { name: format!("site-{number}"), profile, page_size, faults: Vec::new(), skew: None });
        }
        Self::of(chance, sites)
    }

    /// Policies and clusters for these sites.
    pub(crate) fn of(chance: &mut Chance, sites: Vec<Site>) -> Self {
        let homes = (0..sites.len()).flat_map(|home| [home; POLICIES]);
        let policies = homes.map(|home| Policy::draw(chance, &sites, home)).collect();
        let count = 2 + index(chance, 2);
        let mut town = Self { sites, policies, clusters: Vec::new(), is_virtual: true };
        town.populate(chance, count);
        town
    }

    /// Draws the clusters.
    pub(crate) fn populate(&mut self, chance: &mut Chance, count: usize) {
        let draw = |number| Cluster {
            number,
            site: index(chance, self.sites.len()),
            policy: index(chance, POLICIES),
            has_wal_disk: true,
            upgrades: 0,
            is_declared: true,
            is_retired: false,
        };
        self.clusters = (0..count).map(draw).collect();
    }

    pub(crate) fn policy_of(&self, cluster: &Cluster) -> &Policy {
        &self.policies[cluster.site * POLICIES + cluster.policy]
    }

    /// The cluster of a uid.
    pub(crate) fn cluster(&self, uid: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.uid() == uid)
    }

    /// Every retention by which points of a cluster live at a site. At a site that is none of its places any more, its
    /// policy's own holds.
    pub(crate) fn retentions(&self, cluster: &Cluster, site: usize) -> Vec<&Retention> {
        let policy = self.policy_of(cluster);
        if site != cluster.site
            && let Some(copy) = policy.copies.iter().find(|copy| copy.site == site)
        {
            return vec![&copy.retention];
        }
        let is_placed = site == cluster.site && self.sites[site].places_at_creation();
        let placed = policy.copies.iter().filter(|_| is_placed).map(|copy| &copy.retention);
        std::iter::once(&policy.retention).chain(placed).collect()
    }

    /// Changes what is declared, now and then; tells what changed.
    pub(crate) fn change(&mut self, chance: &mut Chance) -> Vec<&'static str> {
        let mut changed = Vec::new();
        if chance.happens(20) {
            let which = index(chance, self.policies.len());
            self.policies[which] = Policy::draw(chance, &self.sites, which / POLICIES);
            changed.push("policy");
        }
        if chance.happens(35) {
            let which = index(chance, self.clusters.len());
            let sites = self.sites.len();
            let cluster = &mut self.clusters[which];
            match chance.below(5) {
                0 => {
                    cluster.is_declared = !cluster.is_declared;
                    changed.push(if cluster.is_declared { "comes back" } else { "removed" });
                }
                1 => {
                    cluster.is_retired = !cluster.is_retired;
                    changed.push(if cluster.is_retired { "retired" } else { "unretired" });
                }
                2 => {
                    cluster.upgrades += 1;
                    changed.push("upgraded");
                }
                3 => {
                    cluster.policy = index(chance, POLICIES);
                    changed.push("another policy");
                }
                _ => {
                    cluster.site = index(chance, sites);
                    changed.push("moved");
                }
            }
        }
        changed
    }
}

/// A place in a list of this length.
pub(crate) fn index(chance: &mut Chance, length: usize) -> usize {
    let bound = u64::try_from(length).expect("a short list");
    usize::try_from(chance.below(bound)).expect("below the length")
}
