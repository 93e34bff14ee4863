//! The kinds of drift: the class of each, how bad it is, and what it means.

use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// What sort of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Something that must be there is not: a point, a copy, a machine.
    Missing,
    /// The newest restorable point is older than the policy's `sla.maxAge`.
    Late,
    /// What is there is not as it was made, or not as the policy wants it.
    Changed,
    /// Snapshots of the fleet's disks that Backstay did not make.
    Unmanaged,
    /// Points that no declared cluster explains.
    Orphan,
    /// A point that the provider does not lock, although the policy wants it.
    Unlocked,
    /// A rule that ignored drift, and whose time is over.
    ExpiredRule,
}

impl Class {
    /// Every class, in the order in which they are told.
    pub const ALL: [Self; 7] =
        [Self::Missing, Self::Late, Self::Changed, Self::Unmanaged, Self::Orphan, Self::Unlocked, Self::ExpiredRule];

    /// The classes of drift itself: what can be asked for, and ignored.
    pub const OF_THE_WORLD: [Self; 6] =
        [Self::Missing, Self::Late, Self::Changed, Self::Unmanaged, Self::Orphan, Self::Unlocked];

    /// The word as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Late => "late",
            Self::Changed => "changed",
            Self::Unmanaged => "unmanaged",
            Self::Orphan => "orphan",
            Self::Unlocked => "unlocked",
            Self::ExpiredRule => "expired-rule",
        }
    }

    /// What the class is about, in one sentence.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Missing => {
                "Something that must be there is not: a point, a copy, or a machine that a document names."
            }
            Self::Late => "The newest restorable point is older than the policy's sla.maxAge.",
            Self::Changed => "What is there is not as it was made, or not as the policy wants it.",
            Self::Unmanaged => "There are snapshots of the fleet's disks that Backstay did not make.",
            Self::Orphan => "There are points that no declared cluster explains. They are kept.",
            Self::Unlocked => "A point is not locked by its provider, although the policy wants it.",
            Self::ExpiredRule => "A rule that ignored drift has expired: it ignores nothing any more.",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClass {
    /// What comes with archives.
    #[error("`gap` is about WAL in an archive, and this version reads no archive yet")]
    Gap,
    /// Nothing that is known.
    #[error("it can be missing, late, changed, unmanaged, orphan or unlocked")]
    Unknown,
}

impl FromStr for Class {
    type Err = InvalidClass;
    fn from_str(text: &str) -> Result<Self, InvalidClass> {
        match text {
            "gap" => Err(InvalidClass::Gap),
            text => Self::OF_THE_WORLD.into_iter().find(|class| class.as_str() == text).ok_or(InvalidClass::Unknown),
        }
    }
}

/// How bad it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Less can be restored than was promised, or something cannot be believed.
    Error,
    /// A promise is broken that a restore does not depend on today.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// All of them, worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// The word as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What exactly it is. Within a class, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A cluster has no restorable point, and none is being made.
    NoPoint,
    /// A point that the last apply left is not there any more.
    PointGone,
    /// Some of a point's sealed snapshots are not there any more, or disagree.
    PointDamaged,
    /// An instance or disk that a document names does not exist at the site.
    MachineMissing,
    /// A copy that the policy wants is overdue.
    CopyMissing,
    /// The newest restorable point is older than `sla.maxAge`.
    Late,
    /// A snapshot claims to be ours, and its seal says otherwise.
    ForeignSeal,
    /// Points are not encrypted, although the policy requires it.
    Unencrypted,
    /// Tags were changed that a seal covers.
    TagsChanged,
    /// Points are encrypted with another key than the policy's.
    OtherKey,
    /// Points lie elsewhere than the policy says.
    Misplaced,
    /// Points are dated in the future.
    FutureDated,
    /// A point is held, and its tag does not say so.
    HoldTagMissing,
    /// Others made snapshots of a cluster's disks.
    Unmanaged,
    /// Points of a cluster that no document declares.
    Orphan,
    /// The lock that the policy wants is overdue.
    Unlocked,
    /// A rule that ignored drift has expired.
    ExpiredRule,
}

