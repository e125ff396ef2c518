//! Measuring packets before they are played.
//!
//! When a stream that was playing is placed anew, what was known about its callbacks and packets no longer holds. It is
//! measured for a moment in silence: one fade at the final delay is less audible than a fade at each delay on the way.

/// Duration of a warm-up: 60 ms and eight calls, at most 200 ms, in frames.
const FRAMES: usize = 2880;
const CALLS: usize = 8;
const MOST: usize = 9600;

/// A typical slack of this much (2 ms), in frames, was for stalls, which a warm-up is too short to see: it is kept.
const STALL_SLACK: i64 = 96;

/// A warm-up in progress. Audio thread.
pub(crate) struct Warmup {
    frames_left: usize,
    stall_reserve: i64,
}

impl Warmup {
    /// For calls of `block` frames, and a stream with this typical slack.
    pub(crate) fn new(block: usize, typical_slack: Option<i64>) -> Warmup {
        let frames_left = (CALLS * block).clamp(FRAMES, MOST);
        Warmup { frames_left, stall_reserve: typical_slack.filter(|slack| *slack >= STALL_SLACK).unwrap_or(0) }
    }

    /// `frames` frames were played. Returns whether the warm-up is over.
    pub(crate) fn advance(&mut self, frames: usize) -> bool {
        self.frames_left = self.frames_left.saturating_sub(frames);
        self.frames_left == 0
    }

    /// Slack to keep for stalls, in frames.
    pub(crate) fn stall_reserve(&self) -> i64 {
        self.stall_reserve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A warm-up takes eight calls, at least 60 ms and at most 200 ms.
    #[test]
    fn duration_is_eight_calls_within_bounds() {
        for (block, calls) in [(64, 45), (441, 8), (1024, 8), (2048, 5)] {
            let mut warmup = Warmup::new(block, None);
            assert_eq!((1..).find(|_| warmup.advance(block)), Some(calls), "{block}");
        }
    }

    /// A large typical slack is kept, a small one is not.
    #[test]
    fn slack_for_stalls_is_kept() {
        let kept = |typical| Warmup::new(64, typical).stall_reserve();
        assert_eq!((kept(Some(300)), kept(Some(90)), kept(None)), (300, 0, 0));
    }
}
