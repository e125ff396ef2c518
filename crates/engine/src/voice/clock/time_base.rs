//! The time base of a stream: when its packets are due, until a host loses frames.
//!
//! | what happened | how it shows |
//! |---|---|
//! | the sender's host lost frames | all packets are late by one amount, each at its own time |
//! | the own host lost frames | the timeline says so ([`HostTimeline::slip`]), and packets arrive sooner by as much |
//! | both lost the same, on one machine | the timeline says so, and packets arrive as before |
//! | a stall held packets back | they arrive at once, and the next ones are in time |
//!
//! In all of these the network is the same as before: only the place to read at changes.
//!
//! [`HostTimeline::slip`]: crate::timeline::HostTimeline::slip

use crate::timeline::{AlikeRun, Slip};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// A shift is larger than this, in frames.
const SMALLEST_SHIFT: f64 = AlikeRun::TOLERANCE;

/// This many late arrivals alike, each at its own time, are a shift if they are half as late again as stragglers.
const ALIKE_ARRIVALS: usize = 2;

/// This many arrivals alike, late or not, are a shift if they are later than stragglers.
const MANY_ALIKE: usize = 8;

/// All packets must be early for this long to be a shift.
const EARLY: Micros = Micros::from_millis(32);

/// If the sender may be on the own machine, packets that were on their way during a stall have arrived after this time.
const IN_FLIGHT: Micros = Micros::from_millis(32);

/// A slip that does not show in packets for this long ([`IN_FLIGHT`] and [`EARLY`]) happened to the sender too.
const SHOWS: Micros = Micros::from_millis(64);

/// When a packet arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PacketTiming {
    pub(crate) at: Micros,
    pub(crate) frames: usize,
    /// How much earlier than the time base says, in frames.
    pub(crate) early: f64,
    /// Slack as if the read cursor had never moved, in frames.
    pub(crate) natural_slack: i64,
}

/// Packets that arrived at once, represented by the promptest of them.
#[derive(Clone, Copy, Debug)]
struct ArrivalGroup {
    early: f64,
    late: bool,
    held: bool,
}

/// Follows one stream's time base. Audio thread.
#[derive(Default)]
pub(crate) struct TimeBase {
    group: Option<ArrivalGroup>,
    last: Micros,
    /// Late groups before that were alike, whether any missed its turn, and the first of them.
    alike: AlikeRun,
    any_late: bool,
    first: [(f64, bool); MANY_ALIKE],
    /// Since when all packets have been early, and by how much the promptest.
    early_since: Option<Micros>,
    promptest: f64,
    /// Slips of the own host that are dealt with, and the one whose effect is awaited.
    handled_slip: f64,
    pending_slip: Option<PendingSlip>,
    /// The own host's last slip was its own: the sender is on another machine.
    is_remote: bool,
}

#[derive(Clone, Copy)]
struct PendingSlip {
    at: Micros,
    by: f64,
    /// How early packets arrived since.
    promptest: f64,
}

impl TimeBase {
    /// The read cursor was placed: the next packets are the base.
    pub(crate) fn restart(&mut self, slip: Option<Slip>) {
        let handled_slip = slip.map_or(0.0, |slip| slip.total);
        *self = TimeBase { is_remote: self.is_remote, handled_slip, ..TimeBase::default() };
    }

    /// Whether a packet arrives separately from the previous one, and not at once with it.
    pub(crate) fn is_separate(&self, at: Micros, frames: usize) -> bool {
        at.since(self.last) > Micros(frames as u64 * 500_000 / u64::from(WIRE_RATE))
    }

    /// A packet arrived, in order of arrival. It missed its turn if `late`, and a stall held it back if `held`.
    pub(crate) fn observe(&mut self, packet: &PacketTiming, late: bool, held: bool) {
        if self.is_separate(packet.at, packet.frames) {
            self.end_group();
        }
        self.last = packet.at;
        let new = ArrivalGroup { early: packet.early, late, held };
        self.group = Some(self.group.filter(|group| group.early > new.early).unwrap_or(new));
        self.observe_early(packet);
        if let Some(slip) = &mut self.pending_slip {
            let wait = if self.is_remote { Micros::ZERO } else { IN_FLIGHT };
            if packet.at > slip.at && packet.at.since(slip.at) >= wait {
                slip.promptest = slip.promptest.max(packet.early);
            }
        }
    }

    /// Whether the own host lost frames, and it is not known yet whether the sender's did too.
    pub(crate) fn awaits_sender(&self) -> bool {
        self.pending_slip.is_some()
    }

    fn end_group(&mut self) {
        let Some(group) = self.group.take() else { return };
        if group.early > -SMALLEST_SHIFT {
            self.alike.clear();
        } else {
            self.any_late = group.late || (self.any_late && self.alike.accepts(group.early));
            self.alike.push(group.early);
        }
        if let Some(first) = self.alike.count.checked_sub(1).and_then(|at| self.first.get_mut(at)) {
            *first = (group.early, group.held);
        }
    }

    fn observe_early(&mut self, packet: &PacketTiming) {
        if packet.early < SMALLEST_SHIFT {
            self.early_since = None;
        } else if self.early_since.is_none() {
            (self.early_since, self.promptest) = (Some(packet.at), packet.early);
        } else {
            self.promptest = self.promptest.max(packet.early);
        }
    }

