//! The receiver's callbacks and the sender's timeline, on one clock.
//!
//! The receiver's clock rules. Output frame `n` (at 48 kHz, also where the host's rate is another) is heard
//! at `n` frames after the first callback began. The sender's position `p` is *given* when the sender's
//! callback has it, which is when its packet is sent, a frame's length later for each frame of the packet.
//! Delay is from given to heard, as a probe between the two hosts would measure it. As the two clocks differ
//! by an unknown constant, the smallest transit of the trace is taken to be its base delay.

use super::trace::Trace;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// The receiver's clock is set so that the earliest arrival lies so late, in µs.
const LEAD_IN: u64 = 1_000_000;

/// Silence before the earliest arrival, in µs.
const SILENCE: f64 = 50_000.0;

/// Slower drift of a sender against its own time stamps is none.
const SLOWEST: f64 = 0.5e-6;

/// Callbacks and timeline of one replay.
#[derive(Clone, Debug)]
pub struct Grid {
    /// When callback 0 begins, in µs of the receiver's clock.
    begin_us: f64,
    /// The time of a frame at 48 kHz on either side, in µs.
    heard_frame_us: f64,
    given_frame_us: f64,
    /// Frames at 48 kHz of a callback.
    block: f64,
    /// When position 0 was given, in µs of the receiver's clock.
    given_us: f64,
    /// What is added to arrival times of the trace.
    shift: i128,
}

impl Grid {
    /// For callbacks of `block` frames at `rate` Hz, of a device whose clock is `drift_ppm` slower than the
    /// sender's, and packets of `packet` frames.
    pub fn new(trace: &Trace, packet: usize, block: usize, rate: u32, drift_ppm: f64) -> Grid {
        let wire_us = 1e6 / f64::from(WIRE_RATE);
        let heard_frame_us = wire_us * (1.0 + drift_ppm * 1e-6);
        let earliest = trace.packets.iter().flat_map(|p| p.arrived.first()).min().copied().unwrap_or(0);
        let shift = i128::from(LEAD_IN) - i128::from(earliest) + i128::from(earliest % 1_000_000);
        let block = block as f64 * f64::from(WIRE_RATE) / f64::from(rate);
        let first = (LEAD_IN + earliest % 1_000_000) as f64;
        // Callbacks lie on a grid of their own, whatever the trace: their phase is the trace's seed's.
        let period = block * heard_frame_us;
        let begin_us = ((first - SILENCE) / period).floor() * period;
        let (start, given_frame_us) = timeline(trace, packet, wire_us);
        let mut grid = Grid { begin_us, heard_frame_us, given_frame_us, block, given_us: 0.0, shift };
        let transit = |(i, p): (usize, &super::trace::Packet)| {
            let given = start + (i * packet) as f64 * given_frame_us;
            Some(grid.local(*p.arrived.first()?).0 as f64 - given)
        };
        let least = trace.packets.iter().enumerate().filter_map(transit).fold(f64::INFINITY, f64::min);
        grid.given_us = start + least - trace.base_us as f64;
        grid
    }

    /// An arrival time of the trace on the receiver's clock.
    pub fn local(&self, arrived: u64) -> Micros {
        Micros(u64::try_from(i128::from(arrived) + self.shift).unwrap_or(0))
    }

    /// When a callback begins.
    pub fn begins(&self, callback: u64) -> Micros {
        Micros((self.begin_us + callback as f64 * self.block * self.heard_frame_us).round() as u64)
    }

    /// The first callback that finds a packet which arrived then.
    pub fn callback_for(&self, arrived: Micros) -> u64 {
        let period = self.block * self.heard_frame_us;
        let mut callback = (((arrived.0 as f64 - self.begin_us) / period).floor().max(1.0) as u64) - 1;
        while self.begins(callback) < arrived {
            callback += 1;
        }
        callback
    }

    /// Frames at 48 kHz of a callback.
    pub fn block(&self) -> f64 {
        self.block
    }

