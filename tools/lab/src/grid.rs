//! The receiver's callbacks and the sender's timeline on one clock, the receiver's.
//!
//! Output frame `n` (at 48 kHz, even if the host's rate differs) is heard `n` frames after the first callback began. The
//! sender's position `p` is *given* when the sender's callback receives it: when its packet is sent, plus one frame's
//! duration per frame of the packet. The delay is the time from given to heard, as a probe between the two hosts would
//! measure it. The offset of the two clocks is unknown: the smallest transit of the trace is defined as its base delay.
//!
//! Hosts that stall call later than their audio is heard or given, and lose frames. A *slip* is lost time, in frames that do
//! not exist on one side.

use super::stall::{HostCallbacks, StallEffect, StallSite, StallWindow};
use super::trace::{StallRecord, Trace};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// The earliest arrival on the receiver's clock, in µs.
const LEAD_IN: u64 = 1_000_000;

/// Silence before the earliest arrival, in µs.
const SILENCE: f64 = 50_000.0;

/// A slower drift of a sender against its own time stamps is treated as zero.
const SLOWEST: f64 = 0.5e-6;

/// Callbacks and timeline of one replay.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Begin of callback 0, in µs of the receiver's clock.
    begin_us: f64,
    /// Duration of a frame at 48 kHz on each side, in µs.
    heard_frame_us: f64,
    given_frame_us: f64,
    /// Frames at 48 kHz per callback.
    block: f64,
    /// Time at which position 0 was given, in µs of the receiver's clock.
    given_us: f64,
    /// Offset that is added to arrival times of the trace.
    shift: i128,
    /// The receiver's callbacks if its host stalls; otherwise they are regular.
    calls: Vec<Call>,
    /// The sender's slips: the first position after each, and the sum of slips from there on.
    given_slips: Vec<(f64, f64)>,
}

/// A callback of the receiver.
#[derive(Clone, Copy, Debug)]
struct Call {
    begins: Micros,
    /// The receiver's slip from the callback's first frame on.
    slip: f64,
}