    /// All packets of a call were observed. Returns by how many frames packets arrive later for good (negative: sooner), if
    /// that is certain.
    ///
    /// Stragglers that are waited for are `straggler` frames early; `None` for a fixed delay, which does not follow the
    /// sender's host or the network. Calls `disregard` with how early each packet was that was late only because of the
    /// shift, and whether a stall held it back.
    pub(crate) fn end_call(
        &mut self,
        now: Micros,
        slip: Option<Slip>,
        straggler: Option<f64>,
        mut disregard: impl FnMut(f64, bool),
    ) -> Option<f64> {
        let lost = slip.map_or(0.0, |slip| slip.total) - self.handled_slip;
        if let Some(slip) = slip.filter(|_| lost != 0.0) {
            self.handled_slip = slip.total;
            let by = self.pending_slip.map_or(0.0, |slip| slip.by) + lost;
            self.pending_slip = Some(PendingSlip { at: slip.at, by, promptest: f64::NEG_INFINITY });
        }
        let straggler_late = -straggler.unwrap_or(0.0).min(0.0);
        let mut shift = self.shift_by_slip(now, straggler_late);
        if shift.is_none() && straggler.is_some() {
            shift = self.shift_if_all_late(straggler_late).or_else(|| self.shift_if_all_early());
        }
        let shift = shift?;
        // The histograms must not count the packets that showed the shift.
        self.end_group();
        let late = self.alike.count.min(MANY_ALIKE);
        self.first[..late].iter().for_each(|(early, held)| disregard(*early, *held));
        self.alike.clear();
        self.early_since = None;
        Some(shift)
    }

    /// What the own host's slip means for this stream. If the sender is known to be on another machine, the first packet
    /// tells.
    fn shift_by_slip(&mut self, now: Micros, straggler_late: f64) -> Option<f64> {
        let slip = self.pending_slip?;
        let shows = slip.promptest > slip.by / 2.0;
        if !(self.is_remote && shows) && now.since(slip.at) < SHOWS {
            return None;
        }
        self.pending_slip = None;
        let whole = self.is_remote || (slip.promptest - slip.by).abs() <= SMALLEST_SHIFT.max(straggler_late);
        self.is_remote = shows && whole;
        shows.then_some(if whole { -slip.by } else { -slip.promptest })
    }

    fn shift_if_all_late(&self, straggler_late: f64) -> Option<f64> {
        let last = self.group.filter(|last| self.alike.accepts(last.early))?;
        let count = self.alike.count + 1;
        let (many, late) = (count >= MANY_ALIKE, self.any_late || last.late);
        let beyond = if many { SMALLEST_SHIFT } else { SMALLEST_SHIFT.max(straggler_late / 2.0) };
        let by = -self.alike.high.max(last.early);
        let enough = many || (late && count >= ALIKE_ARRIVALS);
        (enough && by >= straggler_late + beyond).then_some(by)
    }

    fn shift_if_all_early(&self) -> Option<f64> {
        let since = self.early_since?;
        (self.pending_slip.is_none() && self.last.since(since) >= EARLY).then_some(-self.promptest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays packets of 64 frames that are `early(n)` frames early. Returns each shift with the packet that showed it.
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
            base.observe(&PacketTiming { at, frames: 64, early: now, natural_slack: 0 }, now < -20.0, false);
            if let Some(later) = base.end_call(at, slip, Some(-10.0), |_, _| {}) {
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

    /// Frames that the sender's host lost are followed at the second packet, by their number give or take the jitter.
    #[test]
    fn senders_lost_frames_are_followed() {
        for lost in [64.0, 130.0, 1440.0] {
            let mut base = TimeBase::default();
            let found = play(&mut base, 0..1000, |n| jitter(n) - if n < 500 { 0.0 } else { lost });
            assert_eq!(found.len(), 1, "{lost}: {found:?}");
            assert!(found[0].0 == 501 && (found[0].1 - lost).abs() < 8.0, "{lost}: {found:?}");
        }
    }

    /// Packets that a stall held back arrive at once, and the next one is on time: nothing has shifted.
    #[test]
    fn stall_is_not_a_shift() {
        for held in [2, 5, 30] {
            let mut base = TimeBase::default();
            let early = |n: u64| if n % 100 < held { -64.0 * (held - n % 100) as f64 } else { jitter(n) };
            assert_eq!(play(&mut base, 0..2000, early), [], "{held}");
        }
    }

    /// Packets that arrive earlier for good, as after a false shift, are followed after 32 ms.
    #[test]
    fn earlier_packets_are_followed() {
        let mut base = TimeBase::default();
        let found = play(&mut base, 0..1000, |n| jitter(n) + if n < 500 { 0.0 } else { 100.0 });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((520..530).contains(&found[0].0) && (found[0].1 + 100.0).abs() < 8.0, "{found:?}");
    }

    /// The own host's lost frames are followed when packets on their way can no longer contradict; the next ones at once.
    #[test]
    fn own_hosts_lost_frames_are_followed() {
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

    /// If both hosts lost the same, only packets that were on their way are earlier, and nothing changes.
    #[test]
    fn common_loss_is_not_followed() {
        let mut base = TimeBase::default();
        play(&mut base, 0..500, jitter);
        let slip = Some(Slip { total: 192.0, at: at(500, 0.5) });
        let found = play_with(&mut base, 500..1000, slip, |n| jitter(n) + if n < 510 { 192.0 } else { 0.0 });
        assert_eq!(found, []);
    }
}
