//! What a voice has played: concealment continues from it, and the drift filter reads it.

use crate::resampler::PIECE;
use rtjam_protocol::audio::CHANNELS;

/// Frames of the past that are always there: 43 ms.
pub(crate) const HISTORY: usize = 2048;

/// The most frames that can be retracted.
const MOST_RETRACTED: usize = 32;

/// Room for the past and some pieces, so that the past is rarely moved to the front.
const LENGTH: usize = 2 * HISTORY;

/// The frames of both channels in the order in which they were played, gaps concealed.
pub(crate) struct History {
    samples: [Box<[f32]>; CHANNELS],
    end: usize,
}

impl History {
    /// Silence. Allocates.
    pub(crate) fn new() -> History {
        History { samples: core::array::from_fn(|_| vec![0.0; LENGTH].into()), end: HISTORY + MOST_RETRACTED }
    }

    /// Becomes silence.
    pub(crate) fn clear(&mut self) {
        self.samples.iter_mut().for_each(|s| s.fill(0.0));
        self.end = HISTORY + MOST_RETRACTED;
    }

    /// Appends `frames` frames (at most [`PIECE`]) for the caller to fill. Returns the past and the new frames.
    pub(crate) fn extend(&mut self, frames: usize) -> ([&[f32]; CHANNELS], [&mut [f32]; CHANNELS]) {
        let frames = frames.min(PIECE);
        if self.end + frames > LENGTH {
            for channel in &mut self.samples {
                channel.copy_within(self.end - HISTORY - MOST_RETRACTED..self.end, 0);
            }
            self.end = HISTORY + MOST_RETRACTED;
        }
        let at = self.end;
        self.end += frames;
        let [a, b] = &mut self.samples;
        let ((past_a, new_a), (past_b, new_b)) = (a.split_at_mut(at), b.split_at_mut(at));
        let from = at - HISTORY;
        ([&past_a[from..], &past_b[from..]], [&mut new_a[..frames], &mut new_b[..frames]])
    }

    /// Removes the last `frames` frames (at most 32).
    pub(crate) fn retract(&mut self, frames: usize) {
        self.end = (self.end - frames.min(MOST_RETRACTED)).max(HISTORY);
    }

    /// The last [`HISTORY`] frames.
    pub(crate) fn past(&self) -> [&[f32]; CHANNELS] {
        self.last(HISTORY)
    }

    /// The last `frames` frames, at most [`HISTORY`].
    pub(crate) fn last(&self, frames: usize) -> [&[f32]; CHANNELS] {
        let from = self.end - frames.min(HISTORY);
        [&self.samples[0][from..self.end], &self.samples[1][from..self.end]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The history is what was appended, in pieces of any size.
    #[test]
    fn history_keeps_appended_frames() {
        let mut history = History::new();
        let mut next = 0;
        for frames in [1, 512, 64, 300, 511, 512, 512, 7, 64].into_iter().cycle().take(200) {
            let (_, [a, b]) = history.extend(frames);
            for i in 0..frames {
                (a[i], b[i]) = ((next + i) as f32, -((next + i) as f32));
            }
            next += frames;
            let [a, b] = history.past();
            let expected = |i: usize| (next + i).saturating_sub(HISTORY) as f32;
            assert!((0..HISTORY).all(|i| a[i] == expected(i) && b[i] == -expected(i)));
        }
    }
}
