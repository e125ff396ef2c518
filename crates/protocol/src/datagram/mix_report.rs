//! Mix reports: how the mixer receives each musician. A client that receives a mix cannot measure this itself.

use crate::audio::{CHANNELS, Peak};
use crate::ids::SourceId;
use crate::reader::ByteReader;
use crate::time::Micros;
use alloc::vec::Vec;

/// One musician in a mix, before the recipient's gains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixedMusician {
    /// The musician.
    pub source: SourceId,
    /// Average time for which their audio waits before it is mixed: at most 655 ms, in steps of 10 µs.
    pub wait: Micros,
    /// Size of their packets in frames.
    pub frames: u16,
    /// Root mean square of each channel over the last 0.3 s.
    pub rms: [Peak; CHANNELS],
    /// Peak of each channel, falling by 20 dB a second.
    pub peak: [Peak; CHANNELS],
}

impl MixedMusician {
    /// Bytes of one entry.
    pub const LEN: usize = 6 + 4 * CHANNELS;

    /// Appends the entry to the body of a report.
    pub fn write(&self, out: &mut Vec<u8>) {
        let wait = u16::try_from(self.wait.0 / 10).unwrap_or(u16::MAX);
        for field in [self.source.0, wait, self.frames] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        for level in self.rms.iter().chain(&self.peak) {
            out.extend_from_slice(&level.0.to_be_bytes());
        }
    }

    fn read(r: &mut ByteReader<'_>) -> Option<MixedMusician> {
        let (source, wait, frames) = (SourceId(r.u16()?), Micros(u64::from(r.u16()?) * 10), r.u16()?);
        let mut pair = || Some([Peak(r.u16()?), Peak(r.u16()?)]);
        Some(MixedMusician { source, wait, frames, rms: pair()?, peak: pair()? })
    }
}

/// Some musicians of a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixReport<'a>(&'a [u8]);

impl<'a> MixReport<'a> {
    /// The most musicians in one report. Further ones go into another report.
    pub const MAX: usize = 32;

    /// Reads a body. Ignores entries beyond [`MixReport::MAX`] and an incomplete last one.
    pub fn new(body: &'a [u8]) -> MixReport<'a> {
        let whole = (body.len() / MixedMusician::LEN).min(MixReport::MAX) * MixedMusician::LEN;
        MixReport(&body[..whole])
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = MixedMusician> + 'a {
        let mut rest = ByteReader::new(self.0);
        core::iter::from_fn(move || MixedMusician::read(&mut rest))
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries beyond the limit and an incomplete last one are left out.
    #[test]
    fn excess_and_partial_entries_are_ignored() {
        let one = MixedMusician {
            source: SourceId(3),
            wait: Micros(1_350),
            frames: 64,
            rms: [Peak(1); 2],
            peak: [Peak(9); 2],
        };
        let mut body = Vec::new();
        (0..40).for_each(|_| one.write(&mut body));
        assert_eq!(MixReport::new(&body).iter().count(), MixReport::MAX);
        assert_eq!(MixReport::new(&body[..MixedMusician::LEN + 3]).iter().collect::<Vec<_>>(), [one]);
        assert_eq!(MixReport::new(&[]).iter().next(), None);
        body.clear();
        MixedMusician { wait: Micros::from_secs(9), ..one }.write(&mut body);
        assert_eq!(MixReport::new(&body).iter().next().map(|m| m.wait), Some(Micros(655_350)));
    }
}
