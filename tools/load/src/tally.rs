//! What was heard of what was sent, and how long it took.

use rtjam_protocol::datagram::DatagramHeader;
use rtjam_protocol::seal::{Freshness, Lane, ReplayWindow};
use rtjam_protocol::{Sequence, SourceId};
use std::collections::HashMap;

/// Delays are told apart up to this, in µs; longer ones count as this long but for the longest.
const FINE: usize = 200_000;

/// Delays in µs, one count each.
pub struct Delays {
    counts: Vec<u32>,
    total: u64,
    longest: u64,
}

impl Default for Delays {
    fn default() -> Delays {
        Delays { counts: vec![0; FINE + 1], total: 0, longest: 0 }
    }
}

impl Delays {
    /// One more.
    pub fn note(&mut self, us: u64) {
        self.counts[(us as usize).min(FINE)] += 1;
        self.total += 1;
        self.longest = self.longest.max(us);
    }

    /// The delay that `share` of all do not pass; 0 when there are none.
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

    /// The longest.
    pub fn max(&self) -> u64 {
        self.longest
    }
}

/// What one musician heard.
#[derive(Default)]
pub struct Heard {
    /// Datagrams with media, by header, each once.
    pub datagrams: u64,
    /// Datagrams, or packets in them, that came again.
    pub duplicated: u64,
    /// Packets in datagrams that were opened, each once.
    pub opened: u64,
    windows: Vec<(Lane, ReplayWindow)>,
    sources: HashMap<SourceId, Source>,
}

/// Which packets of a source were heard: a bit each.
#[derive(Default)]
struct Source {
    bits: Vec<u64>,
    heard: u64,
}

impl Heard {
    /// Counting begins anew; what is a duplicate is still known.
    pub fn begin(&mut self) {
        (self.datagrams, self.duplicated, self.opened) = (0, 0, 0);
        self.sources.clear();
    }

    /// A datagram with media. Says whether it is new.
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

    /// A packet out of a datagram that was opened.
    pub fn packet(&mut self, source: SourceId, sequence: Sequence) {
        let source = self.sources.entry(source).or_default();
        let (word, bit) = (sequence.0 as usize / 64, 1 << (sequence.0 % 64));
        if source.bits.len() <= word {
            source.bits.resize(word + 1, 0);
        }
        if source.bits[word] & bit == 0 {
            source.bits[word] |= bit;
            source.heard += 1;
            self.opened += 1;
        } else {
            self.duplicated += 1;
        }
    }

    /// Packets heard of each source.
    pub fn by_source(&self) -> impl Iterator<Item = (SourceId, u64)> {
        self.sources.iter().map(|(id, source)| (*id, source.heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::SessionId;
    use rtjam_protocol::datagram::DatagramClass;

    #[test]
    fn percentiles_are_ranks() {
        let mut delays = Delays::default();
        assert_eq!(delays.percentile(0.5), 0);
        for us in 1..=100 {
            delays.note(us * 10);
        }
        delays.note(3_000_000);
        assert_eq!((delays.percentile(0.5), delays.percentile(0.99), delays.max()), (510, 1000, 3_000_000));
        assert_eq!(delays.percentile(1.0), FINE as u64);
    }

    #[test]
    fn a_packet_counts_once() {
        let mut heard = Heard::default();
        for (source, sequence) in [(1, 0), (1, 65), (2, 0), (1, 65)] {
            heard.packet(SourceId(source), Sequence(sequence));
        }
        assert_eq!((heard.opened, heard.duplicated), (3, 1));
        let mut by_source: Vec<_> = heard.by_source().collect();
        by_source.sort_by_key(|(source, _)| source.0);
        assert_eq!(by_source, [(SourceId(1), 2), (SourceId(2), 1)]);
    }

    #[test]
    fn a_datagram_counts_once_a_lane() {
        let mut heard = Heard::default();
        let mut header = [0; DatagramHeader::LEN];
        header[0] = DatagramClass::Media as u8;
        header[3..7].copy_from_slice(&SessionId(9).0.to_be_bytes());
        for (lane, counter) in [(0, 1), (2, 1), (0, 2), (0, 1)] {
            (header[2], header[13]) = (lane, counter);
            heard.datagram(&DatagramHeader::read(&header).expect("a header"));
        }
        assert_eq!((heard.datagrams, heard.duplicated), (3, 1));
    }
}
