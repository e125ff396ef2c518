//! How early packets usually come before their turn.

/// The slack, in frames, that the latest packet of a call usually has: a long call finds several packets, of which only that
/// one says how much earlier the call could be. Survives a resync. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usual {
    slack: Option<f32>,
    /// The least of the call that is going on.
    of_call: Option<i64>,
}

impl Usual {
    /// A packet came in time, with this slack.
    pub(crate) fn note(&mut self, slack: i64) {
        self.of_call = Some(self.of_call.map_or(slack, |least| least.min(slack)));
    }

    /// All packets of a call have been noted.
    pub(crate) fn end_call(&mut self) {
        let Some(least) = self.of_call.take() else { return };
        // Nearer to the least than to the mean: a sender's long block comes as several packets.
        let usual = self.slack.get_or_insert(least as f32);
        let off = least as f32 - *usual;
        *usual += off * if off < 0.0 { 0.1 } else { 0.005 };
    }

    /// The read position went forward by so many frames.
    pub(crate) fn moved(&mut self, forward: i64) {
        self.slack = self.slack.map(|slack| slack - forward as f32);
    }

    /// In whole frames, never below 0; `None` before the first packet.
    pub(crate) fn frames(&self) -> Option<i64> {
        self.slack.map(|slack| slack.round().max(0.0) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_call_only_the_latest_packet_counts() {
        let mut usual = Usual::default();
        for _ in 0..1000 {
            (0..16).for_each(|packet| usual.note(5 + 64 * packet));
            usual.end_call();
            usual.end_call();
        }
        assert_eq!(usual.frames(), Some(5));
        usual.moved(3);
        assert_eq!(usual.frames(), Some(2));
    }

    #[test]
    fn stalls_keep_it_high_and_later_packets_lower_it_soon() {
        let mut usual = Usual::default();
        let calls = |usual: &mut Usual, count: usize, slack: i64| {
            for _ in 0..count {
                usual.note(slack);
                usual.end_call();
            }
        };
        calls(&mut usual, 700, 480);
        calls(&mut usual, 1, 0);
        assert!(usual.frames().is_some_and(|f| f > 400));
        calls(&mut usual, 40, 0);
        assert!(usual.frames().is_some_and(|f| f < 10));
    }
}
