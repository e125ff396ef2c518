//! Keeps a fixed playout delay what it is.
//!
//! The loop of [`super::drift`] keeps step with a musician's clock. Frames that their host loses alone, and a
//! network whose delay becomes another, move their sound against ours all the same: a millisecond at a time a fixed
//! delay would creep away, until packets come too late. What has moved and stays is given back.

/// Less than this (0.75 ms), in frames, is left alone.
const AWAY: f64 = 36.0;

/// So long (4 s), in frames, sound stays away before its place is mended: congestion that passes is ridden out.
const STAYS: f64 = 4.0 * 48_000.0;

/// How early the promptest packets of a stream come before their turn, and for how long that has been another time
/// than at first. Audio thread.
#[derive(Default)]
pub(crate) struct Hold {
    level: Option<f64>,
    away: f64,
}

impl Hold {
    /// The read position was placed, or is counted in another way: what comes next is held.
    pub(crate) fn restart(&mut self) {
        *self = Hold::default();
    }

    /// A window of `length` frames found this level, in frames. Returns by how much to read sooner (negative: later).
    pub(crate) fn window(&mut self, level: f64, length: f64) -> Option<f64> {
        let off = level - *self.level.get_or_insert(level);
        self.away = if off.abs() < AWAY { 0.0 } else { self.away + length };
        if self.away < STAYS {
            return None;
        }
        self.away = 0.0;
        Some(off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: f64 = 9600.0;

    /// Windows whose level is `level(window)` less what was mended; returns each mending with its window.
    fn run(windows: usize, level: impl Fn(usize) -> f64) -> Vec<(usize, f64)> {
        let (mut hold, mut mended, mut all) = (Hold::default(), 0.0, Vec::new());
        for i in 0..windows {
            if let Some(by) = hold.window(level(i) - mended, WINDOW) {
                mended += by;
                all.push((i, by));
            }
        }
        all
    }

    #[test]
    fn what_stays_is_mended_once() {
        assert_eq!(run(500, |i| if i < 100 { 480.0 } else { 416.0 }), [(119, -64.0)]);
    }

    #[test]
    fn what_passes_or_is_small_is_left_alone() {
        assert_eq!(run(500, |i| if (100..115).contains(&i) { -500.0 } else { 0.0 }), []);
        assert_eq!(run(500, |i| if i < 100 { 0.0 } else { 30.0 }), []);
    }

    #[test]
    fn what_goes_on_moving_never_gets_far() {
        let level = |i: usize| -64.0 * (i / 10) as f64;
        let mended: f64 = run(1000, level).iter().map(|(_, by)| by).sum();
        assert!((level(999) - mended).abs() <= 3.0 * 64.0, "{mended}");
    }
}
