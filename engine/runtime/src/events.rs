//! What a run tells while it runs. The command line draws it; machines get it as JSON lines.

use crate::apply::ChangeEnd;
use backstay_core::capabilities::CallClass;
use backstay_core::name::SiteName;
use backstay_core::plan::Change;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// One page of a site's listing was read.
    Page {
        /// Which site.
        site: SiteName,
        /// What is listed.
        of: &'static str,
        /// The page's number, from 1.
        page: usize,
        /// How many items were on it.
        items: usize,
    },
    /// A site was read to its end, or could not be.
    SiteRead {
        /// Which site.
        site: SiteName,
        /// Why it is unknown.
        unknown: Option<String>,
    },
    /// A change begins.
    ChangeStarted {
        /// Its place in the plan.
        index: usize,
        /// The change.
        change: Change,
    },
    /// A change ended, or will not begin: each change of a plan is told once.
    ChangeEnded {
        /// Its place in the plan.
        index: usize,
        /// The change.
        change: Change,
        /// How.
        end: ChangeEnd,
    },
    /// Points that were made are still becoming ready.
    Settling {
        /// How many snapshots are not ready yet.
        left: usize,
    },
    /// A call waits: the site refused it for now, or its budget is used up.
    Throttled {
        /// Which site.
        site: SiteName,
        /// What kind of call.
        class: CallClass,
        /// For how long.
        wait: jiff::SignedDuration,
    },
    /// A made-up clock moved.
    ClockMoved {
        /// Which site's.
        site: SiteName,
        /// To when.
        to: jiff::Timestamp,
    },
}

/// Takes what a run tells.
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn on(&self, event: &Event);
}

/// An observer that does not listen.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _event: &Event) {}
}