impl Grid {
    /// For callbacks of `block` frames at `rate` Hz on a device whose clock is `drift_ppm` slower than the sender's, and packets
    /// of `packet` frames.
    pub fn new(trace: &Trace, packet: usize, block: usize, rate: u32, drift_ppm: f64) -> Grid {
        let wire_us = 1e6 / f64::from(WIRE_RATE);
        let heard_frame_us = wire_us * (1.0 + drift_ppm * 1e-6);
        let earliest = trace.packets.iter().flat_map(|p| p.arrived.first()).min().copied().unwrap_or(0);
        let shift = i128::from(LEAD_IN) - i128::from(earliest) + i128::from(earliest % 1_000_000);
        let block = block as f64 * f64::from(WIRE_RATE) / f64::from(rate);
        let first = (LEAD_IN + earliest % 1_000_000) as f64;
        // The phase of the callbacks is derived from the trace's seed.
        let period = block * heard_frame_us;
        let begin_us = ((first - SILENCE) / period).floor() * period;
        let (start, given_frame_us) = timeline(trace, packet, wire_us);
        let given_slips = given_slips(trace, given_frame_us);
        let mut grid = Grid {
            begin_us,
            heard_frame_us,
            given_frame_us,
            block,
            given_us: 0.0,
            shift,
            calls: Vec::new(),
            given_slips,
        };
        grid.calls = if trace.calls.is_empty() { grid.stalled_calls(trace) } else { grid.recorded_calls(trace) };
        let transit = |(i, p): (usize, &super::trace::Packet)| {
            let given = start + grid.given((i * packet) as f64) * given_frame_us;
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

    /// Begin of a callback.
    pub fn begins(&self, callback: u64) -> Micros {
        if let Some(call) = self.calls.get(callback as usize) {
            return call.begins;
        }
        Micros((self.begin_us + callback as f64 * self.block * self.heard_frame_us).round() as u64)
    }

    /// The first callback that finds a packet with this arrival time.
    pub fn callback_for(&self, arrived: Micros) -> u64 {
        if !self.calls.is_empty() {
            return self.calls.partition_point(|call| call.begins < arrived) as u64;
        }
        let period = self.block * self.heard_frame_us;
        let mut callback = (((arrived.0 as f64 - self.begin_us) / period).floor().max(1.0) as u64) - 1;
        while self.begins(callback) < arrived {
            callback += 1;
        }
        callback
    }

    /// Frames at 48 kHz per callback.
    pub fn block(&self) -> f64 {
        self.block
    }

    /// Output frames per frame of the sender: 1 if the clocks are equal.
    pub fn stretch(&self) -> f64 {
        self.given_frame_us / self.heard_frame_us
    }

    /// Time from giving position `p` to hearing output frame `n`, in ms.
    pub fn delay_ms(&self, n: f64, p: f64) -> f64 {
        let heard = self.begin_us + (n + self.heard_slip(n)) * self.heard_frame_us;
        (heard - self.given_us - self.given(p) * self.given_frame_us) / 1000.0
    }

    /// The output frame that is heard when position `p` is given.
    pub fn frame_at(&self, p: f64) -> f64 {
        self.without_slip((self.given_us + self.given(p) * self.given_frame_us - self.begin_us) / self.heard_frame_us)
    }

    /// The position that is given when output frame `n` is heard.
    pub fn position_at(&self, n: f64) -> f64 {
        let time =
            (self.begin_us + (n + self.heard_slip(n)) * self.heard_frame_us - self.given_us) / self.given_frame_us;
        // Within a slip, the first position after it.
        let mut slip = 0.0;
        for (at, after) in &self.given_slips {
            if time <= at + slip {
                break;
            }
            slip = after.min(time - at);
        }
        time - slip
    }

    /// A time of the receiver in seconds after the first callback, counted in output frames.
    pub fn seconds_at(&self, time: Micros) -> f64 {
        self.without_slip((time.0 as f64 - self.begin_us) / self.heard_frame_us) / f64::from(WIRE_RATE)
    }

    /// The receiver's slip at output frame `n`: lost time, in frames.
    pub fn heard_slip(&self, n: f64) -> f64 {
        let callback = (n / self.block + 1e-9).floor().max(0.0) as usize;
        self.calls.get(callback).or(self.calls.last()).map_or(0.0, |call| call.slip)
    }

    /// The sender's slip at position `p`.
    pub fn given_slip(&self, p: f64) -> f64 {
        let after = self.given_slips.partition_point(|(at, _)| *at <= p);
        after.checked_sub(1).map_or(0.0, |last| self.given_slips[last].1)
    }

    /// Lost time of the receiver, in its frames, before callback `before` and after `from`.
    pub fn unheard(&self, from: f64, before: u64) -> impl Iterator<Item = std::ops::Range<f64>> + '_ {
        let calls = &self.calls[..self.calls.len().min(before as usize + 1)];
        let gaps = (1..calls.len()).rev().map(move |k| {
            let begin = k as f64 * self.block;
            begin + calls[k - 1].slip..begin + calls[k].slip
        });
        gaps.take_while(move |gap| gap.end > from).filter(|gap| gap.start < gap.end)
    }

    /// Time at which position `p` is given, in frames after the first, slips included.
    fn given(&self, p: f64) -> f64 {
        p + self.given_slip(p)
    }

    /// The output frame that is heard at this time, in frames after the first callback; within a slip, the next one.
    fn without_slip(&self, time: f64) -> f64 {
        let Some(last) = self.calls.last() else { return time };
        let begun = |k: usize| k as f64 * self.block + self.calls[k].slip;
        let (mut low, mut high) = (0, self.calls.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if begun(middle) <= time { low = middle + 1 } else { high = middle }
        }
        let Some(callback) = low.checked_sub(1) else { return time };
        let slip = if low == self.calls.len() { last.slip } else { self.calls[callback].slip };
        (time - slip).min(if low == self.calls.len() { f64::INFINITY } else { low as f64 * self.block })
    }

    /// Callbacks of a receiver that stalls; empty if it does not.
    fn stalled_calls(&self, trace: &Trace) -> Vec<Call> {
        let local = |us: u64| self.local(us).0 as f64 - self.begin_us;
        // The engine does not know how many frames its host counts.
        let how = |how: StallEffect| if how == StallEffect::Jump { StallEffect::Lost } else { how };
        let window = |s: &StallRecord| StallWindow { begin: local(s.from), end: local(s.to), how: how(s.how) };
        let windows: Vec<StallWindow> =
            trace.stalls.iter().filter(|s| s.who == StallSite::Receiver).map(window).collect();
        if windows.is_empty() {
            return Vec::new();
        }
        let last = trace.packets.iter().flat_map(|p| &p.arrived).max().copied().unwrap_or(0);
        let period = self.block * self.heard_frame_us;
        let mut host = HostCallbacks::new(&windows, period);
        let (mut calls, end) = (Vec::new(), local(last) + 2.0 * period);
        while calls.last().is_none_or(|call: &Call| (call.begins.0 as f64) < self.begin_us + end) {
            let call = host.call(calls.len() as f64 * period);
            let begins = Micros((self.begin_us + call.at).round() as u64);
            calls.push(Call { begins, slip: call.slip / self.heard_frame_us });
        }
        calls
    }
}

/// The earliest of the recorded calls in each period of this length determine the device's clock.
const PROMPT_US: f64 = 100_000.0;

impl Grid {
    /// Recorded callbacks of the receiver, from shortly before the earliest arrival on.
    fn recorded_calls(&mut self, trace: &Trace) -> Vec<Call> {
        let begins: Vec<Micros> = trace.calls.iter().map(|call| self.local(call.begun.0)).collect();
        let first = begins.partition_point(|at| (at.0 as f64) < self.begin_us);
        let begins = begins.get(first..).unwrap_or(&[]);
        let period = self.block * self.heard_frame_us;
        let behind: Vec<f64> =
            begins.iter().enumerate().map(|(k, at)| at.0 as f64 - self.begin_us - k as f64 * period).collect();
        let reach = (PROMPT_US / period).ceil() as usize;
        let prompt = |k: usize| behind[k..behind.len().min(k + reach)].iter().copied().fold(f64::INFINITY, f64::min);
        // The first callback starts the grid.
        let start = if behind.is_empty() { 0.0 } else { prompt(0) };
        self.begin_us += start;
        let call = |(k, at): (usize, &Micros)| Call { begins: *at, slip: (prompt(k) - start) / self.heard_frame_us };
        begins.iter().enumerate().map(call).collect()
    }
}

fn given_slips(trace: &Trace, frame_us: f64) -> Vec<(f64, f64)> {
    let mut slip = 0.0;
    let add = |lost: &super::trace::LostTime| {
        slip += lost.us as f64 / frame_us;
        (lost.position as f64, slip)
    };
    trace.lost.iter().map(add).collect()
}

/// Time at which position 0 was given on the sender's clock, and the duration of a frame there. Callbacks and threads can
/// only delay packets, so the earliest ones at both ends of the trace determine it.
fn timeline(trace: &Trace, packet: usize, wire_us: f64) -> (f64, f64) {
    let mut slips = trace.lost.iter().peekable();
    let mut slip = 0.0;
    let slip_us: Vec<f64> = (0..trace.packets.len())
        .map(|i| {
            while let Some(lost) = slips.next_if(|lost| lost.position <= (i * packet) as u64) {
                slip += lost.us as f64;
            }
            slip
        })
        .collect();
    let behind = |frame_us: f64, i: usize| trace.packets[i].sent as f64 - slip_us[i] - (i * packet) as f64 * frame_us;
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
    use crate::model::Model;
    use crate::trace::Packet;

    /// A generated trace has equal clocks, and its base delay is the smallest.
    #[test]
    fn generated_trace_has_base_delay() {
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

    /// The first callback that does not begin before its arrival finds a packet.
    #[test]
    fn first_later_callback_finds_packet() {
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

    /// Slips move the timelines apart by the lost time, and conversions in both directions agree.
    #[test]
    fn lost_frames_separate_the_timelines() {
        let stalls = ["both:reset:4:500".parse().unwrap()];
        let trace = Model::Lan.generate_with_stalls(12.0, 1, 64, &stalls, 11.0);
        let grid = Grid::new(&trace, 64, 64, 48_000, 0.0);
        let lost: u64 = trace.lost.iter().map(|l| l.us).sum();
        assert!(trace.lost.len() >= 8 && (grid.given_slip(1e9) - lost as f64 * 0.048).abs() < 1e-6, "{lost} us");
        assert_eq!(grid.given_slip(200_000.0), 0.0);
        for p in (0..500_000).step_by(997) {
            let n = grid.frame_at(f64::from(p));
            assert!(grid.delay_ms(n, f64::from(p)) < 4.1, "{p}");
            assert!((grid.position_at(n) - f64::from(p)).abs() < 200.0, "{p}: {}", grid.position_at(n));
        }
        for p in &trace.packets {
            let arrived = grid.local(p.arrived[0]);
            let callback = grid.callback_for(arrived);
            assert!(grid.begins(callback) >= arrived && grid.begins(callback - 1) < arrived);
        }
    }

    /// Recorded calls are replayed as they were, with their delays and losses.
    #[test]
    fn recorded_calls_replace_the_grid() {
        let mut trace = Model::Lan.generate(6.0, 1, 64);
        let first = trace.packets[0].arrived[0] - 200_000;
        let text: String = (0..4650_u64)
            .map(|k| {
                let lost = if k >= 3000 { 5000 } else { 0 };
                let late = if k % 500 == 7 { 2000 } else { 0 };
                format!("{},64,48000\n", first + k * 4000 / 3 + lost + late)
            })
            .collect();
        trace.read_calls(&format!("begun_us,frames,rate\n{text}")).unwrap();
        let grid = Grid::new(&trace, 64, 64, 48_000, 0.0);
        let slip = |k: u64| grid.heard_slip(k as f64 * 64.0);
        assert!(slip(1000).abs() < 1.0 && (slip(4000) - 240.0).abs() < 1.0, "{} {}", slip(1000), slip(4000));
        let gaps: Vec<_> = grid.unheard(0.0, 4400).filter(|gap| gap.end - gap.start > 100.0).collect();
        assert_eq!(gaps.len(), 1);
        let late = (1..4000).filter(|&k| grid.begins(k).since(grid.begins(k - 1)).0 > 3000).count();
        assert!((7..=9).contains(&late), "{late}");
    }

    /// The rate of a sender whose sound card runs slow is measured.
    #[test]
    fn slow_sound_card_is_measured() {
        let mut trace = Model::Lan.generate(60.0, 1, 64);
        let start = trace.packets[0].sent;
        for p in &mut trace.packets {
            p.sent += ((p.sent - start) as f64 * 80e-6) as u64;
        }
        let grid = Grid::new(&trace, 64, 64, 48_000, 0.0);
        assert!((grid.stretch() - 1.0 - 80e-6).abs() < 1e-6, "{}", grid.stretch());
    }
}
