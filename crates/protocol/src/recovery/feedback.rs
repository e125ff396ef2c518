//! What a receiver tells the sender of a lane: the feedback frame's body.

use crate::datagram::read::{Reader, Truncated};
use crate::ids::SourceId;
use crate::seal::{Counter, Lane};
use crate::time::Micros;
use alloc::vec::Vec;

/// What a receiver has and misses of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Which lane.
    pub lane: Lane,
    /// The highest counter that came.
    pub newest: Counter,
    /// Losses last: copies are welcome where a resend comes too late.
    pub copies: bool,
    /// Datagrams of the lane that never came, since the session began; wraps.
    pub lost: u32,
    /// Packets that only copies and resends brought, since the session began; wraps.
    pub recovered: u32,
    /// How much later than usual a packet may come and still be heard.
    pub waits: Waits,
    /// What is missing.
    pub missing: Missing,
}

impl Feedback {
    /// Bytes of the longest body.
    pub const MAX_LEN: usize = FIXED_LEN + 2 + Waits::MAX * 4 + Missing::BYTES;

    pub(crate) fn read(body: &[u8]) -> Result<Feedback, Truncated> {
        let mut r = Reader::new(body);
        let lane = Lane(r.u8()?);
        let newest = Counter::from_bytes(r.array()?);
        let copies = r.u8()? & COPIES != 0;
        let (lost, recovered) = (r.u32()?, r.u32()?);
        let mut waits = Waits::default();
        for _ in 0..r.u8()? {
            let (source, wait) = (SourceId(r.u16()?), r.u16()?);
            waits.push(source, wait);
        }
        let len = usize::from(r.u8()?);
        let missing = Missing::from_bytes(r.take(len)?);
        Ok(Feedback { lane, newest, copies, lost, recovered, waits, missing })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.lane.0);
        out.extend_from_slice(&self.newest.to_bytes());
        out.push(if self.copies { COPIES } else { 0 });
        out.extend_from_slice(&self.lost.to_be_bytes());
        out.extend_from_slice(&self.recovered.to_be_bytes());
        out.push(self.waits.len);
        for (source, wait) in self.waits.all() {
            out.extend_from_slice(&source.0.to_be_bytes());
            out.extend_from_slice(&wait.to_be_bytes());
        }
        let missing = self.missing.trimmed();
        out.push(missing.len() as u8);
        out.extend_from_slice(missing);
    }

    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        FIXED_LEN + 2 + usize::from(self.waits.len) * 4 + self.missing.trimmed().len()
    }
}

/// The flag that asks for copies.
const COPIES: u8 = 1;

/// Bytes before the list of waits.
const FIXED_LEN: usize = 17;

/// For each musician heard by a lane, how much later than usual their packets may come and still be heard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    list: [(SourceId, u16); Waits::MAX],
    len: u8,
}

impl Waits {
    /// The most that one feedback tells.
    pub const MAX: usize = 32;

    /// Adds a musician's; beyond [`Waits::MAX`] it is left out.
    pub fn add(&mut self, source: SourceId, wait: Micros) {
        self.push(source, u16::try_from(wait.0 / UNIT).unwrap_or(u16::MAX));
    }

    /// A musician's, where it was told.
    pub fn of(&self, source: SourceId) -> Option<Micros> {
        let (_, wait) = self.all().iter().find(|(s, _)| *s == source)?;
        Some(Micros(u64::from(*wait) * UNIT))
    }

    /// All that was told.
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

/// Waits are told in these, in µs.
const UNIT: u64 = 10;

impl Default for Waits {
    fn default() -> Waits {
        Waits { list: [(SourceId(0), 0); Waits::MAX], len: 0 }
    }
}

impl core::fmt::Debug for Waits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Which of the counters before the newest are missing: a bit each, the highest bit of the first byte being the
/// counter just before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing([u8; Missing::BYTES]);

impl Missing {
    const BYTES: usize = 16;

    /// How far before the newest counter it reaches.
    pub const REACH: u64 = Missing::BYTES as u64 * 8;

    /// Marks the counter `behind` before the newest, from 1. What lies beyond the reach is left out.
    pub fn mark(&mut self, behind: u64) {
        let Some(bit) = behind.checked_sub(1).filter(|bit| *bit < Missing::REACH) else { return };
        self.0[(bit / 8) as usize] |= 0x80 >> (bit % 8);
    }

    /// Marks each counter `first + n` whose bit n is set; all of them are before `newest`.
    pub(super) fn mark_all(&mut self, newest: u64, first: u64, mut bits: u128) {
        if newest.saturating_sub(first) > 2 * Missing::REACH {
            return;
        }
        while bits != 0 {
            self.mark(newest.saturating_sub(first + u64::from(bits.trailing_zeros())));
            bits &= bits - 1;
        }
    }

    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; Missing::BYTES]
    }

    /// How far before the newest each marked counter is, farthest first: in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..Missing::REACH).rev().filter(|bit| self.0[(bit / 8) as usize] & (0x80 >> (bit % 8)) != 0).map(|bit| bit + 1)
    }

    fn from_bytes(bytes: &[u8]) -> Missing {
        let mut missing = Missing::default();
        missing.0.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        missing
    }

    /// Without the zeros at the end.
    fn trimmed(&self) -> &[u8] {
        let len = self.0.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        &self.0[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut feedback = Feedback {
            lane: Lane(3),
            newest: Counter::from_bytes([0, 0, 0, 0, 1, 2, 3]),
            copies: true,
            lost: 7,
            recovered: 6,
            waits: Waits::default(),
            missing: Missing::default(),
        };
        for (source, behind) in [(1, 1), (2, 9), (40, 128)] {
            feedback.waits.add(SourceId(source), Micros(2670));
            feedback.missing.mark(behind);
            let mut body = Vec::new();
            feedback.write(&mut body);
            assert_eq!(body.len(), feedback.body_len());
            assert!(body.len() <= Feedback::MAX_LEN);
            assert_eq!(Feedback::read(&body), Ok(feedback));
            assert_eq!(Feedback::read(&body[..body.len() - 1]), Err(Truncated));
        }
        assert_eq!(feedback.missing.iter().collect::<Vec<_>>(), [128, 9, 1]);
        assert_eq!((feedback.waits.of(SourceId(40)), feedback.waits.of(SourceId(3))), (Some(Micros(2670)), None));
    }

    #[test]
    fn what_is_beyond_the_reach_is_left_out() {
        let mut missing = Missing::default();
        missing.mark(0);
        missing.mark(129);
        missing.mark(u64::MAX);
        assert!(missing.is_empty());
        let mut waits = Waits::default();
        (0..100).for_each(|n| waits.add(SourceId(n), Micros::from_secs(9)));
        assert_eq!(waits.iter().count(), Waits::MAX);
        assert_eq!(waits.of(SourceId(31)), Some(Micros(655_350)));
    }
}
