//! What a create must wait for at its disks, and what a whole cluster waits for while another run works on it.

use super::cluster::Outcome;
use super::{Site, Subject, World};
use crate::capabilities::Rules;
use crate::name::DiskId;
use crate::observed::{Readiness, Snapshot};
use crate::plan::WaitingFor;
use crate::retention::TOLERANCE;
use jiff::Timestamp;

/// What exists of a cluster's disks, and what their site allows.
pub(super) struct Disks<'a> {
    pub(super) rules: &'static Rules,
    pub(super) home: &'a Site<'a>,
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
    pub(super) fn busy<'d>(&self, mut disks: impl Iterator<Item = &'d DiskId>) -> Option<WaitingFor> {
        if !counts_by_disk(self.rules) {
            return None;
        }
        disks.find_map(|disk| {
            // The site counts what claims to be ours in whatever state, believed or not.
            let ours = self.home.claimed_of(disk);
            self.quota(disk, &ours).or_else(|| self.pending(disk, &ours)).or_else(|| self.spacing(disk, &ours))
        })
    }

    fn quota(&self, disk: &DiskId, ours: &[&Snapshot]) -> Option<WaitingFor> {
        let most = self.rules.snapshots_per_disk?;
        let count = ours.len() + self.home.unmanaged_of(disk).len();
        let is_full = count >= usize::try_from(most).unwrap_or(usize::MAX);
        is_full.then(|| WaitingFor::Quota { limit: format!("{disk} has {count} snapshots, and {most} is the most") })
    }

    fn pending(&self, disk: &DiskId, ours: &[&Snapshot]) -> Option<WaitingFor> {
        let most = usize::try_from(self.rules.pending_per_disk?).unwrap_or(usize::MAX);
        let (mut making, mut failed) = (0, 0);
        for snapshot in ours {
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
    fn spacing(&self, disk: &DiskId, ours: &[&Snapshot]) -> Option<WaitingFor> {
        let spacing = self.rules.spacing;
        let others = self.home.unmanaged_of(disk).iter().map(|snapshot| snapshot.created);
        // What is dated in the future tells nothing, and must not stop the backups until then.
        let now = self.as_of.max(self.home.inventory.clock.now);
        let is_past = |created: &Timestamp| *created <= TOLERANCE.after(now);
        let created = ours.iter().map(|snapshot| snapshot.created).chain(others);
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
