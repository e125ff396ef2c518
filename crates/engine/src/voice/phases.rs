//! Where packets and calls pass through each other.
//!
//! Packets and calls of one size and one rate lock: every packet meets its call alike. Others pass through each other, and
//! it may take seconds until a packet only just misses its call. How early it must come for that is seen from any packet,
//! as long as networks do not scatter packets by more than there are phases.

use super::whole;

/// Calls at another rate take a frame more or less than the last, and times are rounded: so many frames.
const ROUNDING: i64 = 2;

/// No phases leave more than this (0.67 ms), in frames, to be seen later; what differs by more is the network.
const MOST: i64 = 32;

/// Lengths whose ratio is this close to a whole number lock: packets of 69 and 70 frames in turn are calls of another host at
/// 44.1 kHz.
const WHOLE: f64 = 0.002;

/// What a stream's packets say of how they meet calls. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Phases {
    packets: f64,
    /// Of all of them.
    frames: f64,
    /// The least slack that a packet would have had, had it only just missed its call.
    just_missed: Option<i64>,
}

impl Phases {
    /// A packet of `frames` frames came: with this slack had the read position never been moved, found so many frames
    /// after its arrival by a call of `period`.
    pub(crate) fn see(&mut self, slack: i64, frames: usize, waited: f64, period: f64) {
        self.packets += 1.0;
        self.frames += frames as f64;
        let just_missed = slack + whole(waited - period) + 1;
        self.just_missed = Some(self.just_missed.map_or(just_missed, |least| least.min(just_missed)));
    }

    /// Whether every packet meets its call alike.
    pub(crate) fn are_locked(&self, period: f64) -> bool {
        let packet = self.frames / self.packets.max(1.0);
        let ratio = packet.max(period) / packet.min(period);
        packet == 0.0 || (ratio - ratio.round()).abs() < WHOLE
    }

    /// By how many frames slack may come to be below the least that was `seen` (counted as in [`Phases::see`]).
    pub(crate) fn unseen(&self, seen: i64, period: f64) -> i64 {
        let Some(just_missed) = self.just_missed.filter(|_| !self.are_locked(period)) else { return 0 };
        let step = common(self.frames / self.packets, period);
        (seen - just_missed).clamp(0, MOST) / step * step + ROUNDING
    }
}

/// Slacks of packets that come alike differ by multiples of this: the greatest common divisor, where there is one.
pub(super) fn common(packet: f64, period: f64) -> i64 {
    if packet.fract() != 0.0 || period.fract() != 0.0 {
        return 1;
    }
    let (mut a, mut b) = (packet as i64, period as i64);
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_calls_lock_where_one_divides_the_other() {
        for (packets, period, locked) in [
            ([64, 64], 64.0, true),
            ([64, 64], 256.0, true),
            ([128, 128], 32.0, true),
            ([69, 70], 69.5, true),
            ([69, 70], 139.0, true),
            ([64, 64], 96.0, false),
            ([64, 64], 69.5, false),
            ([64, 64], 441.0, false),
            ([64, 64], 0.0, false),
        ] {
            let mut phases = Phases::default();
            packets.into_iter().for_each(|frames| phases.see(0, frames, 10.0, period));
            assert_eq!(phases.are_locked(period), locked, "{packets:?} {period}");
            assert_eq!(phases.unseen(100, period) == 0, locked);
        }
    }

    /// Eight calls of `call` frames with packets of `packet`, the first of which arrives `phase` frames after a call:
    /// what they say is the least slack, and the least that there ever is.
    fn eight_calls(packet: i64, call: i64, phase: i64) -> (i64, i64) {
        let slacks = |calls: i64, see: &mut dyn FnMut(i64, f64)| {
            for sent in 1..calls * call / packet {
                let arrived = sent * packet + phase;
                let found = (arrived + call - 1) / call * call;
                see(sent * packet + 1000 - found, (found - arrived) as f64);
            }
        };
        let (mut phases, mut seen, mut least) = (Phases::default(), i64::MAX, i64::MAX);
        slacks(8, &mut |slack, waited| {
            seen = seen.min(slack);
            phases.see(slack, packet as usize, waited, call as f64);
        });
        slacks(1000, &mut |slack, _| least = least.min(slack));
        (seen - phases.unseen(seen, call as f64), least)
    }

    #[test]
    fn what_phases_to_come_need_is_told_by_those_that_were_seen() {
        for (packet, call) in [(64, 64), (64, 256), (64, 1024), (128, 32)] {
            for phase in [1, 15, 63] {
                let (told, least) = eight_calls(packet, call, phase);
                assert_eq!(told, least, "{packet} {call} {phase}");
            }
        }
        for (packet, call) in [(64, 96), (128, 320), (64, 441), (128, 441), (64, 100), (128, 333)] {
            for phase in [1, 15, 63] {
                let (told, least) = eight_calls(packet, call, phase);
                assert_eq!(told, least - ROUNDING, "{packet} {call} {phase}");
            }
        }
    }
}
