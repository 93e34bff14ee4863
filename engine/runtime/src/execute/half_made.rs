//! A point that an earlier run left half made: proof that it is what that run's journal says, before it is gone on with.
//!
//! A journal is believed as far as it can be compared: the snapshots, their disks, instants and tags by the site, the label and
//! the WAL by the files beside the point.

use super::{Answer, Hands, fail, stale};
use backstay_core::lsn::WalRange;
use backstay_core::observed::{Readiness, Snapshot};
use backstay_core::plan::CreatePoint;
use backstay_core::saga::PointFacts;
use backstay_core::tags::{self, Tags};
use backstay_core::time::Duration;
use backstay_provider::PointFileId;

/// Up to which age: a day after it was made, what is left of a point is cleaned up.
const YOUNG: Duration = Duration::hours(20);

impl Hands<'_> {
    /// Takes over what another run cut for this attempt. An error says what is not proven, and nothing was changed.
    pub(crate) async fn take_over(&mut self, create: &CreatePoint, facts: &PointFacts) -> Result<(), String> {
        let taken = self.proven(create, facts).await;
        self.created = taken.map_err(|Answer(event)| format!("{event:?}"))?;
        Ok(())
    }

    async fn proven(&self, create: &CreatePoint, facts: &PointFacts) -> Result<Vec<Snapshot>, Answer> {
        if facts.snapshots.is_empty() {
            return self.prove_cut(create).await.map(|()| Vec::new());
        }
        if facts.snapshots.len() != create.parts.len() {
            return Err(fail("not every part was cut"));
        }
        let mut snapshots = Vec::with_capacity(create.parts.len());
        for (part, cut) in create.parts.iter().zip(&facts.snapshots) {
            let mut found = self.calls.by_intent(&part.intent).await?;
            let (Some(snapshot), true) = (found.pop(), found.is_empty()) else {
                return Err(fail(format!("there is not exactly one snapshot of intent {}", part.intent)));
            };
            let born = tags::at_creation(&self.cluster.uid, create.class, create.point, &part.intent);
            let is_fixed = matches!(snapshot.readiness, Readiness::CutFixed | Readiness::Ready);
            let is_same = snapshot.id == cut.id && snapshot.disk == part.disk && snapshot.created == cut.created;
            let instant = facts.cut().ok_or_else(|| fail("no instant is known"))?;
            let known = tags::when_known(&part.name, facts.system, facts.wal, instant);
            if !is_fixed || !is_same || !is_between(&born, &snapshot.tags, &known) {
                return Err(fail(format!("snapshot {} is not what was cut", snapshot.id)));
            }
            if YOUNG.after(snapshot.created) < self.site_now()? {
                return Err(fail(format!("snapshot {} is too old", snapshot.id)));
            }
            snapshots.push(snapshot);
        }
        if let Some(wal) = facts.wal {
            self.prove_files(create, wal).await?;
        }
        Ok(snapshots)
    }

    /// Nothing was answered for the cut: it was made all the same, and the cut itself adopts what is there.
    async fn prove_cut(&self, create: &CreatePoint) -> Result<(), Answer> {
        // Should what is there vanish meanwhile, the call cuts: so its instance is looked at as before any cut.
        if let Some(because) = self.stale_instance(create).await? {
            return Err(stale(because));
        }
        for part in &create.parts {
            let found = self.calls.by_intent(&part.intent).await?;
            if found.len() != 1 || found.iter().any(|snapshot| snapshot.disk != part.disk) {
                return Err(fail(format!("there is not exactly one snapshot of intent {}", part.intent)));
            }
        }
        Ok(())
    }

    /// The label says where the WAL begins, and every segment is there.
    async fn prove_files(&self, create: &CreatePoint, wal: WalRange) -> Result<(), Answer> {
        let files = self.calls.capabilities().point_files.as_ref();
        let files = files.ok_or_else(|| fail("this site keeps no files beside a point"))?;
        let id =
            PointFileId { cluster: self.cluster.uid.clone(), point: create.point, name: "backup_label".to_owned() };
        let label = files.get(&id).await?.ok_or_else(|| fail("the label is not beside the point"))?;
        let start = format!("START WAL LOCATION: {} ", wal.start);
        if !String::from_utf8_lossy(&label).lines().any(|line| line.starts_with(&start)) {
            return Err(fail("the label beside the point tells another beginning"));
        }
        self.wal_files(files.as_ref(), create.point, wal).await.map(drop)
    }
}

/// Whether tags are those of birth, with none or some of those that the seal adds, and nothing else of ours.
fn is_between(born: &Tags, present: &Tags, known: &Tags) -> bool {
    let has_all = born.iter().all(|(key, value)| present.get(key) == Some(value));
    let is_expected = |key: &str, value: &str| {
        let is_seal = key == tags::SEAL_1 || key == tags::SEAL_2;
        let is_in = |tags: &Tags| tags.get(key).is_some_and(|expected| expected == value);
        is_seal || is_in(born) || is_in(known)
    };
    let is_ours = |key: &str| key.starts_with("backstay-");
    has_all && present.iter().filter(|(key, _)| is_ours(key)).all(|(key, value)| is_expected(key, value))
}
