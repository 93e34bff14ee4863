//! Virtual time, and the host's clock in it.

use async_trait::async_trait;
use backstay_runtime::seams::Clock;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// A clock that moves only when it is told; whoever sleeps by it is woken in the order of time.
#[derive(Clone)]
pub struct Time(Arc<Mutex<Dial>>);

struct Dial {
    now: Timestamp,
    /// Tells apart those who sleep until one instant.
    serial: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
}

impl Time {
    /// A clock that shows this.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Dial { now, serial: 0, sleepers: BTreeMap::new() })))
    }

    fn dial(&self) -> MutexGuard<'_, Dial> {
        self.0.lock().expect("nobody panics while the clock is read")
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.dial().now
    }

    /// Moves it forward, and wakes whoever slept until then. It never goes back.
    pub fn advance_to(&self, instant: Timestamp) {
        let mut dial = self.dial();
        dial.now = dial.now.max(instant);
        let now = dial.now;
        while let Some(first) = dial.sleepers.first_entry().filter(|first| first.key().0 <= now) {
            first.remove().wake();
        }
    }

    /// Moves it forward by this much.
    pub fn advance(&self, length: SignedDuration) {
        let to = self.now().checked_add(length).unwrap_or(Timestamp::MAX);
        self.advance_to(to);
    }

    /// When the next sleeper wants to be woken.
    #[must_use]
    pub fn next_waking(&self) -> Option<Timestamp> {
        self.dial().sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Sleeps until an instant.
    pub(crate) fn until(&self, instant: Timestamp) -> Sleep {
        Sleep { time: self.clone(), instant }
    }
}

/// Ends when its instant has come.
pub(crate) struct Sleep {
    time: Time,
    instant: Timestamp,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut dial = self.time.dial();
        if dial.now >= self.instant {
            return Poll::Ready(());
        }
        dial.serial += 1;
        let key = (self.instant, dial.serial);
        dial.sleepers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn sleep(&self, length: SignedDuration) {
        let until = self.now().checked_add(length).unwrap_or(Timestamp::MAX);
        self.until(until).await;
    }
}

/// Lets others go first, once.
pub(crate) async fn give_way() {
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
