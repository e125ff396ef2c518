//! Rings of bits: bit n % SIZE stands for the number n.

/// Clears `count` bits of the ring from `first` on. Works a word at a time, so the cost is bounded by the size of the ring
/// and not by `count`.
pub(crate) fn clear_ring(bits: &mut [u64], first: u64, count: u64) {
    let size = bits.len() as u64 * 64;
    if count >= size {
        return bits.fill(0);
    }
    let (from, to) = (first % size, first % size + count);
    clear(bits, from, to.min(size));
    clear(bits, 0, to.saturating_sub(size));
}

/// Clears the bits in `from..to`; `to` is at most the number of bits.
fn clear(bits: &mut [u64], from: u64, to: u64) {
    let mut at = from;
    while at < to {
        let (word, offset) = ((at / 64) as usize, at % 64);
        let count = (64 - offset).min(to - at);
        bits[word] &= !((u64::MAX >> (64 - count)) << offset);
        at += count;
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
                let (mut bits, mut expected) = ([u64::MAX; 3], [u64::MAX; 3]);
                clear_ring(&mut bits, first, count);
                for n in first..first + count {
                    expected[(n / 64 % 3) as usize] &= !(1 << (n % 64));
                }
                assert_eq!(bits, expected, "{count} from {first}");
            }
        }
    }
}
