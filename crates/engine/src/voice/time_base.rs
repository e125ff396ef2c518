//! Frames that somebody's host lost: packets that come later or sooner for good.
//!
//! | what happened | how it shows |
//! |---|---|
//! | the sender's host lost frames | all packets are late by one amount, each in its own time |
//! | the own host lost frames | the timeline says so ([`HostTimeline::slip`]), and packets come sooner by as much |
//! | both lost the same, on one machine | the timeline says so, and packets come as before |
//! | a stall held packets back | they come at once, and the next ones are in time |
//!
//! The network is what it was in all of these: only the place where to read is another.
//!
//! [`HostTimeline::slip`]: crate::timeline::HostTimeline::slip

use crate::timeline::Slip;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// Packets are late alike that differ by no more than this (a quarter of a millisecond), in frames; less is no shift.
const ALIKE: f64 = 12.0;

/// So many late arrivals alike, in their own time, are a shift that is larger by half than what stragglers need.
const ALIKE_ARRIVALS: usize = 2;

/// So many alike are one, late or not, that is larger than that.
const MANY_ALIKE: usize = 8;

/// All packets must be early for so long to be a shift.
const EARLY: Micros = Micros::from_millis(32);

/// Where the sender may be on the own machine, what was on its way when that stalled has come after so long.
const IN_FLIGHT: Micros = Micros::from_millis(32);

/// A slip that does not show in packets for so long (those in flight, and the time in which all must be early) is the
/// sender's, too.
const SHOWS: Micros = Micros::from_millis(64);

/// A packet as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Came {
    pub(crate) at: Micros,
    pub(crate) frames: usize,
    /// How much earlier than by the time base, in frames.
    pub(crate) early: f64,
    /// As if the read position had never been moved, in frames.
    pub(crate) slack: i64,
}

/// Packets that came at once; the latest of them says how promptly.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    early: f64,
    late: bool,
    held: bool,
}

/// Follows one stream's time base. Audio thread.
#[derive(Default)]
pub(crate) struct TimeBase {
    arrival: Option<Arrival>,
    last: Micros,
    /// The arrivals before that were alike: how many, and the least and the most that they were early.
    alike: usize,
    late: bool,
    low: f64,
    high: f64,
    first: [(f64, bool); MANY_ALIKE],
    /// Since when all arrivals have been early, and by how much the promptest.
    early_since: Option<Micros>,
    promptest: f64,
    /// Slips of the own host that were dealt with, and the one that is waited for.
    slipped: f64,
    slip: Option<PendingSlip>,
    /// The own host's last slip was its own: the sender is on another machine.
    alone: bool,
}

#[derive(Clone, Copy)]
struct PendingSlip {
    at: Micros,
    by: f64,
    /// How early packets came since.
    promptest: f64,
}

impl TimeBase {
    /// The read position was placed: what comes next is the base.
    pub(crate) fn restart(&mut self, slip: Option<Slip>) {
        *self = TimeBase { alone: self.alone, slipped: slip.map_or(0.0, |slip| slip.total), ..TimeBase::default() };
    }

    /// Whether a packet comes apart from the one before, rather than at once with it.
    pub(crate) fn is_apart(&self, at: Micros, frames: usize) -> bool {
        at.since(self.last) > Micros(frames as u64 * 500_000 / u64::from(WIRE_RATE))
    }

    /// A packet came, in the order of arrival, that was `late`, and `held` back by a stall or not.
    pub(crate) fn see(&mut self, packet: &Came, late: bool, held: bool) {
        if self.is_apart(packet.at, packet.frames) {
            self.end_arrival();
        }
        self.last = packet.at;
        let new = Arrival { early: packet.early, late, held };
        self.arrival = Some(self.arrival.filter(|arrival| arrival.early > new.early).unwrap_or(new));
        self.see_early(packet);
        if let Some(slip) = &mut self.slip {
            let wait = if self.alone { Micros::ZERO } else { IN_FLIGHT };
            if packet.at > slip.at && packet.at.since(slip.at) >= wait {
                slip.promptest = slip.promptest.max(packet.early);
            }
        }
    }

