//! Waiting for retransmissions: up to one packet longer than the regulator would.
//!
//! The regulator weighs stragglers and does not see this wait: it steers the cursor as it would be without it. The wait is
//! all or nothing, so that the delay never chases copies that follow the delay.

use super::loss_record::LossRecord;
use super::moves::MoveReason;
use crate::controls::PlayoutBias;
use rtjam_protocol::Sequence;

/// Time between two decisions, in frames: 100 ms.
const INTERVAL: usize = 4800;

/// The wait ends when it is worth less than this part of what it costs.
const HYSTERESIS: f32 = 0.3;

/// The time to spare that a copy has if it must arrive by a certain packet, in frames: the least that its sender allows
/// for (0.7 ms), and a tenth of a millisecond.
const SPARE: usize = 39;

/// Decides how long to wait for retransmissions. Audio thread.
pub(crate) struct RetransmitWait {
    /// Frames of delay beyond the regulator's.
    frames: i64,
    /// Frames by which the read cursor was moved for other reasons.
    moved: i64,
    losses: LossRecord,
    since_decision: usize,
    late_tolerance: Option<usize>,
}

impl PlayoutBias {
    /// What the wait is worth that brings all packets, in frames of delay. More than for stragglers, because such packets
    /// miss their time or make it together: at normal a packet is waited for if that repairs a gap every 26 seconds, one
    /// packet of 128 frames in 9600.
    fn retransmission_worth(self) -> f32 {
        match self {
            PlayoutBias::Tight => 32.0 * 4_800.0,
            PlayoutBias::Normal => 64.0 * 19_200.0,
            PlayoutBias::Safe => 64.0 * 76_800.0,
        }
    }
}

impl RetransmitWait {
    pub(crate) fn new() -> RetransmitWait {
        RetransmitWait { frames: 0, moved: 0, losses: LossRecord::new(), since_decision: 0, late_tolerance: None }
    }

    /// The cursor was placed: nothing is waited for.
    pub(crate) fn restart(&mut self) {
        (self.frames, self.moved, self.since_decision, self.late_tolerance) = (0, 0, 0, None);
        self.losses.restart();
    }

    /// Frames of delay beyond the regulator's.
    pub(crate) fn frames(&self) -> i64 {
        self.frames
    }

    /// The read cursor moved: forward is positive.
    pub(crate) fn cursor_moved(&mut self, reason: MoveReason, frames: i64) {
        if reason == MoveReason::RetransmitWait {
            self.frames -= frames;
        } else if reason.changes_wait() {
            self.moved += frames;
        }
    }

    /// A packet arrived by itself, with this slack.
    pub(crate) fn packet_arrived(&mut self, sequence: Sequence, slack: i64, frames: usize) {
        self.losses.packet_arrived(sequence, slack - self.frames, self.moved, frames);
    }

    /// A lost packet was retransmitted.
    pub(crate) fn retransmission_arrived(&mut self, sequence: Sequence) {
        self.losses.retransmission_arrived(sequence);
    }

    /// A copy arrived of a packet that was not lost.
    pub(crate) fn copy_arrived(&mut self) {
        self.losses.copy_arrived();
    }

    /// How late a retransmitted packet may be and mostly still be played, in frames; `None` until it is known.
    pub(crate) fn late_tolerance(&self) -> Option<usize> {
        self.late_tolerance
    }

    /// `frames` frames were played. Returns, every 100 ms, that it is time to [`RetransmitWait::decide`].
    pub(crate) fn advance(&mut self, frames: usize) -> bool {
        self.since_decision += frames;
        let due = self.since_decision >= INTERVAL;
        if due {
            self.losses.decay(self.since_decision as f32);
            let distance = self.losses.best()[usize::from(self.frames > 0)].distance;
            self.late_tolerance = (distance > 0).then(|| distance * self.losses.packet() + SPARE);
            self.since_decision = 0;
        }
        due
    }

