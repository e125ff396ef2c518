//! How the musicians of a mix stand, as whoever makes the mix hears them: what an end that is sent one stream cannot measure
//! itself.

use super::read::{Reader, Truncated};
use crate::audio::{CHANNELS, Peak};
use crate::ids::SourceId;
use crate::time::Micros;
use alloc::vec::Vec;

/// One musician of a mix, before the gains of whoever it is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// Who.
    pub source: SourceId,
    /// How long their sound waits before it is mixed, on average; at most 655 ms, in steps of 10 µs.
    pub wait: Micros,
    /// Frames of their packets.
    pub frames: u16,
    /// Root mean square of each channel over the last 0.3 s, on the scale of peaks.
    pub rms: [Peak; CHANNELS],
    /// Peak of each channel, which falls by 20 dB a second.
    pub peak: [Peak; CHANNELS],
}

impl Mixed {
    /// Bytes of one.
    pub const LEN: usize = 6 + 4 * CHANNELS;

    /// Appends it to the body of a report.
    pub fn write(&self, out: &mut Vec<u8>) {
        let wait = u16::try_from(self.wait.0 / 10).unwrap_or(u16::MAX);
        for field in [self.source.0, wait, self.frames] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        for level in self.rms.iter().chain(&self.peak) {
            out.extend_from_slice(&level.0.to_be_bytes());
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Mixed, Truncated> {
        let (source, wait, frames) = (SourceId(r.u16()?), Micros(u64::from(r.u16()?) * 10), r.u16()?);
        let mut pair = || Ok([Peak(r.u16()?), Peak(r.u16()?)]);
        Ok(Mixed { source, wait, frames, rms: pair()?, peak: pair()? })
    }
}

/// Some musicians of a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixReport<'a>(&'a [u8]);

impl<'a> MixReport<'a> {
    /// Musicians of one report; more go into another.
    pub const MOST: usize = 32;

    /// Of a body. What is beyond [`MixReport::MOST`], or not whole, is none of it.
    pub fn new(body: &'a [u8]) -> MixReport<'a> {
        let whole = (body.len() / Mixed::LEN).min(MixReport::MOST) * Mixed::LEN;
        MixReport(&body[..whole])
    }

    /// The musicians.
    pub fn iter(&self) -> impl Iterator<Item = Mixed> + 'a {
        let mut rest = Reader::new(self.0);
        core::iter::from_fn(move || Mixed::read(&mut rest).ok())
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_not_whole_is_left_out() {
        let one = Mixed { source: SourceId(3), wait: Micros(1_350), frames: 64, rms: [Peak(1); 2], peak: [Peak(9); 2] };
        let mut body = Vec::new();
        (0..40).for_each(|_| one.write(&mut body));
        assert_eq!(MixReport::new(&body).iter().count(), MixReport::MOST);
        assert_eq!(MixReport::new(&body[..Mixed::LEN + 3]).iter().collect::<Vec<_>>(), [one]);
        assert_eq!(MixReport::new(&[]).iter().next(), None);
        body.clear();
        Mixed { wait: Micros::from_secs(9), ..one }.write(&mut body);
        assert_eq!(MixReport::new(&body).iter().next().map(|m| m.wait), Some(Micros(655_350)));
    }
}
