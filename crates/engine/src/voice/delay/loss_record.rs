//! What redundant copies of lost packets bring, derived from when their carriers arrived.
//!
//! A copy that travels a distance of n packets behind its original arrives with the packet that carries it. So every loss
//! shows at which distances a copy would have been in time, including those that were not tried.

use rtjam_protocol::Sequence;

/// The largest distance of a copy that is considered, in packets.
pub(crate) const FARTHEST: usize = 32;

/// Remembered packets: those that may carry copies of the one that is judged, and those that overtake.
const REMEMBERED: usize = 64;

/// Losses come in runs: the first loss within half a minute counts as this many packets in a row.
const FIRST_LOSS: f32 = 2.0;

/// The timing of all packets counts as much as the timing of those that followed this many losses.
const PRIOR_LOSSES: f32 = 4.0;

/// An observation counts half after this many frames (30 s).
const HALF_LIFE: f32 = 30.0 * 48_000.0;

/// A stream begins as if this much (2.5 s) had been heard without a loss.
const INITIALLY_HEARD: f32 = 2.5 * 48_000.0;

/// Retransmission is active if at least one lost packet in this many arrives again, however late.
const ACTIVE_SHARE: f32 = 16.0;

/// Retransmission is also active if a copy arrived within this many frames (2 s).
const RECENT_COPY: f32 = 96_000.0;

/// The losses of one stream, and what would have repaired them. Audio thread.
pub(crate) struct LossRecord {
    /// By sequence number.
    recent: [Received; REMEMBERED],
    newest: Option<Sequence>,
    /// Frames of the usual packet.
    packet: usize,
    /// Frames judged; of these lost; of these retransmitted.
    heard: f32,
    lost: f32,
    retransmitted: f32,
    /// Frames since a copy arrived.
    since_copy: f32,
    /// By distance: frames of lost packets whose copy's carrier arrived, and those that it would have brought in time,
    /// without and with one more packet of delay.
    carried: [f32; FARTHEST + 1],
    brings: [[f32; 2]; FARTHEST + 1],
    /// Frames of arrived packets, by one more than the largest distance at which they would have brought a copy in time; 0
    /// for packets that were late themselves.
    reach: [f32; FARTHEST + 2],
}

#[derive(Clone, Copy)]
struct Received {
    sequence: Sequence,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Pending,
    /// Arrived by itself, with this slack had the read cursor never moved.
    Arrived(i64),
    Retransmitted,
    /// Before the stream's first packet.
    BeforeStream,
}

/// The distance at which copies bring the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BestDistance {
    /// In packets, from 1; 0 if copies bring nothing.
    pub(crate) distance: usize,
    /// Frames of lost packets that copies bring.
    frames: f32,
}

impl LossRecord {
    pub(crate) fn new() -> LossRecord {
        LossRecord {
            recent: [Received { sequence: Sequence(0), outcome: Outcome::Pending }; REMEMBERED],
            newest: None,
            packet: 0,
            heard: INITIALLY_HEARD,
            lost: 0.0,
            retransmitted: 0.0,
            since_copy: f32::INFINITY,
            carried: [0.0; FARTHEST + 1],
            brings: [[0.0; 2]; FARTHEST + 1],
            reach: [0.0; FARTHEST + 2],
        }
    }

    /// Forgets everything.
    pub(crate) fn restart(&mut self) {
        *self = LossRecord::new();
    }

    /// Frames of the usual packet.
    pub(crate) fn packet(&self) -> usize {
        self.packet
    }

    /// A packet of `frames` frames arrived by itself, with this slack. `moved` is how far the read cursor was moved forward
    /// so far, apart from the wait for retransmissions.
    pub(crate) fn packet_arrived(&mut self, sequence: Sequence, slack: i64, moved: i64, frames: usize) {
        self.packet = frames;
        self.advance_to(sequence, moved);
        self.record(sequence, Outcome::Arrived(slack + moved));
    }

    /// A lost packet was retransmitted.
    pub(crate) fn retransmission_arrived(&mut self, sequence: Sequence) {
        if self.newest.is_some_and(|newest| sequence.ahead_of(newest) < 0) {
            self.record(sequence, Outcome::Retransmitted);
        }
    }

    /// A copy arrived, of any packet.
    pub(crate) fn copy_arrived(&mut self) {
        self.since_copy = 0.0;
    }

    /// `frames` frames of time pass.
    pub(crate) fn decay(&mut self, frames: f32) {
        self.since_copy += frames;
        let kept = (-frames / HALF_LIFE).exp2();
        [&mut self.heard, &mut self.lost, &mut self.retransmitted].into_iter().for_each(|v| *v *= kept);
        let all = [self.brings.as_flattened_mut(), &mut self.carried, &mut self.reach];
        all.into_iter().flatten().for_each(|v| *v *= kept);
    }

