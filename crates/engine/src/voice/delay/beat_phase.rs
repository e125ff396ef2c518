//! The beat between packets and calls of different lengths.
//!
//! Packets and calls of one length and one rate lock: every packet meets its call alike. Others pass through each other, and
//! it may take seconds until a packet only just misses its call. Any packet shows how early it would have to be then, as
//! long as the network scatters packets by less than the phases differ.

use crate::timeline::whole_frames;

/// Calls at another rate differ by a frame, and times are rounded: this many frames.
const ROUNDING: i64 = 2;

/// Phases leave at most this much (0.67 ms), in frames, to be seen later; larger differences are the network's.
const MOST_UNSEEN: i64 = 32;

/// Lengths lock if their ratio is this close to a whole number: packets of 69 and 70 frames in turn are calls of another
/// host at 44.1 kHz.
const WHOLE_RATIO: f64 = 0.002;

/// How a stream's packets meet the calls. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct BeatPhase {
    packets: f64,
    /// Frames of all packets.
    frames: f64,
    /// The least slack that a packet would have had, had it only just missed its call.
    just_missed: Option<i64>,
}

impl BeatPhase {
    /// A packet of `frames` frames arrived, with this slack had the read cursor never moved. A call of `period` frames found
    /// it after it had waited for `waited` frames.
    pub(crate) fn observe(&mut self, natural_slack: i64, frames: usize, waited: f64, period: f64) {
        self.packets += 1.0;
        self.frames += frames as f64;
        let just_missed = natural_slack + whole_frames(waited - period) + 1;
        self.just_missed = Some(self.just_missed.map_or(just_missed, |least| least.min(just_missed)));
    }

    /// Whether every packet meets its call alike.
    pub(crate) fn is_locked(&self, period: f64) -> bool {
        let packet = self.frames / self.packets.max(1.0);
        let ratio = packet.max(period) / packet.min(period);
        packet == 0.0 || (ratio - ratio.round()).abs() < WHOLE_RATIO
    }

    /// How far slack may still fall below the least that was `seen`, in frames; `seen` as in [`BeatPhase::observe`].
    pub(crate) fn unseen(&self, seen: i64, period: f64) -> i64 {
        let Some(just_missed) = self.just_missed.filter(|_| !self.is_locked(period)) else { return 0 };
        let step = common_step(self.frames / self.packets, period);
        (seen - just_missed).clamp(0, MOST_UNSEEN) / step * step + ROUNDING
    }
}

/// Slacks of packets without jitter differ by multiples of this: the greatest common divisor of the lengths, else 1.
pub(crate) fn common_step(packet: f64, period: f64) -> i64 {
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

    /// Packets and calls lock where one length divides the other.
    #[test]
    fn divisible_lengths_lock() {
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
            let mut beat = BeatPhase::default();
            packets.into_iter().for_each(|frames| beat.observe(0, frames, 10.0, period));
            assert_eq!(beat.is_locked(period), locked, "{packets:?} {period}");
            assert_eq!(beat.unseen(100, period) == 0, locked);
        }
    }

    /// Eight calls of `call` frames with packets of `packet`, the first of which arrives `phase` frames after a call.
    /// Returns the least slack that they predict, and the least that occurs in 1000 calls.
    fn eight_calls(packet: i64, call: i64, phase: i64) -> (i64, i64) {
        let slacks = |calls: i64, observe: &mut dyn FnMut(i64, f64)| {
            for sent in 1..calls * call / packet {
                let arrived = sent * packet + phase;
                let found = (arrived + call - 1) / call * call;
                observe(sent * packet + 1000 - found, (found - arrived) as f64);
            }
        };
        let (mut beat, mut seen, mut least) = (BeatPhase::default(), i64::MAX, i64::MAX);
        slacks(8, &mut |slack, waited| {
            seen = seen.min(slack);
            beat.observe(slack, packet as usize, waited, call as f64);
        });
        slacks(1000, &mut |slack, _| least = least.min(slack));
        (seen - beat.unseen(seen, call as f64), least)
    }

    /// The phases seen in eight calls tell what all later ones need.
    #[test]
    fn seen_phases_predict_the_rest() {
        for (packet, call) in [(64, 64), (64, 256), (64, 1024), (128, 32)] {
            for phase in [1, 15, 63] {
                let (predicted, least) = eight_calls(packet, call, phase);
                assert_eq!(predicted, least, "{packet} {call} {phase}");
            }
        }
        for (packet, call) in [(64, 96), (128, 320), (64, 441), (128, 441), (64, 100), (128, 333)] {
            for phase in [1, 15, 63] {
                let (predicted, least) = eight_calls(packet, call, phase);
                assert_eq!(predicted, least - ROUNDING, "{packet} {call} {phase}");
            }
        }
    }
}