    /// Output frames per frame of the sender: 1 when the clocks are equal.
    pub fn stretch(&self) -> f64 {
        self.given_frame_us / self.heard_frame_us
    }

    /// How long after position `p` was given output frame `n` is heard, in ms.
    pub fn delay_ms(&self, n: f64, p: f64) -> f64 {
        let heard = self.begin_us + n * self.heard_frame_us;
        (heard - self.given_us - p * self.given_frame_us) / 1000.0
    }

    /// The output frame that is heard when position `p` is given.
    pub fn frame_at(&self, p: f64) -> f64 {
        (self.given_us + p * self.given_frame_us - self.begin_us) / self.heard_frame_us
    }

    /// The position that is given when output frame `n` is heard.
    pub fn position_at(&self, n: f64) -> f64 {
        (self.begin_us + n * self.heard_frame_us - self.given_us) / self.given_frame_us
    }
}

/// When position 0 was given on the sender's clock, and how long a frame takes there. Callbacks and threads
/// only ever delay, so the promptest packets of both ends of the trace tell.
fn timeline(trace: &Trace, packet: usize, wire_us: f64) -> (f64, f64) {
    let behind = |frame_us: f64, i: usize| trace.packets[i].sent as f64 - (i * packet) as f64 * frame_us;
    let least = |frame_us: f64, range: std::ops::Range<usize>| {
        range.map(|i| (behind(frame_us, i), i)).fold((f64::INFINITY, 0), |a, b| if b.0 < a.0 - 1e-6 { b } else { a })
    };
    let count = trace.packets.len();
    let (first, at) = least(wire_us, 0..count.div_ceil(5));
    let (last, until) = least(wire_us, count - count.div_ceil(5)..count);
    let frames = ((until.max(at + 1) - at) * packet) as f64;
    let slope = (last - first) / (frames * wire_us);
    let frame_us = if slope.abs() < SLOWEST { wire_us } else { wire_us * (1.0 + slope) };
    (least(frame_us, 0..count).0, frame_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::model::Model;
    use crate::lab::trace::Packet;

    #[test]
    fn a_generated_trace_has_equal_clocks_and_its_base_as_least_delay() {
        let trace = Model::Cable.generate(20.0, 1, 128);
        let grid = Grid::new(&trace, 128, 128, 48_000, 0.0);
        assert_eq!(grid.stretch(), 1.0);
        let delay = |(i, p): (usize, &Packet)| {
            let heard = (grid.local(*p.arrived.first()?).0 as f64 - grid.begin_us) / grid.heard_frame_us;
            Some(grid.delay_ms(heard, (i * 128) as f64))
        };
        let least = trace.packets.iter().enumerate().filter_map(delay).fold(f64::INFINITY, f64::min);
        assert!((least - 12.0).abs() < 1e-6, "{least}");
    }

    #[test]
    fn a_packet_is_found_by_the_first_callback_not_before_it() {
        let trace = Model::Lan.generate(5.0, 1, 64);
        for (rate, drift) in [(48_000, 0.0), (44_100, 0.0), (48_000, 100.0)] {
            let grid = Grid::new(&trace, 64, 64, rate, drift);
            for p in &trace.packets {
                let arrived = grid.local(p.arrived[0]);
                let callback = grid.callback_for(arrived);
                assert!(grid.begins(callback) >= arrived && grid.begins(callback - 1) < arrived);
            }
        }
    }

    #[test]
    fn a_sender_whose_sound_card_runs_slow_is_seen_to() {
        let mut trace = Model::Lan.generate(60.0, 1, 64);
        let start = trace.packets[0].sent;
        for p in &mut trace.packets {
            p.sent += ((p.sent - start) as f64 * 80e-6) as u64;
        }
        let grid = Grid::new(&trace, 64, 64, 48_000, 0.0);
        assert!((grid.stretch() - 1.0 - 80e-6).abs() < 1e-6, "{}", grid.stretch());
    }
}
