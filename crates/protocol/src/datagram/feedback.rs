//! The feedback frame: what the receiver of a lane reports to its sender.

use crate::ids::{NonceCounter, SourceId};
use crate::lane::Lane;
use crate::reader::ByteReader;
use crate::time::Micros;
use alloc::vec::Vec;

/// A receiver's report about one lane, with the NACKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The lane.
    pub lane: Lane,
    /// Highest counter received.
    pub newest: NonceCounter,
    /// Whether losses last, so that redundant copies are welcome.
    pub copies: bool,
    /// Datagrams lost since the session began. Wraps.
    pub lost: u32,
    /// Packets recovered by retransmission since the session began. Wraps.
    pub recovered: u32,
    /// How late a packet of each source may arrive.
    pub waits: RetransmitWaits,
    /// Counters to retransmit.
    pub missing: MissingCounters,
}

impl Feedback {
    /// Length of the longest body in bytes.
    pub const MAX_LEN: usize = FIXED_LEN + 2 + RetransmitWaits::MAX * 4 + MissingCounters::BYTES;

    pub(crate) fn read(body: &[u8]) -> Option<Feedback> {
        let mut r = ByteReader::new(body);
        let lane = Lane::from_number(r.u8()?);
        let newest = NonceCounter::from_bytes(r.array()?);
        let copies = r.u8()? & COPIES != 0;
        let (lost, recovered) = (r.u32()?, r.u32()?);
        let mut waits = RetransmitWaits::default();
        for _ in 0..r.u8()? {
            let (source, wait) = (SourceId(r.u16()?), r.u16()?);
            waits.push(source, wait);
        }
        let len = usize::from(r.u8()?);
        let missing = MissingCounters::from_bytes(r.take(len)?);
        Some(Feedback { lane, newest, copies, lost, recovered, waits, missing })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.lane.number());
        out.extend_from_slice(&self.newest.to_bytes());
        out.push(if self.copies { COPIES } else { 0 });
        out.extend_from_slice(&self.lost.to_be_bytes());
        out.extend_from_slice(&self.recovered.to_be_bytes());
        out.push(self.waits.len);
        for (source, wait) in self.waits.all() {
            out.extend_from_slice(&source.0.to_be_bytes());
            out.extend_from_slice(&wait.to_be_bytes());
        }
        let len = self.missing.byte_len();
        out.push(len as u8);
        out.extend_from_slice(&self.missing.0.to_be_bytes()[..len]);
    }

    /// Length of the body in bytes.
    pub(crate) fn body_len(&self) -> usize {
        FIXED_LEN + 2 + usize::from(self.waits.len) * 4 + self.missing.byte_len()
    }
}

/// Flag that welcomes copies.
const COPIES: u8 = 1;

/// Bytes before the list of waits.
const FIXED_LEN: usize = 17;

/// The retransmit wait of each source: how much later than usual its packets may arrive and still be played.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RetransmitWaits {
    list: [(SourceId, u16); RetransmitWaits::MAX],
    len: u8,
}

impl RetransmitWaits {
    /// The most sources in one feedback frame.
    pub const MAX: usize = 32;

    /// Adds a source. Does nothing when [`RetransmitWaits::MAX`] sources are listed.
    pub fn add(&mut self, source: SourceId, wait: Micros) {
        self.push(source, u16::try_from(wait.0 / UNIT).unwrap_or(u16::MAX));
    }

    /// The wait of a source, if it is listed.
    pub fn of(&self, source: SourceId) -> Option<Micros> {
        let (_, wait) = self.all().iter().find(|(s, _)| *s == source)?;
        Some(Micros(u64::from(*wait) * UNIT))
    }