    /// How far the read cursor should move (forward is positive), if at all.
    pub(crate) fn decide(&self, bias: PlayoutBias) -> Option<i64> {
        let packet = self.losses.packet();
        let (worth, cost) = (self.losses.share_brought() * bias.retransmission_worth(), packet as f32);
        let enough = if self.frames == 0 { cost } else { cost * HYSTERESIS };
        let wanted = if worth > enough { packet as i64 } else { 0 };
        Some(self.frames - wanted).filter(|forward| *forward != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    /// Advances by a packet, and makes the move that is decided on.
    fn advance(wait: &mut RetransmitWait, bias: PlayoutBias) -> Option<i64> {
        let forward = wait.advance(128).then(|| wait.decide(bias)).flatten();
        forward.into_iter().for_each(|forward| wait.cursor_moved(MoveReason::RetransmitWait, forward));
        forward
    }

    /// Plays packets of 128 frames, of which every `every`th is lost and retransmitted two packets later, `spare` frames
    /// before its time. Returns all moves.
    fn play_at(wait: &mut RetransmitWait, packets: Range<u32>, every: u32, spare: i64, bias: PlayoutBias) -> Vec<i64> {
        let mut moves = Vec::new();
        for n in packets.filter(|n| n % every != 0) {
            wait.packet_arrived(Sequence(n), spare + wait.frames(), 128);
            if n % every == 2 {
                wait.retransmission_arrived(Sequence(n - 2));
            }
            moves.extend(advance(wait, bias));
        }
        moves
    }

    fn play(wait: &mut RetransmitWait, from: u32, packets: u32, every: u32, spare: i64) -> Vec<i64> {
        play_at(wait, from..from + packets, every, spare, PlayoutBias::Normal)
    }

    const MINUTE: u32 = 375 * 60;

    /// A packet is waited for if that repairs one in a few thousand.
    #[test]
    fn wait_depends_on_what_it_repairs() {
        for (every, spare, waited) in [
            (3000, 0, true),
            (20_000, 0, false),
            (100, 128, false), // in time without the wait
            (100, 100, true),
            (100, -1, false), // too late even with the wait
        ] {
            let mut wait = RetransmitWait::new();
            play(&mut wait, 0, MINUTE, every, spare);
            assert_eq!(wait.frames() == 128, waited, "every {every}, {spare} frames to spare");
        }
    }

    /// The tolerance is that of the farthest copy that arrives in time.
    #[test]
    fn tolerance_follows_farthest_copy() {
        for (spare, distance) in [(0, 1), (127, 1), (128, 1), (300, 2)] {
            let mut wait = RetransmitWait::new();
            assert_eq!(wait.late_tolerance(), None);
            play(&mut wait, 0, 2 * MINUTE, 100, spare);
            assert_eq!(wait.late_tolerance(), Some(distance * 128 + SPARE), "{spare} frames to spare");
        }
    }

    /// The wait begins after the first loss if copies arrive.
    #[test]
    fn first_loss_starts_the_wait() {
        let mut wait = RetransmitWait::new();
        for n in (0..400).filter(|n| *n != 200) {
            wait.packet_arrived(Sequence(n), wait.frames(), 128);
            if n > 210 {
                wait.copy_arrived();
            }
            let moved = advance(&mut wait, PlayoutBias::Normal);
            assert!(moved.is_none_or(|forward| forward == -128 && n > 200), "{n}: {moved:?}");
        }
        assert_eq!((wait.frames(), wait.late_tolerance()), (128, Some(128 + SPARE)));
    }

    /// Without retransmissions nothing is waited for.
    #[test]
    fn no_wait_without_retransmissions() {
        let mut wait = RetransmitWait::new();
        for n in (0..MINUTE).filter(|n| n % 100 != 0) {
            wait.packet_arrived(Sequence(n), 0, 128);
            assert_eq!(advance(&mut wait, PlayoutBias::Safe), None);
        }
    }

    /// The wait ends minutes after the last loss, and moves the cursor once each way.
    #[test]
    fn wait_ends_after_the_losses() {
        let mut wait = RetransmitWait::new();
        assert_eq!(play(&mut wait, 0, MINUTE, 100, 10), [-128]);
        assert_eq!(play(&mut wait, MINUTE, 10 * MINUTE, u32::MAX, 10), [128]);
    }

    /// A tight bias waits for less.
    #[test]
    fn tight_bias_waits_less() {
        for (bias, waited) in [(PlayoutBias::Tight, 0), (PlayoutBias::Normal, 128)] {
            let mut wait = RetransmitWait::new();
            play_at(&mut wait, 0..MINUTE, 2000, 0, bias);
            assert_eq!(wait.frames(), waited, "{bias}");
        }
    }
}
