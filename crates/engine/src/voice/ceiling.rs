//! Keeps what lies between frames from being louder than they are.
//!
//! The curve through a sound's frames may pass above all of them: by 3 dB for a tone of a quarter of the rate, by more
//! for noise of full scale. That is true to the sound, but nothing after us has room for it. Music meets this ceiling
//! next to never, since it is that of the loudest frame so far. Frames have at most −1 dBFS, so what lies between them
//! stays under full scale.

use super::render::Pair;
use rtjam_protocol::audio::CHANNELS;

/// 1 dB, and a little less.
const HEADROOM: f32 = 1.12;

/// The loudest frame of each channel so far. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ceiling([f32; CHANNELS]);

impl Ceiling {
    /// These frames are part of the sound.
    pub(crate) fn hear(&mut self, sound: Pair<'_>) {
        for (top, sound) in self.0.iter_mut().zip(sound) {
            *top = sound.iter().fold(*top, |top, s| if s.abs() > top { s.abs() } else { top });
        }
    }

    /// Brings what was read between them under the ceiling.
    pub(crate) fn keep(&self, between: [&mut [f32]; CHANNELS]) {
        for (top, between) in self.0.iter().zip(between) {
            let most = top * HEADROOM;
            between.iter_mut().for_each(|s| *s = s.clamp(-most, most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_ceiling_that_only_rises() {
        let mut ceiling = Ceiling::default();
        ceiling.hear([&[0.5, -0.2], &[0.0, 0.0]]);
        ceiling.hear([&[0.1, 0.1], &[0.0, -0.25]]);
        let (mut left, mut right) = ([0.55, 1.0, -1.0], [0.1, 1.0, -1.0]);
        ceiling.keep([&mut left, &mut right]);
        assert_eq!(left, [0.55, 0.5 * HEADROOM, -0.5 * HEADROOM]);
        assert_eq!(right, [0.1, 0.25 * HEADROOM, -0.25 * HEADROOM]);
    }
}
