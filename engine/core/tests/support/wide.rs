//! Random histories over two sites: copies on their way, failed, cut short and lost, former sites, retirement.

use super::history::{CLUSTERS, Drawn, Flaw, History, Mark, Trouble, Wanted, drawn, history, wanted};
use super::lab::{Lab, uid};
use backstay_core::model::{CopyPolicy, Desired};
use backstay_core::name::SiteName;
use backstay_core::observed::{Listing, Readiness};
use backstay_core::plan::{Action, Change, Plan};
use backstay_core::tags;
use proptest::prelude::*;
use std::sync::Arc;

/// A history whose clusters may have copies, or leftovers of an earlier life, at a second site.
#[derive(Debug, Clone)]
pub struct Wide {
    pub history: History,
    /// What the copies' retention is; `None` where the policy wants none, so that the second site is a former one.
    pub copies: Option<Wanted>,
    /// The same under the baseline, where there is one.
    pub copies_before: Option<Wanted>,
    pub profile: &'static str,
    pub is_retired: bool,
    pub is_unknown: bool,
    /// What became of the copies that a first plan made, one after the other.
    pub copied: Vec<Fate>,
    /// Points of the history that lie at the second site, too.
    pub twins: Vec<usize>,
    /// What else lies there.
    pub there: Vec<Drawn>,
}

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Ready,
    Never,
    OnItsWay,
    Failed,
    Unsealed,
    HalfMade,
}

pub fn second() -> SiteName {
    SiteName::new("us").unwrap()
}

pub fn wide() -> impl Strategy<Value = Wide> {
    let fate = prop_oneof![
        3 => Just(Fate::Ready),
        2 => Just(Fate::Never),
        1 => Just(Fate::OnItsWay),
        1 => Just(Fate::Failed),
        1 => Just(Fate::Unsealed),
        1 => Just(Fate::HalfMade)
    ];
    (
        history(),
        proptest::option::weighted(0.7, wanted()),
        proptest::option::weighted(0.5, wanted()),
        (0..4u8, 0..6u8, 0..12u8),
        proptest::collection::vec(fate, 0..8),
        proptest::collection::vec(0..16usize, 0..6),
        proptest::collection::vec(drawn(), 0..4),
    )
        .prop_map(|(history, copies, copies_before, (profile, retired, unknown), copied, twins, there)| Wide {
            history,
            copies,
            copies_before,
            profile: if profile == 0 { "azure" } else { "aws" },
            is_retired: retired == 0,
            is_unknown: unknown == 0,
            copied,
            twins,
            there,
        })
}

impl Wide {
    /// The world that it describes.
    pub fn lab(&self) -> Lab {
        // What goes wrong as a whole comes last: until then all can be put and copied.
        let quiet = History { trouble: Trouble::None, ..self.history.clone() };
        let mut lab = quiet.lab_with(&second(), self.profile);
        copy_to(&mut lab.desired, self.copies.as_ref());
        if let Some(baseline) = &mut lab.baseline {
            copy_to(baseline, self.copies_before.as_ref());
        }
        self.copy_some(&mut lab);
        for point in self.twins.iter().filter_map(|index| self.history.points.get(*index)) {
            let flaw = if point.flaw == Flaw::CreatedLater { Flaw::CreatedLater } else { Flaw::None };
            Drawn { flaw, mark: Mark::None, ..point.clone() }.put(&mut lab, &second());
        }
        for point in &self.there {
            point.put(&mut lab, &second());
        }
        if self.is_retired {
            retire(&mut lab);
        }
        self.history.trouble.cause(&mut lab);
        if self.is_unknown {
            lab.is_unknown(&second());
        }
        lab
    }

    /// Carries out some of the copies that are planned, and lets them end as drawn.
    fn copy_some(&self, lab: &mut Lab) {
        let baseline = lab.baseline.clone();
        let plan = lab.plan();
        let copies: Vec<Change> =
            plan.changes.iter().filter(|change| matches!(change.action, Action::Copy(_))).cloned().collect();
        for (change, fate) in copies.into_iter().zip(&self.copied).filter(|(_, fate)| **fate != Fate::Never) {
            let before = lab.snapshots_at(&second()).len();
            lab.apply(&Plan { changes: vec![change], ..plan.clone() });
            let all = lab.snapshots_at(&second());
            match fate {
                Fate::Ready | Fate::Never => {}
                Fate::OnItsWay => all[before].readiness = Readiness::CutFixed,
                Fate::Failed => all[before].readiness = Readiness::Failed { because: "internal error".to_owned() },
                Fate::Unsealed => {
                    for tag in [tags::SEAL_1, tags::SEAL_2, tags::PART, tags::SYSTEM, tags::WAL, tags::CUT] {
                        all[before].tags.remove(tag);
                    }
                }
                Fate::HalfMade => {
                    all.pop();
                }
            }
        }
        if let Listing::Complete(records) = &mut lab.observed.records {
            records.baseline = None;
        }
        lab.baseline = baseline;
    }
}

fn copy_to(desired: &mut Desired, copies: Option<&Wanted>) {
    for policy in desired.policies.values_mut() {
        let policy = Arc::make_mut(policy);
        policy.copies =
            copies.iter().map(|w| CopyPolicy { site: second(), retention: w.retention(), kms_key: None }).collect();
    }
}

fn retire(lab: &mut Lab) {
    if let Some(cluster) = lab.desired.clusters.get_mut(&uid(CLUSTERS[0])) {
        Arc::make_mut(cluster).is_retired = true;
    }
}
