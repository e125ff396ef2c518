//! Waiting for what is sent again: up to one packet more than the regulator would.
//!
//! The regulator weighs stragglers and knows nothing of this: it steers the read position as it would be without
//! grace. Grace is all or nothing, so that the delay never chases copies that follow the delay.

use super::losses::Losses;
use crate::controls::Comfort;
use rtjam_protocol::Sequence;

/// Between two looks, in frames: 100 ms.
const LOOK: usize = 4800;

/// Grace ends when it is worth less than this part of what it costs.
const TOO_LITTLE: f32 = 0.3;

/// A copy that must come by the packet after so many has this much to spare, in frames: the least that its sender
/// allows for (0.7 ms), and a tenth of a millisecond.
const TO_SPARE: usize = 39;

/// How long packets that were sent again are waited for. Audio thread.
pub(crate) struct Grace {
    /// Frames of delay beyond the regulator's.
    frames: i64,
    losses: Losses,
    /// Frames since the last look.
    since: usize,
    patience: Option<usize>,
}

impl Comfort {
    /// What a packet is worth that grace brings in time: if all were, as many frames of delay. More than a straggler is
    /// worth, because all of its kind miss their time or make it together: at normal a packet is waited for where that
    /// mends a gap every 26 seconds, one packet of 128 frames in 9600.
    fn worth(self) -> f32 {
        match self {
            Comfort::Tight => 32.0 * 4_800.0,
            Comfort::Normal => 64.0 * 19_200.0,
            Comfort::Safe => 64.0 * 76_800.0,
        }
    }
}

impl Grace {
    pub(crate) fn new() -> Grace {
        Grace { frames: 0, losses: Losses::new(), since: 0, patience: None }
    }

    /// A stream starts, with no grace.
    pub(crate) fn restart(&mut self) {
        (self.frames, self.since, self.patience) = (0, 0, None);
        self.losses.restart();
    }

    /// Frames of delay beyond what the regulator knows of.
    pub(crate) fn frames(&self) -> i64 {
        self.frames
    }

    /// A packet came by itself, with this slack. `jumped` is by how much the read position was moved forward in all.
    pub(crate) fn came(&mut self, sequence: Sequence, slack: i64, jumped: i64, frames: usize) {
        self.losses.came(sequence, slack - self.frames, jumped + self.frames, frames);
    }

    /// A packet was lost and came again.
    pub(crate) fn came_again(&mut self, sequence: Sequence) {
        self.losses.came_again(sequence);
    }

    /// A copy came of a packet that had come already.
    pub(crate) fn copy_came(&mut self) {
        self.losses.copy_came();
    }

    /// By how many frames a packet may be late and mostly still be heard, for who sends again. `None`: not known yet.
    pub(crate) fn patience(&self) -> Option<usize> {
        self.patience
    }

    /// `frames` frames were played. Says every 100 ms that it is time to [`Grace::decide`].
    pub(crate) fn pass(&mut self, frames: usize) -> bool {
        self.since += frames;
        let due = self.since >= LOOK;
        if due {
            self.losses.forget(self.since as f32);
            let distance = self.losses.best()[usize::from(self.frames > 0)].distance;
            self.patience = (distance > 0).then(|| distance * self.losses.packet() + TO_SPARE);
            self.since = 0;
        }
        due
    }

    /// How far the read position must go, forward being positive, if at all.
    pub(crate) fn decide(&mut self, comfort: Comfort) -> Option<i64> {
        let packet = self.losses.packet();
        let (worth, cost) = (self.losses.share_brought() * comfort.worth(), packet as f32);
        let enough = if self.frames == 0 { cost } else { cost * TOO_LITTLE };
        let wanted = if worth > enough { packet as i64 } else { 0 };
        let forward = self.frames - wanted;
        self.frames = wanted;
        (forward != 0).then_some(forward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    /// Plays packets of 128 frames, of which every so manyth is lost and comes again two packets later, `spare` frames
    /// before their time.
    fn play_at(grace: &mut Grace, packets: Range<u32>, every: u32, spare: i64, comfort: Comfort) -> Vec<i64> {
        let mut moves = Vec::new();
        let mut jumped = 0;
        for n in packets {
            if n % every == 0 {
                continue;
            }
            grace.came(Sequence(n), spare - jumped, jumped, 128);
            if n % every == 2 {
                grace.came_again(Sequence(n - 2));
            }
            if let Some(forward) = grace.pass(128).then(|| grace.decide(comfort)).flatten() {
                jumped += forward;
                moves.push(forward);
            }
        }
        moves
    }

    fn play(grace: &mut Grace, from: u32, packets: u32, every: u32, spare: i64) -> Vec<i64> {
        play_at(grace, from..from + packets, every, spare, Comfort::Normal)
    }

    const MINUTE: u32 = 375 * 60;

    #[test]
    fn a_packet_is_waited_for_where_that_brings_one_in_a_few_thousand() {
        for (every, spare, waited) in [
            (3000, 0, true),
            (20_000, 0, false),
            (100, 128, false), // a packet later they are in time without
            (100, 100, true),
            (100, -1, false), // they would be late with it too
        ] {
            let mut grace = Grace::new();
            play(&mut grace, 0, MINUTE, every, spare);
            assert_eq!(grace.frames() == 128, waited, "every {every}, {spare} frames to spare");
        }
    }

    #[test]
    fn patience_is_that_of_the_farthest_copy_that_comes_in_time() {
        for (spare, distance) in [(0, 1), (127, 1), (128, 1), (300, 2)] {
            let mut grace = Grace::new();
            assert_eq!(grace.patience(), None);
            play(&mut grace, 0, 2 * MINUTE, 100, spare);
            assert_eq!(grace.patience(), Some(distance * 128 + TO_SPARE), "{spare} frames to spare");
        }
    }

    #[test]
    fn what_follows_the_first_loss_is_waited_for() {
        let mut grace = Grace::new();
        for n in (0..400).filter(|n| *n != 200) {
            grace.came(Sequence(n), 0, 0, 128);
            if n > 210 {
                grace.copy_came();
            }
            let moved = grace.pass(128).then(|| grace.decide(Comfort::Normal)).flatten();
            assert!(moved.is_none_or(|forward| forward == -128 && n > 200), "{n}: {moved:?}");
        }
        assert_eq!((grace.frames(), grace.patience()), (128, Some(128 + TO_SPARE)));
    }

    #[test]
    fn who_is_sent_nothing_again_waits_for_nothing() {
        let mut grace = Grace::new();
        for n in (0..MINUTE).filter(|n| n % 100 != 0) {
            grace.came(Sequence(n), 0, 0, 128);
            assert_eq!(grace.pass(128).then(|| grace.decide(Comfort::Safe)).flatten(), None);
        }
    }

    #[test]
    fn grace_ends_minutes_after_the_losses_and_moves_once_each_way() {
        let mut grace = Grace::new();
        assert_eq!(play(&mut grace, 0, MINUTE, 100, 10), [-128]);
        assert_eq!(play(&mut grace, MINUTE, 10 * MINUTE, u32::MAX, 10), [128]);
    }

    #[test]
    fn a_turned_down_dial_waits_for_less() {
        for (comfort, waited) in [(Comfort::Tight, 0), (Comfort::Normal, 128)] {
            let mut grace = Grace::new();
            play_at(&mut grace, 0..MINUTE, 2000, 0, comfort);
            assert_eq!(grace.frames(), waited, "{comfort}");
        }
    }
}