    /// Whether the own host has lost frames, and it is not known yet whether the sender's has, too.
    pub(crate) fn awaits_sender(&self) -> bool {
        self.slip.is_some()
    }

    fn end_arrival(&mut self) {
        let Some(arrival) = self.arrival.take() else { return };
        if arrival.early > -ALIKE {
            self.alike = 0;
        } else if self.is_alike(arrival.early) {
            (self.alike, self.late) = (self.alike + 1, self.late || arrival.late);
            (self.low, self.high) = (self.low.min(arrival.early), self.high.max(arrival.early));
        } else {
            (self.alike, self.late, self.low, self.high) = (1, arrival.late, arrival.early, arrival.early);
        }
        if let Some(first) = self.alike.checked_sub(1).and_then(|at| self.first.get_mut(at)) {
            *first = (arrival.early, arrival.held);
        }
    }

    fn is_alike(&self, early: f64) -> bool {
        self.alike > 0 && early <= self.low + ALIKE && early >= self.high - ALIKE
    }

    fn see_early(&mut self, packet: &Came) {
        if packet.early < ALIKE {
            self.early_since = None;
        } else if self.early_since.is_none() {
            (self.early_since, self.promptest) = (Some(packet.at), packet.early);
        } else {
            self.promptest = self.promptest.max(packet.early);
        }
    }

    /// All packets of a call have been seen: by how much later than the time base packets come for good (negative:
    /// sooner), in frames, if that is plain.
    ///
    /// The latest packets that are usually waited for are `straggler` frames early; `None` where the delay is fixed, which
    /// rides out what the sender's host and the network do.
    /// Calls `disregard` with how early each packet was that is late only because of it, and whether a stall held it back.
    pub(crate) fn look(
        &mut self,
        now: Micros,
        slip: Option<Slip>,
        straggler: Option<f64>,
        mut disregard: impl FnMut(f64, bool),
    ) -> Option<f64> {
        let lost = slip.map_or(0.0, |slip| slip.total) - self.slipped;
        if let Some(slip) = slip.filter(|_| lost != 0.0) {
            self.slipped = slip.total;
            let by = self.slip.map_or(0.0, |slip| slip.by) + lost;
            self.slip = Some(PendingSlip { at: slip.at, by, promptest: f64::NEG_INFINITY });
        }
        let usual = -straggler.unwrap_or(0.0).min(0.0);
        let mut shift = self.slip_shows(now, usual);
        if shift.is_none() && straggler.is_some() {
            shift = self.all_late(usual).or_else(|| self.all_early());
        }
        let shift = shift?;
        // Of packets that showed it the histograms must not know.
        self.end_arrival();
        let late = self.alike.min(MANY_ALIKE);
        self.first[..late].iter().for_each(|(early, held)| disregard(*early, *held));
        (self.alike, self.early_since) = (0, None);
        Some(shift)
    }

    /// What the own host's slip is for this stream: where the sender was seen on another machine, the first packet tells.
    fn slip_shows(&mut self, now: Micros, usual: f64) -> Option<f64> {
        let slip = self.slip?;
        let shows = slip.promptest > slip.by / 2.0;
        if !(self.alone && shows) && now.since(slip.at) < SHOWS {
            return None;
        }
        self.slip = None;
        let whole = self.alone || (slip.promptest - slip.by).abs() <= ALIKE.max(usual);
        self.alone = shows && whole;
        shows.then_some(if whole { -slip.by } else { -slip.promptest })
    }

    fn all_late(&self, usual: f64) -> Option<f64> {
        let last = self.arrival.filter(|last| self.is_alike(last.early))?;
        let (many, late) = (self.alike + 1 >= MANY_ALIKE, self.late || last.late);
        let larger = if many { ALIKE } else { ALIKE.max(usual / 2.0) };
        let by = -self.high.max(last.early);
        let enough = many || (late && self.alike + 1 >= ALIKE_ARRIVALS);
        (enough && by >= usual + larger).then_some(by)
    }

