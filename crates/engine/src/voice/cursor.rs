//! The read cursor: where a voice reads from its jitter buffer.
//!
//! The cursor owns everything that measures against it. Its position changes in [`ReadCursor::place`], which restarts
//! all of these, and in [`ReadCursor::move_by`], which tells all of them. So nothing can move it unnoticed.

use super::buffer::{KEPT, offset};
use super::delay::{FixedDelay, MoveReason, Regulator, RetransmitWait, TypicalSlack};
use crate::resampler::PIECE;
use rtjam_protocol::FramePosition;

/// How far the cursor can move back, in frames: the buffer must still hold what is read.
const FARTHEST_BACK: i64 = (KEPT - PIECE) as i64;

/// How much one packet changes the mean wait.
const MEAN_WAIT_SHARE: f32 = 0.02;

/// One stream's read position, and what follows it. Audio thread.
pub(crate) struct ReadCursor {
    position: FramePosition,
    pub(crate) regulator: Regulator,
    pub(crate) retransmit_wait: RetransmitWait,
    pub(crate) fixed_delay: FixedDelay,
    pub(crate) typical_slack: TypicalSlack,
    mean_wait: f32,
}

impl ReadCursor {
    /// Allocates.
    pub(crate) fn new() -> ReadCursor {
        ReadCursor {
            position: FramePosition(0),
            regulator: Regulator::new(),
            retransmit_wait: RetransmitWait::new(),
            fixed_delay: FixedDelay::default(),
            typical_slack: TypicalSlack::default(),
            mean_wait: 0.0,
        }
    }

    /// The first frame that has not been read yet.
    pub(crate) fn position(&self) -> FramePosition {
        self.position
    }

    /// Where the cursor would be without the wait for retransmissions: what the regulator steers.
    pub(crate) fn regulated_position(&self) -> FramePosition {
        offset(self.position, self.retransmit_wait.frames())
    }

    /// Mean time that a frame waits from its arrival until it is played, in frames.
    pub(crate) fn mean_wait(&self) -> f32 {
        self.mean_wait
    }

    /// Places the cursor so that `first` is played after `delay` frames. The typical slack survives; the rest is measured
    /// from the start.
    pub(crate) fn place(&mut self, first: FramePosition, delay: i64) {
        self.position = offset(first, -delay);
        self.mean_wait = delay as f32;
        self.regulator.restart();
        self.retransmit_wait.restart();
        self.fixed_delay.restart();
    }

    /// Moves the cursor by `frames` (negative: back, which plays later) and tells everything that measures against it.
    /// Returns how far it moved: not farther back than frames are kept.
    pub(crate) fn move_by(&mut self, reason: MoveReason, frames: i64) -> i64 {
        let frames = frames.max(-FARTHEST_BACK);
        self.position = offset(self.position, frames);
        self.regulator.cursor_moved(reason, frames);
        self.retransmit_wait.cursor_moved(reason, frames);
        self.fixed_delay.cursor_moved(reason, frames);
        self.typical_slack.cursor_moved(reason, frames);
        if reason.changes_wait() {
            self.mean_wait = (self.mean_wait - frames as f32).max(0.0);
        }
        frames
    }

    /// A packet arrived in time, with this slack, after `waited` frames in the ring; the drift filter delays it by
    /// `look_ahead` frames.
    pub(crate) fn note_in_time(&mut self, slack: i64, waited: f32, look_ahead: usize) {
        let wait = slack as f32 + waited + look_ahead as f32;
        self.mean_wait += (wait - self.mean_wait) * MEAN_WAIT_SHARE;
        self.typical_slack.note(slack);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: [MoveReason; 7] = [
        MoveReason::Played,
        MoveReason::HostSkipped,
        MoveReason::LookAhead,
        MoveReason::Regulated,
        MoveReason::RetransmitWait,
        MoveReason::StreamShifted,
        MoveReason::FixedDelay,
    ];

    /// Each reason changes the ledgers that count it, and no others.
    #[test]
    fn every_move_reaches_its_ledgers() {
        for reason in REASONS {
            let mut cursor = ReadCursor::new();
            cursor.place(FramePosition(10_000), 500);
            cursor.note_in_time(500, 0.0, 0);
            cursor.typical_slack.end_call();
            assert_eq!(cursor.move_by(reason, -100), -100);
            let (regulated, waits, slack) = match reason {
                MoveReason::Played | MoveReason::HostSkipped => (0, 0, 0),
                MoveReason::LookAhead => (-100, 0, 0),
                MoveReason::Regulated => (-100, 0, 100),
                MoveReason::RetransmitWait => (0, 100, 100),
                MoveReason::StreamShifted | MoveReason::FixedDelay => (0, 0, 100),
            };
            assert_eq!(cursor.position(), FramePosition(9400), "{reason:?}");
            assert_eq!(cursor.regulated_position(), FramePosition(9400 + waits), "{reason:?}");
            assert_eq!(cursor.regulator.moved(), regulated, "{reason:?}");
            assert_eq!(cursor.retransmit_wait.frames(), waits as i64, "{reason:?}");
            assert_eq!(cursor.typical_slack.frames(), Some(500 + slack), "{reason:?}");
            assert_eq!(cursor.mean_wait(), 500.0 + slack as f32, "{reason:?}");
        }
    }

    /// The cursor does not go back farther than the buffer holds frames.
    #[test]
    fn moves_back_are_bounded() {
        let mut cursor = ReadCursor::new();
        cursor.place(FramePosition(100_000), 0);
        assert_eq!(cursor.move_by(MoveReason::Regulated, -1_000_000), -FARTHEST_BACK);
        assert_eq!(cursor.regulator.moved(), -FARTHEST_BACK);
    }
}