    /// All listed sources.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, Micros)> + '_ {
        self.all().iter().map(|(source, wait)| (*source, Micros(u64::from(*wait) * UNIT)))
    }

    fn push(&mut self, source: SourceId, wait: u16) {
        if let Some(place) = self.list.get_mut(usize::from(self.len)) {
            *place = (source, wait);
            self.len += 1;
        }
    }

    fn all(&self) -> &[(SourceId, u16)] {
        self.list.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// Unit of waits on the wire in µs.
const UNIT: u64 = 10;

impl core::fmt::Debug for RetransmitWaits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The missing counters below the newest one, one bit each. The highest bit is the counter directly below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingCounters(u128);

impl MissingCounters {
    const BYTES: usize = 16;

    /// Number of counters below the newest one that have a bit.
    pub const REACH: u64 = MissingCounters::BYTES as u64 * 8;

    /// Marks the counter `behind` below the newest one, from 1. Larger distances than [`MissingCounters::REACH`] are
    /// ignored.
    pub fn mark(&mut self, behind: u64) {
        if (1..=MissingCounters::REACH).contains(&behind) {
            self.0 |= 1 << (MissingCounters::REACH - behind);
        }
    }

    /// Marks each counter `first + n` whose bit n is set. All of them are below `newest`.
    pub(crate) fn mark_all(&mut self, newest: u64, first: u64, bits: u128) {
        let behind = newest.saturating_sub(first);
        let shift = |by: u64| u32::try_from(by).unwrap_or(u32::MAX);
        self.0 |= match MissingCounters::REACH.checked_sub(behind) {
            Some(up) => bits.checked_shl(shift(up)),
            None => bits.checked_shr(shift(behind - MissingCounters::REACH)),
        }
        .unwrap_or(0);
    }

    /// Whether no counter is marked.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The distance of each marked counter from the newest one, in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (1..=MissingCounters::REACH).rev().filter(|behind| self.0 >> (MissingCounters::REACH - behind) & 1 == 1)
    }

    fn from_bytes(bytes: &[u8]) -> MissingCounters {
        let mut all = [0; MissingCounters::BYTES];
        all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        MissingCounters(u128::from_be_bytes(all))
    }

    /// Number of bytes without trailing zeros.
    fn byte_len(&self) -> usize {
        MissingCounters::BYTES - (self.0.trailing_zeros() / 8) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feedback reads back as written, and not at all when truncated.
    #[test]
    fn feedback_round_trips() {
        let mut feedback = Feedback {
            lane: Lane::forwarding(1),
            newest: NonceCounter::from_bytes([0, 0, 0, 0, 1, 2, 3]),
            copies: true,
            lost: 7,
            recovered: 6,
            waits: RetransmitWaits::default(),
            missing: MissingCounters::default(),
        };
        for (source, behind) in [(1, 1), (2, 9), (40, 128)] {
            feedback.waits.add(SourceId(source), Micros(2670));
            feedback.missing.mark(behind);
            let mut body = Vec::new();
            feedback.write(&mut body);
            assert_eq!(body.len(), feedback.body_len());
            assert!(body.len() <= Feedback::MAX_LEN);
            assert_eq!(Feedback::read(&body), Some(feedback));
            assert_eq!(Feedback::read(&body[..body.len() - 1]), None);
        }
        assert_eq!(feedback.missing.iter().collect::<Vec<_>>(), [128, 9, 1]);
        assert_eq!((feedback.waits.of(SourceId(40)), feedback.waits.of(SourceId(3))), (Some(Micros(2670)), None));
    }

    /// Counters out of reach and sources beyond the limit are left out.
    #[test]
    fn excess_entries_are_ignored() {
        let mut missing = MissingCounters::default();
        missing.mark(0);
        missing.mark(129);
        missing.mark(u64::MAX);
        assert!(missing.is_empty());
        let mut waits = RetransmitWaits::default();
        (0..100).for_each(|n| waits.add(SourceId(n), Micros::from_secs(9)));
        assert_eq!(waits.iter().count(), RetransmitWaits::MAX);
        assert_eq!(waits.of(SourceId(31)), Some(Micros(655_350)));
    }
}