    fn all_early(&self) -> Option<f64> {
        let since = self.early_since?;
        (self.slip.is_none() && self.last.since(since) >= EARLY).then_some(-self.promptest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 64 frames on time, but for `early(n)` of them in frames; what was found with which packet.
    fn play(base: &mut TimeBase, packets: std::ops::Range<u64>, early: impl Fn(u64) -> f64) -> Vec<(u64, f64)> {
        play_with(base, packets, None, early)
    }

    fn play_with(
        base: &mut TimeBase,
        packets: std::ops::Range<u64>,
        slip: Option<Slip>,
        early: impl Fn(u64) -> f64,
    ) -> Vec<(u64, f64)> {
        let (mut found, mut shifted) = (Vec::new(), 0.0);
        for n in packets {
            let early = early(n);
            let at = at(n, early);
            let now = early + shifted;
            base.see(&Came { at, frames: 64, early: now, slack: 0 }, now < -20.0, false);
            if let Some(later) = base.look(at, slip, Some(-10.0), |_, _| {}) {
                shifted += later;
                found.push((n, later));
            }
        }
        found
    }

    fn at(packet: u64, early: f64) -> Micros {
        Micros((1e6 + (packet as f64 * 64.0 - early) / 0.048) as u64)
    }

    /// A few frames of jitter.
    fn jitter(n: u64) -> f64 {
        -((n * 7 % 8) as f64)
    }

    /// Frames that the sender's host lost are followed with the second packet, by their number, give or take the jitter.
    #[test]
    fn a_senders_lost_frames_are_followed_at_once() {
        for lost in [64.0, 130.0, 1440.0] {
            let mut base = TimeBase::default();
            let found = play(&mut base, 0..1000, |n| jitter(n) - if n < 500 { 0.0 } else { lost });
            assert_eq!(found.len(), 1, "{lost}: {found:?}");
            assert!(found[0].0 == 501 && (found[0].1 - lost).abs() < 8.0, "{lost}: {found:?}");
        }
    }

    /// What a stall held back comes at once, and the next packet is on time: nothing has moved.
    #[test]
    fn what_a_stall_held_back_is_no_shift() {
        for held in [2, 5, 30] {
            let mut base = TimeBase::default();
            let early = |n: u64| if n % 100 < held { -64.0 * (held - n % 100) as f64 } else { jitter(n) };
            assert_eq!(play(&mut base, 0..2000, early), [], "{held}");
        }
    }

    /// Packets that come sooner for good, as after a false shift, are followed after 32 ms.
    #[test]
    fn packets_that_all_come_sooner_are_followed_soon() {
        let mut base = TimeBase::default();
        let found = play(&mut base, 0..1000, |n| jitter(n) + if n < 500 { 0.0 } else { 100.0 });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((520..530).contains(&found[0].0) && (found[0].1 + 100.0).abs() < 8.0, "{found:?}");
    }

    /// The own host's lost frames are given back when nothing is on its way that could say otherwise; the next ones at once.
    #[test]
    fn the_own_hosts_lost_frames_are_given_back() {
        let mut base = TimeBase::default();
        play(&mut base, 0..500, jitter);
        let mut total = 0.0;
        for (time, soonest, latest) in [(500, 540, 560), (1000, 1000, 1006)] {
            total += 192.0;
            let slip = Some(Slip { total, at: at(time, 0.5) });
            let found = play_with(&mut base, time..time + 500, slip, |n| jitter(n) + 192.0);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!((soonest..latest).contains(&found[0].0) && found[0].1 == -192.0, "{found:?}");
        }
    }

    /// Where both hosts lost the same, those packets come sooner that were on their way, and nothing is to be done.
    #[test]
    fn what_both_hosts_lost_together_is_left_alone() {
        let mut base = TimeBase::default();
        play(&mut base, 0..500, jitter);
        let slip = Some(Slip { total: 192.0, at: at(500, 0.5) });
        let found = play_with(&mut base, 500..1000, slip, |n| jitter(n) + if n < 510 { 192.0 } else { 0.0 });
        assert_eq!(found, []);
    }
}
