//! Counts the packets received, and their delays.

use rtjam_protocol::datagram::DatagramHeader;
use rtjam_protocol::seal::{Freshness, Lane, ReplayWindow};
use rtjam_protocol::{Sequence, SourceId};
use std::collections::HashMap;

/// The longest delay with a bucket of its own, in µs. Longer ones share the last bucket.
const LONGEST_BUCKET_US: usize = 200_000;

/// A histogram of delays with buckets of 1 µs.
pub struct DelayHistogram {
    counts: Vec<u32>,
    total: u64,
    longest: u64,
}

impl Default for DelayHistogram {
    fn default() -> DelayHistogram {
        DelayHistogram { counts: vec![0; LONGEST_BUCKET_US + 1], total: 0, longest: 0 }
    }
}

impl DelayHistogram {
    /// Adds a delay.
    pub fn note(&mut self, us: u64) {
        self.counts[(us as usize).min(LONGEST_BUCKET_US)] += 1;
        self.total += 1;
        self.longest = self.longest.max(us);
    }

    /// The delay that `share` of all do not exceed; 0 without delays.
    pub fn percentile(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        for (us, count) in self.counts.iter().enumerate() {
            below += u64::from(*count);
            if below >= rank {
                return (us as u64).min(self.longest);
            }
        }
        self.longest
    }

    /// The longest delay.
    pub fn max(&self) -> u64 {
        self.longest
    }
}

/// The packets that one musician has received.
#[derive(Default)]
pub struct Reception {
    /// Media datagrams, each counted once by its header.
    pub datagrams: u64,
    /// Datagrams, or packets in them, that arrived again.
    pub duplicated: u64,
    /// Packets in opened datagrams, each counted once.
    pub opened: u64,
    windows: Vec<(Lane, ReplayWindow)>,
    sources: HashMap<SourceId, SourceReception>,
}

/// The packets of a source: one bit each.
#[derive(Default)]
struct SourceReception {
    bits: Vec<u64>,
    received: u64,
}

impl Reception {
    /// Resets the counts, but still detects duplicates of earlier datagrams.
    pub fn begin(&mut self) {
        (self.datagrams, self.duplicated, self.opened) = (0, 0, 0);
        self.sources.clear();
    }

    /// Counts a media datagram. Returns whether it is new.
    pub fn datagram(&mut self, header: &DatagramHeader) -> bool {
        let index = self.windows.iter().position(|(lane, _)| *lane == header.lane).unwrap_or_else(|| {
            self.windows.push((header.lane, ReplayWindow::default()));
            self.windows.len() - 1
        });
        let fresh = self.windows[index].1.mark(header.counter) != Freshness::Stale;
        if fresh {
            self.datagrams += 1
        } else {
            self.duplicated += 1
        }
        fresh
    }

    /// Counts a packet in an opened datagram.
    pub fn packet(&mut self, source: SourceId, sequence: Sequence) {
        let source = self.sources.entry(source).or_default();
        let (word, bit) = (sequence.0 as usize / 64, 1 << (sequence.0 % 64));
        if source.bits.len() <= word {
            source.bits.resize(word + 1, 0);
        }
        if source.bits[word] & bit == 0 {
            source.bits[word] |= bit;
            source.received += 1;
            self.opened += 1;
        } else {
            self.duplicated += 1;
        }
    }

    /// The number of packets received from each source.
    pub fn by_source(&self) -> impl Iterator<Item = (SourceId, u64)> {
        self.sources.iter().map(|(id, source)| (*id, source.received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::SessionId;
    use rtjam_protocol::datagram::DatagramClass;

    #[test]
    fn percentiles_are_ranks() {
        let mut delays = DelayHistogram::default();
        assert_eq!(delays.percentile(0.5), 0);
        for us in 1..=100 {
            delays.note(us * 10);
        }
        delays.note(3_000_000);
        assert_eq!((delays.percentile(0.5), delays.percentile(0.99), delays.max()), (510, 1000, 3_000_000));
        assert_eq!(delays.percentile(1.0), LONGEST_BUCKET_US as u64);
    }

    #[test]
    fn packets_count_once() {
        let mut reception = Reception::default();
        for (source, sequence) in [(1, 0), (1, 65), (2, 0), (1, 65)] {
            reception.packet(SourceId(source), Sequence(sequence));
        }
        assert_eq!((reception.opened, reception.duplicated), (3, 1));
        let mut by_source: Vec<_> = reception.by_source().collect();
        by_source.sort_by_key(|(source, _)| source.0);
        assert_eq!(by_source, [(SourceId(1), 2), (SourceId(2), 1)]);
    }

    #[test]
    fn datagrams_count_once_per_lane() {
        let mut reception = Reception::default();
        let mut header = [0; DatagramHeader::LEN];
        header[0] = DatagramClass::Media as u8;
        header[3..7].copy_from_slice(&SessionId(9).0.to_be_bytes());
        for (lane, counter) in [(0, 1), (2, 1), (0, 2), (0, 1)] {
            (header[2], header[13]) = (lane, counter);
            reception.datagram(&DatagramHeader::read(&header).expect("a header"));
        }
        assert_eq!((reception.datagrams, reception.duplicated), (3, 1));
    }
}
