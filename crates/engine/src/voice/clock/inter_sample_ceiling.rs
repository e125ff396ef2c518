//! Limits inter-sample peaks.
//!
//! The curve through a sound's frames may pass above all of them: by 3 dB for a tone of a quarter of the rate, by more for
//! noise of full scale. That is true to the sound, but nothing after the filter has room for it. The ceiling is that of the
//! loudest frame so far, so music hardly ever meets it. Frames are at most −1 dBFS, so peaks between them stay below full
//! scale.

use rtjam_protocol::audio::CHANNELS;

/// Peaks may exceed the loudest frame by this factor: a little less than 1 dB.
const HEADROOM: f32 = 1.12;

/// The loudest frame of each channel so far. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct InterSampleCeiling([f32; CHANNELS]);

impl InterSampleCeiling {
    /// Takes frames of the sound into account.
    pub(crate) fn observe(&mut self, sound: [&[f32]; CHANNELS]) {
        for (top, sound) in self.0.iter_mut().zip(sound) {
            *top = sound.iter().fold(*top, |top, s| if s.abs() > top { s.abs() } else { top });
        }
    }

    /// Limits frames that were read between them.
    pub(crate) fn apply(&self, between: [&mut [f32]; CHANNELS]) {
        for (top, between) in self.0.iter().zip(between) {
            let most = top * HEADROOM;
            between.iter_mut().for_each(|s| *s = s.clamp(-most, most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each channel has a ceiling of its own, which only rises.
    #[test]
    fn ceiling_rises_per_channel() {
        let mut ceiling = InterSampleCeiling::default();
        ceiling.observe([&[0.5, -0.2], &[0.0, 0.0]]);
        ceiling.observe([&[0.1, 0.1], &[0.0, -0.25]]);
        let (mut left, mut right) = ([0.55, 1.0, -1.0], [0.1, 1.0, -1.0]);
        ceiling.apply([&mut left, &mut right]);
        assert_eq!(left, [0.55, 0.5 * HEADROOM, -0.5 * HEADROOM]);
        assert_eq!(right, [0.1, 0.25 * HEADROOM, -0.25 * HEADROOM]);
    }
}
