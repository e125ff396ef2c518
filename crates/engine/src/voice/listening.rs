//! Looking at packets before they are heard.
//!
//! Where a musician who was playing is placed afresh, what was known of callbacks and packets is so no more. They are
//! listened to for a moment then: one fade at the delay that stays is heard less than a fade at each delay on the way.

/// So long (60 ms), in frames, and for so many calls, but not longer than 200 ms.
const FRAMES: usize = 2880;
const CALLS: usize = 8;
const MOST: usize = 9600;

/// Packets that used to come as early as this (2 ms), in frames, did so because of stalls, which 60 ms do not show: as much
/// is kept.
const STALLS: i64 = 96;

/// Packets are only looked at, for some time. Audio thread.
pub(crate) struct Listening {
    /// For so many frames more.
    left: usize,
    stalls: i64,
}

impl Listening {
    /// In calls of `block` frames, of a stream whose packets usually had the slack `usual`.
    pub(crate) fn new(block: usize, usual: Option<i64>) -> Listening {
        let left = (CALLS * block).clamp(FRAMES, MOST);
        Listening { left, stalls: usual.filter(|slack| *slack >= STALLS).unwrap_or(0) }
    }

    /// `frames` frames were played; is it enough?
    pub(crate) fn pass(&mut self, frames: usize) -> bool {
        self.left = self.left.saturating_sub(frames);
        self.left == 0
    }

    /// Slack that is kept because of stalls, in frames.
    pub(crate) fn stalls(&self) -> i64 {
        self.stalls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_eight_calls_but_neither_less_than_60_ms_nor_more_than_200() {
        for (block, calls) in [(64, 45), (441, 8), (1024, 8), (2048, 5)] {
            let mut listening = Listening::new(block, None);
            assert_eq!((1..).find(|_| listening.pass(block)), Some(calls), "{block}");
        }
    }

    #[test]
    fn what_stalls_need_is_kept() {
        let kept = |usual| Listening::new(64, usual).stalls();
        assert_eq!((kept(Some(300)), kept(Some(90)), kept(None)), (300, 0, 0));
    }
}