    /// The best distance without and with one more packet of delay. Of equals the largest, which repairs the longest run.
    pub(crate) fn best(&self) -> [BestDistance; 2] {
        let arrived = self.reach.iter().sum::<f32>().max(1.0);
        let mut best = [BestDistance { distance: 0, frames: 0.0 }; 2];
        let mut far = arrived - self.reach[0];
        for distance in 1..=FARTHEST {
            let nearer = far;
            far -= self.reach[distance];
            for (which, in_time) in [far, nearer].into_iter().enumerate() {
                let frames = self.brought(distance, which, (in_time / arrived).clamp(0.0, 1.0));
                if frames > 0.0 && frames >= best[which].frames {
                    best[which] = BestDistance { distance, frames };
                }
            }
        }
        best
    }

    /// Frames of lost packets that copies at this distance bring. `in_time` is the share of all packets that would carry
    /// them in time: few losses say little about when the packets after them arrive.
    fn brought(&self, distance: usize, which: usize, in_time: f32) -> f32 {
        let (carried, prior) = (self.carried[distance], PRIOR_LOSSES * self.packet as f32);
        if carried > 0.0 { carried * (self.brings[distance][which] + prior * in_time) / (carried + prior) } else { 0.0 }
    }

    /// The share of all sound that one more packet of delay brings; 0 if nothing is retransmitted.
    pub(crate) fn share_brought(&self) -> f32 {
        let [without, with] = self.best();
        let active = self.since_copy < RECENT_COPY || self.retransmitted * ACTIVE_SHARE >= self.lost;
        if active { (with.frames - without.frames) / self.heard.max(1.0) } else { 0.0 }
    }

    /// Judges all packets that are far enough behind the new number.
    fn advance_to(&mut self, sequence: Sequence, moved: i64) {
        let Some(newest) = self.newest else {
            // Packets before the first are not missing.
            for back in 0..REMEMBERED as u32 {
                let before = Sequence(sequence.0.wrapping_sub(back));
                *self.place(before) = Received { sequence: before, outcome: Outcome::BeforeStream };
            }
            self.place(sequence).outcome = Outcome::Pending;
            self.newest = Some(sequence);
            return;
        };
        let ahead = sequence.ahead_of(newest);
        if ahead <= 0 {
            return;
        }
        if ahead as usize > FARTHEST {
            // A pause, not a loss.
            self.newest = None;
            return self.advance_to(sequence, moved);
        }
        for step in 1..=ahead.unsigned_abs() {
            let next = Sequence(newest.0.wrapping_add(step));
            *self.place(next) = Received { sequence: next, outcome: Outcome::Pending };
            self.judge(Sequence(next.0.wrapping_sub(FARTHEST as u32 + 1)), moved);
        }
        self.newest = Some(sequence);
    }

    fn judge(&mut self, sequence: Sequence, moved: i64) {
        let (packet, frames) = (self.packet as i64, self.packet as f32);
        let outcome = self.outcome(sequence);
        self.heard += frames;
        match outcome {
            Outcome::Arrived(slack) => {
                let reach = (slack - moved).div_euclid(packet.max(1)).clamp(-1, FARTHEST as i64);
                self.reach[(reach + 1) as usize] += frames;
                return;
            }
            Outcome::BeforeStream => return,
            Outcome::Retransmitted | Outcome::Pending => {}
        }
        let first = self.lost < frames / 2.0;
        self.lost += frames;
        self.retransmitted += if outcome == Outcome::Retransmitted { frames } else { 0.0 };
        for distance in 1..=FARTHEST {
            let carrier = self.outcome(Sequence(sequence.0.wrapping_add(distance as u32)));
            let Outcome::Arrived(slack) = carrier else { continue };
            let late = moved + distance as i64 * packet - slack;
            let weight = if first && distance > 1 { FIRST_LOSS * frames } else { frames };
            self.carried[distance] += weight;
            let brings = &mut self.brings[distance];
            brings[0] += if late <= 0 { weight } else { 0.0 };
            brings[1] += if late <= packet { weight } else { 0.0 };
        }
    }

    fn outcome(&self, sequence: Sequence) -> Outcome {
        let received = self.recent[sequence.0 as usize % REMEMBERED];
        if received.sequence == sequence { received.outcome } else { Outcome::Pending }
    }

    fn record(&mut self, sequence: Sequence, outcome: Outcome) {
        let place = self.place(sequence);
        if place.sequence == sequence && place.outcome == Outcome::Pending {
            place.outcome = outcome;
        }
    }

    fn place(&mut self, sequence: Sequence) -> &mut Received {
        &mut self.recent[sequence.0 as usize % REMEMBERED]
    }
}
