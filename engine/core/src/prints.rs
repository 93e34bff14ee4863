//! Many things, each found by a print of its name: sorted arrays, which take less room and fewer looks than a hash map.

/// Where things are that were sorted by their prints.
#[derive(Debug, Clone)]
pub(crate) struct Prints {
    /// By the highest bits of a mixed print: where those that begin so begin.
    starts: Box<[u32]>,
    shift: u32,
    /// Mixed, in order.
    mixed: Box<[u64]>,
}

/// What has a print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    None,
    /// The thing at this place of the order.
    One(usize),
    /// Several, of which nobody can tell here which is meant.
    Several,
}

impl Prints {
    /// Sorts things by their prints, and tells the order: the places that they had before.
    pub(crate) fn of(prints: impl Iterator<Item = u64>) -> (Self, Vec<u32>) {
        let mut sorted: Vec<(u64, u32)> = prints.map(mix).zip(0..).collect();
        sorted.sort_unstable();
        // Some two of them begin with the same bits.
        let bits = (sorted.len() / 2).max(2).next_power_of_two().ilog2();
        let shift = u64::BITS - bits;
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for (mixed, _) in &sorted {
            starts[first_bits(*mixed, shift) + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mixed = sorted.iter().map(|(mixed, _)| *mixed).collect();
        (Self { starts: starts.into(), shift, mixed }, sorted.into_iter().map(|(_, place)| place).collect())
    }

    /// What has a print.
    #[inline]
    pub(crate) fn find(&self, print: u64) -> Found {
        let mixed = mix(print);
        let begins = first_bits(mixed, self.shift);
        let (start, end) = (index(self.starts[begins]), index(self.starts[begins + 1]));
        let mut alike = self.mixed[start..end].iter().zip(start..).filter(|(other, _)| **other == mixed);
        match (alike.next(), alike.next()) {
            (None, _) => Found::None,
            (Some((_, place)), None) => Found::One(place),
            (Some(_), Some(_)) => Found::Several,
        }
    }
}

/// Spreads what differs over the highest bits. No two prints are mixed to the same.
fn mix(print: u64) -> u64 {
    (print ^ (print >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

fn first_bits(mixed: u64, shift: u32) -> usize {
    usize::try_from(mixed >> shift).unwrap_or(usize::MAX)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_found_by_its_print_and_twins_are_told() {
        for count in [0_u64, 1, 2, 3, 1000] {
            let prints: Vec<u64> = (0..count).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let (found, order) = Prints::of(prints.iter().copied());
            for (place, print) in prints.iter().enumerate() {
                let Found::One(at) = found.find(*print) else { panic!("it is there once") };
                assert_eq!(index(order[at]), place);
            }
            assert_eq!(found.find(7), Found::None);
        }
        let (twins, _) = Prints::of([5, 6, 5].into_iter());
        assert_eq!((twins.find(5), twins.find(7)), (Found::Several, Found::None));
        assert!(matches!(twins.find(6), Found::One(_)));
    }
}
