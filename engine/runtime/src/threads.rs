//! Threads that lend their hands to pure work.

use backstay_core::workers::Workers;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many threads, started for each piece of work and gone after it.
#[derive(Debug, Clone, Copy)]
pub struct Threads(NonZeroUsize);

/// More do not help: a plan is soon limited by memory.
const MOST: usize = 16;

impl Threads {
    /// As many as this process may run at a time.
    #[must_use]
    pub fn available() -> Self {
        let available = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self(NonZeroUsize::new(available.get().min(MOST)).unwrap_or(NonZeroUsize::MIN))
    }
}

impl Workers for Threads {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let hands = || {
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    number if number < count => work(number),
                    _ => break,
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.0.get().min(count) {
                scope.spawn(hands);
            }
            hands();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstay_core::workers::map;

    #[test]
    fn every_piece_is_done_once_and_results_keep_their_order() {
        let items: Vec<usize> = (0..10_000).collect();
        assert_eq!(map(&Threads::available(), &items, |item| *item), items);
        assert!(map(&Threads::available(), &[] as &[usize], |item| *item).is_empty());
    }
}
