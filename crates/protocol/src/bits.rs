//! Rings of bits.

/// A set of recent numbers: bit n % SIZE stands for the number n.
pub(crate) struct BitRing<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for BitRing<WORDS> {
    fn default() -> BitRing<WORDS> {
        BitRing([0; WORDS])
    }
}

impl<const WORDS: usize> BitRing<WORDS> {
    const SIZE: u64 = WORDS as u64 * 64;

    pub(crate) const fn contains(&self, n: u64) -> bool {
        self.0[Self::word(n)] >> (n % 64) & 1 == 1
    }

    pub(crate) const fn insert(&mut self, n: u64) {
        self.0[Self::word(n)] |= 1 << (n % 64);
    }

    /// Removes `count` numbers from `first` on. Works a word at a time, so the cost is bounded by the size of the ring and
    /// not by `count`.
    pub(crate) fn remove(&mut self, first: u64, count: u64) {
        if count >= Self::SIZE {
            return self.0.fill(0);
        }
        let (from, to) = (first % Self::SIZE, first % Self::SIZE + count);
        self.clear(from, to.min(Self::SIZE));
        self.clear(0, to.saturating_sub(Self::SIZE));
    }

    /// Clears the bits in `from..to`; `to` is at most the number of bits.
    fn clear(&mut self, from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let offset = at % 64;
            let count = (64 - offset).min(to - at);
            self.0[Self::word(at)] &= !((u64::MAX >> (64 - count)) << offset);
            at += count;
        }
    }

    const fn word(n: u64) -> usize {
        (n / 64) as usize % WORDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clearing word by word equals clearing bit by bit, for every first bit and many counts.
    #[test]
    fn clears_ranges_across_the_end() {
        for first in 0..256 {
            for count in 0..200 {
                let (mut ring, mut expected) = (BitRing([u64::MAX; 3]), [u64::MAX; 3]);
                ring.remove(first, count);
                for n in first..first + count {
                    expected[(n / 64 % 3) as usize] &= !(1 << (n % 64));
                }
                assert_eq!(ring.0, expected, "{count} from {first}");
            }
        }
    }
}
