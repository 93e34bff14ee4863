//! The budgets of one account in one region, shared by every call of this process there.

use backstay_core::capabilities::{CallClass, Iaas};
use backstay_core::model::{Provider, Site};
use backstay_core::name::SiteName;
use backstay_provider::limits::{AT_ONCE, Limiter, Request, Ticket, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// One account in one region: what is used up, and how many calls are under way.
#[derive(Debug)]
pub(crate) struct Limits {
    limiter: Mutex<Limiter>,
    under_way: BTreeMap<CallClass, Semaphore>,
    /// How many chances were drawn.
    drawn: AtomicU64,
    /// Whether there is anything to wait for: where there is not, nobody need ask what time it is.
    counts: AtomicBool,
}

/// What budgets are counted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Whoever calls in this region for this account.
    Account { cloud: Iaas, account: String, region: String },
    /// A site that shares with no other.
    Alone(SiteName),
}

/// The limits of all sites: those with one account and region share one.
pub(crate) fn of_sites<'a>(sites: impl Iterator<Item = &'a Site>) -> BTreeMap<SiteName, Arc<Limits>> {
    let mut by_owner: BTreeMap<Owner, Arc<Limits>> = BTreeMap::new();
    let shared = |site: &Site| {
        let limits = by_owner.entry(owner(site)).or_insert_with(|| Arc::new(Limits::of(site)));
        (site.name.clone(), limits.clone())
    };
    sites.map(shared).collect()
}

fn owner(site: &Site) -> Owner {
    match &site.provider {
        Provider::Cloud { account, region, .. } => {
            Owner::Account { cloud: Iaas::of(site), account: account.to_string(), region: region.clone() }
        }
        // Each simulated site counts for itself.
        Provider::Sim(_) | Provider::Local(_) => Owner::Alone(site.name.clone()),
    }
}

impl Limits {
    fn of(site: &Site) -> Self {
        let iaas = Iaas::of(site);
        let has_budgets = match &site.provider {
            Provider::Cloud { .. } => true,
            Provider::Sim(sim) => sim.enforces_budgets,
            Provider::Local(_) => false,
        };
        let limiter = if has_budgets { Limiter::new(iaas) } else { Limiter::without_budgets(iaas) };
        Self::counting(limiter, has_budgets)
    }

    /// Where a test counts nothing.
    #[cfg(test)]
    pub(crate) fn without_budgets() -> Self {
        Self::counting(Limiter::without_budgets(Iaas::Aws), false)
    }

    fn counting(limiter: Limiter, has_budgets: bool) -> Self {
        Self {
            limiter: Mutex::new(limiter),
            under_way: CallClass::ALL.into_iter().map(|class| (class, Semaphore::new(AT_ONCE))).collect(),
            drawn: AtomicU64::new(0),
            counts: AtomicBool::new(has_budgets),
        }
    }

    /// Whether a budget holds here, or the site has asked for patience.
    pub(super) fn counts(&self) -> bool {
        self.counts.load(Ordering::Relaxed)
    }

    /// Waits until a call of this class may be under way beside the others.
    pub(super) async fn beside_others(&self, class: CallClass) -> Option<SemaphorePermit<'_>> {
        // Nobody closes a semaphore here, and every class has one. Without tokio's own yielding, simulated runs keep their order.
        tokio::task::unconstrained(self.under_way.get(&class)?.acquire()).await.ok()
    }

    /// Joins the line; dropping the place leaves it.
    pub(super) fn join(&self, now: Timestamp, request: Request<'_>) -> InLine<'_> {
        InLine { limits: self, ticket: self.lock().join(now, request) }
    }

    pub(super) fn throttled(&self, now: Timestamp, class: CallClass, after: Option<SignedDuration>) {
        self.lock().throttled(now, class, after);
        self.counts.store(true, Ordering::Relaxed);
    }

    /// A number of its own for each draw.
    pub(super) fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line.
pub(super) struct InLine<'a> {
    limits: &'a Limits,
    ticket: Ticket,
}

impl InLine<'_> {
    pub(super) fn ask(&self, now: Timestamp) -> Verdict {
        self.limits.lock().ask(now, self.ticket)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.limits.lock().leave(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstay_core::model::ProviderKind;
    use backstay_core::name::AccountId;

    fn site(name: &str, kind: ProviderKind, account: &str, region: &str) -> Site {
        let account = AccountId::new(account).expect("an account");
        let provider = Provider::Cloud { kind, region: region.to_owned(), account, endpoint: None };
        Site { name: SiteName::new(name).expect("a name"), provider }
    }

    #[test]
    fn sites_of_one_account_and_region_share_their_budgets_and_no_others_do() {
        let sites = [
            site("a", ProviderKind::Aws, "111122223333", "eu-central-1"),
            site("b", ProviderKind::Aws, "111122223333", "eu-central-1"),
            site("c", ProviderKind::Aws, "111122223333", "us-east-1"),
            site("d", ProviderKind::Aws, "444455556666", "eu-central-1"),
            site("e", ProviderKind::Alibaba, "111122223333", "eu-central-1"),
        ];
        let limits: Vec<Arc<Limits>> = of_sites(sites.iter()).into_values().collect();
        for (one, limits_of_one) in limits.iter().enumerate() {
            for (other, limits_of_other) in limits.iter().enumerate() {
                let are_shared = Arc::ptr_eq(limits_of_one, limits_of_other);
                assert_eq!(are_shared, one == other || one.max(other) == 1, "{one} and {other}");
            }
        }
    }
}
