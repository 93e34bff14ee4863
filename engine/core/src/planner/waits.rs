//! What a create must wait for at its disks, and what a whole cluster waits for while another run works on it.

use super::astray::Astray;
use super::cluster::Outcome;
use super::places::Seen;
use super::{Subject, World};
use crate::capabilities::Rules;
use crate::name::{ClusterUid, DiskId, SiteName};
use crate::observed::{Readiness, Snapshot};
use crate::plan::WaitingFor;
use crate::point::Shelf;
use crate::retention::TOLERANCE;
use crate::tags;
use jiff::Timestamp;

/// What exists of a cluster's disks, and what their site allows.
pub(super) struct Disks<'a> {
    pub(super) rules: &'static Rules,
    /// What was seen of the cluster at its home.
    pub(super) home: Seen<'a>,
    /// Whose disks they are.
    pub(super) uid: &'a ClusterUid,
    /// The name of its home.
    pub(super) site: &'a SiteName,
    /// What does not name the cluster.
    pub(super) astray: &'a Astray<'a>,
    pub(super) as_of: Timestamp,
}

/// Whether sites of a kind count what is made of each disk.
pub(super) fn counts_by_disk(rules: &Rules) -> bool {
    let spacing = rules.spacing;
    let has_limits = rules.pending_per_disk.is_some() || rules.snapshots_per_disk.is_some();
    has_limits || spacing.interval.as_seconds() > 0 || spacing.most < u32::MAX
}

impl Disks<'_> {
    /// Why no further snapshot of these disks may be made now.
    pub(super) fn busy<'d>(&self, disks: impl ExactSizeIterator<Item = &'d DiskId>) -> Option<WaitingFor> {
        if let Some(why) = self.full(disks.len()) {
            return Some(why);
        }
        if !counts_by_disk(self.rules) {
            return None;
        }
        disks
            .into_iter()
            .find_map(|disk| self.quota(disk).or_else(|| self.pending(disk)).or_else(|| self.spacing(disk)))
    }

    /// Those of a disk that claim to be ours, in whatever state: the site counts them all, believed or not.
    fn ours<'s>(&'s self, disk: &'s DiskId) -> impl Iterator<Item = &'s Snapshot> {
        let own = self.home.shelf.into_iter().flat_map(Shelf::snapshots).filter(move |s| s.disk == *disk);
        let of_disk = self.astray.of_disk(self.site, disk).iter().copied();
        own.chain(of_disk.filter(|snapshot| snapshot.tags.get(tags::CLUSTER) != Some(self.uid.as_str())))
    }

    /// What a site may have in all, by what is there and this one point.
    fn full(&self, parts: usize) -> Option<WaitingFor> {
        let most = self.rules.snapshots_per_site?;
        let site = self.home.site;
        let count = site.inventory.snapshots.len() + site.inventory.unmanaged.len() + site.elsewhere;
        let is_full = count + parts > usize::try_from(most).unwrap_or(usize::MAX);
        is_full.then(|| WaitingFor::Quota { limit: format!("the site has {count} snapshots, and {most} is the most") })
    }

    fn quota(&self, disk: &DiskId) -> Option<WaitingFor> {
        let most = self.rules.snapshots_per_disk?;
        let count = self.ours(disk).count() + self.home.site.unmanaged_of(disk).len();
        let is_full = count >= usize::try_from(most).unwrap_or(usize::MAX);
        is_full.then(|| WaitingFor::Quota { limit: format!("{disk} has {count} snapshots, and {most} is the most") })
    }

    fn pending(&self, disk: &DiskId) -> Option<WaitingFor> {
        let most = usize::try_from(self.rules.pending_per_disk?).unwrap_or(usize::MAX);
        let (mut making, mut failed) = (0, 0);
        for snapshot in self.ours(disk) {
            match snapshot.readiness {
                Readiness::Ready => {}
                Readiness::Creating | Readiness::CutFixed => making += 1,
                Readiness::Failed { .. } if self.rules.failed_is_pending => failed += 1,
                Readiness::Failed { .. } => {}
            }
        }
        if making + failed < most {
            return None;
        }
        if making > 0 {
            return Some(WaitingFor::DiskSpacing { disk: disk.clone(), until: None });
        }
        let limit = format!("{disk} has {failed} failed snapshots, which count as unfinished until they are deleted");
        Some(WaitingFor::Quota { limit })
    }

    /// The end of the interval after the newest one, or the end of the window that is full.
    fn spacing(&self, disk: &DiskId) -> Option<WaitingFor> {
        let spacing = self.rules.spacing;
        let others = self.home.site.unmanaged_of(disk).iter().map(|snapshot| snapshot.created);
        // What is dated in the future tells nothing, and must not stop the backups until then.
        let now = self.as_of.max(self.home.site.inventory.clock.now);
        let is_past = |created: &Timestamp| *created <= TOLERANCE.after(now);
        let created = self.ours(disk).map(|snapshot| snapshot.created).chain(others);
        let mut created: Vec<Timestamp> = created.filter(is_past).collect();
        created.sort_unstable_by(|a, b| b.cmp(a));
        let newest = created.first().map(|newest| spacing.interval.after(*newest));
        let place = usize::try_from(spacing.most).unwrap_or(usize::MAX).checked_sub(1)?;
        let window = created.get(place).map(|oldest| spacing.window.after(*oldest));
        let until = newest.max(window).filter(|until| *until > self.as_of)?;
        Some(WaitingFor::DiskSpacing { disk: disk.clone(), until: Some(until) })
    }
}

/// Another run works on the cluster. What is planned for it stays planned: `apply` waits for the lease, or leaves it out.
pub(super) fn lease(subject: &Subject<'_>, world: &World<'_>, outcome: &mut Outcome) {
    if let Some(lease) = world.records().leases.get(&subject.cluster.uid).filter(|_| !outcome.changes.is_empty()) {
        let why = WaitingFor::Lease { holder: lease.holder.clone(), until: lease.until };
        outcome.wait(subject.cluster, None, why);
    }
}
