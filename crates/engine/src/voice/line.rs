//! What a voice has played: the record that concealment continues from and the drift filter reads.

use crate::hostrate::PIECE;
use rtjam_protocol::audio::CHANNELS;

/// Frames of the past that are always there: 43 ms.
pub(crate) const HISTORY: usize = 2048;

/// Frames that may be taken back.
const MARGIN: usize = 32;

/// Room for the past and some pieces, so that the past is moved to the front only now and then.
const LENGTH: usize = 2 * HISTORY;

/// The frames of both channels in the order in which they were played, gaps filled.
pub(crate) struct Line {
    samples: [Box<[f32]>; CHANNELS],
    end: usize,
}

impl Line {
    /// Silence. Allocates.
    pub(crate) fn new() -> Line {
        Line { samples: core::array::from_fn(|_| vec![0.0; LENGTH].into()), end: HISTORY + MARGIN }
    }

    /// Back to silence.
    pub(crate) fn clear(&mut self) {
        self.samples.iter_mut().for_each(|s| s.fill(0.0));
        self.end = HISTORY + MARGIN;
    }

    /// Appends `frames` (at most [`PIECE`]) for the caller to fill; returns the past and the new frames.
    pub(crate) fn extend(&mut self, frames: usize) -> ([&[f32]; CHANNELS], [&mut [f32]; CHANNELS]) {
        let frames = frames.min(PIECE);
        if self.end + frames > LENGTH {
            for channel in &mut self.samples {
                channel.copy_within(self.end - HISTORY - MARGIN..self.end, 0);
            }
            self.end = HISTORY + MARGIN;
        }
        let at = self.end;
        self.end += frames;
        let [a, b] = &mut self.samples;
        let ((past_a, new_a), (past_b, new_b)) = (a.split_at_mut(at), b.split_at_mut(at));
        let from = at - HISTORY;
        ([&past_a[from..], &past_b[from..]], [&mut new_a[..frames], &mut new_b[..frames]])
    }

    /// Takes back the last `frames` frames (at most 32), as if they had never been appended.
    pub(crate) fn retract(&mut self, frames: usize) {
        self.end = (self.end - frames.min(MARGIN)).max(HISTORY);
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

    #[test]
    fn the_past_is_what_was_appended_whatever_the_pieces() {
        let mut line = Line::new();
        let mut next = 0;
        for frames in [1, 512, 64, 300, 511, 512, 512, 7, 64].into_iter().cycle().take(200) {
            let (_, [a, b]) = line.extend(frames);
            for i in 0..frames {
                (a[i], b[i]) = ((next + i) as f32, -((next + i) as f32));
            }
            next += frames;
            let [a, b] = line.past();
            let expected = |i: usize| (next + i).saturating_sub(HISTORY) as f32;
            assert!((0..HISTORY).all(|i| a[i] == expected(i) && b[i] == -expected(i)));
        }
    }
}