impl Kind {
    /// The class that it belongs to.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::NoPoint | Self::PointGone | Self::PointDamaged | Self::MachineMissing | Self::CopyMissing => {
                Class::Missing
            }
            Self::Late => Class::Late,
            Self::ForeignSeal
            | Self::Unencrypted
            | Self::TagsChanged
            | Self::OtherKey
            | Self::Misplaced
            | Self::FutureDated
            | Self::HoldTagMissing => Class::Changed,
            Self::Unmanaged => Class::Unmanaged,
            Self::Orphan => Class::Orphan,
            Self::Unlocked => Class::Unlocked,
            Self::ExpiredRule => Class::ExpiredRule,
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::NoPoint
            | Self::PointGone
            | Self::PointDamaged
            | Self::MachineMissing
            | Self::Late
            | Self::ForeignSeal
            | Self::Unencrypted => Severity::Error,
            Self::CopyMissing
            | Self::TagsChanged
            | Self::OtherKey
            | Self::Misplaced
            | Self::FutureDated
            | Self::Orphan
            | Self::Unlocked
            | Self::ExpiredRule => Severity::Warning,
            Self::HoldTagMissing | Self::Unmanaged => Severity::Note,
        }
    }

    /// The word as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPoint => "no-point",
            Self::PointGone => "point-gone",
            Self::PointDamaged => "point-damaged",
            Self::MachineMissing => "machine-missing",
            Self::CopyMissing => "copy-missing",
            Self::Late => "late",
            Self::ForeignSeal => "foreign-seal",
            Self::Unencrypted => "unencrypted",
            Self::TagsChanged => "tags-changed",
            Self::OtherKey => "other-key",
            Self::Misplaced => "misplaced",
            Self::FutureDated => "future-dated",
            Self::HoldTagMissing => "hold-tag-missing",
            Self::Unmanaged => "unmanaged",
            Self::Orphan => "orphan",
            Self::Unlocked => "unlocked",
            Self::ExpiredRule => "expired-rule",
        }
    }

    /// What it means for who relies on the backups.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NoPoint => "nothing of it can be restored",
            Self::PointGone => "somebody else deleted it, and a restore has to start from an older one",
            Self::PointDamaged => "the point cannot be restored any more, and counts for nothing",
            Self::MachineMissing => "it cannot be snapshotted, and the declared cluster is not the one that runs",
            Self::CopyMissing => "the loss of the home site would take this point with it",
            Self::Late => "a restore would lose more than the policy allows",
            Self::ForeignSeal => "it is never counted, restored or deleted: it may be forged, or its key is lost",
            Self::Unencrypted => "whoever can read the snapshots can read the data",
            Self::TagsChanged => "somebody rewrote our tags; the seal proves what they were",
            Self::OtherKey => "another key than the policy's decides who can read it",
            Self::Misplaced => "it is not where a disaster is planned for; it cannot be moved",
            Self::FutureDated => "a clock was wrong: they are kept, and never counted",
            Self::HoldTagMissing => "the hold stands by its record alone; tools that look at tags do not see it",
            Self::Unmanaged => "no policy expires them, and no seal protects them",
            Self::Orphan => "they cost storage, and nobody is told to restore from them",
            Self::Unlocked => "whoever may delete snapshots can delete it before its time",
            Self::ExpiredRule => "what it ignored is told again",
        }
    }

    /// What is the matter with so many of a kind: the heading above their list.
    #[must_use]
    pub fn heading(self, is_one: bool) -> &'static str {
        match (self, is_one) {
            (Self::NoPoint, true) => "cluster has no restorable point",
            (Self::NoPoint, false) => "clusters have no restorable point",
            (Self::PointGone, true) => "point is gone that an apply had left",
            (Self::PointGone, false) => "points are gone that an apply had left",
            (Self::PointDamaged, true) => "point lost some of its snapshots",
            (Self::PointDamaged, false) => "points lost some of their snapshots",
            (Self::MachineMissing, true) => "declared machine or disk does not exist",
            (Self::MachineMissing, false) => "declared machines and disks do not exist",
            (Self::CopyMissing, true) => "copy is overdue",
            (Self::CopyMissing, false) => "copies are overdue",
            (Self::Late, true) => "cluster is later than sla.maxAge",
            (Self::Late, false) => "clusters are later than sla.maxAge",
            (Self::ForeignSeal, true) => "snapshot claims to be ours, and is not",
            (Self::ForeignSeal, false) => "snapshots claim to be ours, and are not",
            (Self::Unencrypted, true) => "cluster has points that are not encrypted",
            (Self::Unencrypted, false) => "clusters have points that are not encrypted",
            (Self::TagsChanged, true) => "point has other tags than its seal proves",
            (Self::TagsChanged, false) => "points have other tags than their seals prove",
            (Self::OtherKey, true) => "cluster has points under another key",
            (Self::OtherKey, false) => "clusters have points under another key",
            (Self::Misplaced, true) => "cluster has points in another place",
            (Self::Misplaced, false) => "clusters have points in another place",
            (Self::FutureDated, true) => "cluster has points dated in the future",
            (Self::FutureDated, false) => "clusters have points dated in the future",
            (Self::HoldTagMissing, true) => "held point lacks the tag that says so",
            (Self::HoldTagMissing, false) => "held points lack the tag that says so",
            (Self::Unmanaged, true) => "cluster has snapshots that others made",
            (Self::Unmanaged, false) => "clusters have snapshots that others made",
            (Self::Orphan, true) => "cluster has points, and no document",
            (Self::Orphan, false) => "clusters have points, and no document",
            (Self::Unlocked, true) => "point lacks the lock that its policy wants",
            (Self::Unlocked, false) => "points lack the lock that their policies want",
            (Self::ExpiredRule, true) => "ignore rule has expired",
            (Self::ExpiredRule, false) => "ignore rules have expired",
        }
    }
}
