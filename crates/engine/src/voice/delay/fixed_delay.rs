//! Keeps a fixed playout delay constant.
//!
//! The loop of [`crate::voice::clock::Drift`] follows a musician's clock. Frames that their host loses, and a network
//! whose delay changes for good, shift their sound against ours all the same: a fixed delay would creep away until packets
//! arrive too late. A shift that stays is undone.

use super::moves::MoveReason;

/// Shifts smaller than this (0.75 ms), in frames, are left alone.
const SMALLEST_SHIFT: f64 = 36.0;

/// A shift is undone after this many frames (4 s): passing congestion is ridden out.
const STAYS: f64 = 4.0 * 48_000.0;

/// Compares how early the promptest packets of a stream arrive with how early they did at first. Audio thread.
#[derive(Default)]
pub(crate) struct FixedDelay {
    initial: Option<f64>,
    /// Frames by which the cursor was moved since then.
    moved: i64,
    /// For how many frames the stream has been shifted.
    shifted_for: f64,
}

impl FixedDelay {
    /// The next window is the one to compare with.
    pub(crate) fn restart(&mut self) {
        *self = FixedDelay::default();
    }

    /// The read cursor moved: forward is positive.
    pub(crate) fn cursor_moved(&mut self, reason: MoveReason, frames: i64) {
        if reason == MoveReason::LookAhead {
            self.restart();
        } else if reason.changes_wait() {
            self.moved += frames;
        }
    }

    /// A window of `length` frames found that packets arrive `early` frames early, had the cursor never moved. Returns by
    /// how many frames to play sooner (negative: later).
    pub(crate) fn end_window(&mut self, early: f64, length: f64) -> Option<f64> {
        let early = early - self.moved as f64;
        let shift = early - *self.initial.get_or_insert(early);
        self.shifted_for = if shift.abs() < SMALLEST_SHIFT { 0.0 } else { self.shifted_for + length };
        if self.shifted_for < STAYS {
            return None;
        }
        self.shifted_for = 0.0;
        Some(shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: f64 = 9600.0;

    /// Plays windows in which packets are `early(window)` frames early; returns each correction with its window.
    fn run(windows: usize, early: impl Fn(usize) -> f64) -> Vec<(usize, f64)> {
        let (mut delay, mut corrections) = (FixedDelay::default(), Vec::new());
        for window in 0..windows {
            if let Some(by) = delay.end_window(early(window), WINDOW) {
                delay.cursor_moved(MoveReason::FixedDelay, by as i64);
                corrections.push((window, by));
            }
        }
        corrections
    }

    /// A shift that stays is undone once, after 4 s.
    #[test]
    fn lasting_shift_is_undone_once() {
        assert_eq!(run(500, |i| if i < 100 { 480.0 } else { 416.0 }), [(119, -64.0)]);
    }

    /// Shifts that pass, and small ones, are left alone.
    #[test]
    fn short_or_small_shifts_stay() {
        assert_eq!(run(500, |i| if (100..115).contains(&i) { -500.0 } else { 0.0 }), []);
        assert_eq!(run(500, |i| if i < 100 { 0.0 } else { 30.0 }), []);
    }

    /// A delay that keeps shifting stays within some milliseconds.
    #[test]
    fn continuous_shift_stays_bounded() {
        let early = |i: usize| -64.0 * (i / 10) as f64;
        let undone: f64 = run(1000, early).iter().map(|(_, by)| by).sum();
        assert!((early(999) - undone).abs() <= 3.0 * 64.0, "{undone}");
    }
}
