//! How independent pieces of work are shared out: a decision may be made by several hands, and is the same whoever made it.
//!
//! Core itself starts no thread. Who has some lends them as [`Workers`].

use std::sync::Mutex;

/// Hands that do pieces of work, in whatever order.
pub trait Workers: Sync {
    /// Calls `work` once for each number below `count`, and returns when all calls have.
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync));
}

/// The caller's own hands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Workers for Alone {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(work);
    }
}

/// How many items one piece of work has.
const PIECE: usize = 64;

/// What `make` makes of every item, in the order of the items.
pub fn map<I: Sync, T: Send>(workers: &dyn Workers, items: &[I], make: impl Fn(&I) -> T + Sync) -> Vec<T> {
    map_pieces(workers, items, PIECE, make)
}

/// The same for items of which each is work enough for one piece.
pub fn map_each<I: Sync, T: Send>(workers: &dyn Workers, items: &[I], make: impl Fn(&I) -> T + Sync) -> Vec<T> {
    map_pieces(workers, items, 1, make)
}

fn map_pieces<I: Sync, T: Send>(
    workers: &dyn Workers,
    items: &[I],
    size: usize,
    make: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let pieces: Vec<&[I]> = items.chunks(size).collect();
    let made: Vec<Mutex<Vec<T>>> = pieces.iter().map(|_| Mutex::new(Vec::new())).collect();
    workers.each(pieces.len(), &|piece| {
        let results = pieces[piece].iter().map(&make).collect();
        *made[piece].lock().expect("nobody panics while it is held") = results;
    });
    made.into_iter().flat_map(|piece| piece.into_inner().expect("nobody panics while it is held")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last piece first.
    struct Backwards;

    impl Workers for Backwards {
        fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
            (0..count).rev().for_each(work);
        }
    }

    #[test]
    fn results_are_in_the_order_of_the_items_whoever_made_them() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(map(&Alone, &items, |item| item * 2), map(&Backwards, &items, |item| item * 2));
        assert_eq!(map(&Backwards, &items, |item| *item), items);
        assert!(map(&Alone, &[] as &[usize], |item| *item).is_empty());
    }
}
