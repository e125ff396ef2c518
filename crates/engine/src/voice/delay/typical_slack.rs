//! How early packets typically arrive before their turn.

use super::moves::MoveReason;

/// The typical slack of the last packet of a call, in frames. A long call finds several packets, of which only the last
/// shows how much earlier the call could be. Survives a resync. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct TypicalSlack {
    slack: Option<f32>,
    /// The least slack of the current call.
    least: Option<i64>,
}

impl TypicalSlack {
    /// A packet arrived in time, with this slack.
    pub(crate) fn note(&mut self, slack: i64) {
        self.least = Some(self.least.map_or(slack, |least| least.min(slack)));
    }

    /// All packets of a call have been noted.
    pub(crate) fn end_call(&mut self) {
        let Some(least) = self.least.take() else { return };
        // Nearer to the least than to the mean: a sender's long block arrives as several packets.
        let typical = self.slack.get_or_insert(least as f32);
        let off = least as f32 - *typical;
        *typical += off * if off < 0.0 { 0.1 } else { 0.005 };
    }

    /// The read cursor moved: forward is positive.
    pub(crate) fn cursor_moved(&mut self, reason: MoveReason, frames: i64) {
        if reason.changes_wait() {
            self.slack = self.slack.map(|slack| slack - frames as f32);
        }
    }

    /// The slack in whole frames, at least 0; `None` before the first packet.
    pub(crate) fn frames(&self) -> Option<i64> {
        self.slack.map(|slack| slack.round().max(0.0) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the packets that a long call finds, only the last counts.
    #[test]
    fn last_packet_of_call_counts() {
        let mut typical = TypicalSlack::default();
        for _ in 0..1000 {
            (0..16).for_each(|packet| typical.note(5 + 64 * packet));
            typical.end_call();
            typical.end_call();
        }
        assert_eq!(typical.frames(), Some(5));
        typical.cursor_moved(MoveReason::Regulated, 3);
        assert_eq!(typical.frames(), Some(2));
    }

    /// One late packet changes little; packets that stay later lower the slack within a second.
    #[test]
    fn slack_falls_within_a_second() {
        let mut typical = TypicalSlack::default();
        let calls = |typical: &mut TypicalSlack, count: usize, slack: i64| {
            for _ in 0..count {
                typical.note(slack);
                typical.end_call();
            }
        };
        calls(&mut typical, 700, 480);
        calls(&mut typical, 1, 0);
        assert!(typical.frames().is_some_and(|f| f > 400));
        calls(&mut typical, 40, 0);
        assert!(typical.frames().is_some_and(|f| f < 10));
    }
}
