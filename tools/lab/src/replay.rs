//! A sender, the traced network and a receiver in virtual time. Both ends are the real engine.

use super::grid::Grid;
use super::hop::{Arrival, Hop};
use super::sender::{Encoded, SOURCE, Sender};
use super::trace::Trace;
use rtjam_engine::{Engine, HostCall, Incoming, Outgoing, Outputs, Playout, PlayoutBias, VoiceReading, engine};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::{AudioFrame, CHANNELS, WIRE_RATE};
use std::fmt;
use std::ops::RangeInclusive;

/// Packet sizes of a replay: one datagram must carry a packet of floats.
pub const PACKETS: RangeInclusive<usize> = 16..=150;

/// Rates of the receiver's host that preserve the marks.
pub const RATES: RangeInclusive<u32> = 44_100..=192_000;

/// End of the stream that is not measured, in seconds: its audio must have been heard.
pub const TAIL_S: f64 = 0.5;

/// How a trace is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Frames per packet, and per block of the sender.
    pub packet: usize,
    /// Frames per block of the receiver.
    pub block: usize,
    /// The receiver's rate, in Hz. The sender's is 48 kHz.
    pub rate: u32,
    /// How much faster the sender's clock is than the receiver's.
    pub drift_ppm: f64,
    /// The receiver's playout.
    pub playout: Playout,
    /// The bias of automatic playout.
    pub comfort: PlayoutBias,
    /// Begin of the stream that is not measured, in seconds.
    pub skip: f64,
    /// Retransmission over a hop with this round-trip time; `None` means off.
    pub recovery: Option<Micros>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            packet: 128,
            block: 128,
            rate: WIRE_RATE,
            drift_ppm: 0.0,
            playout: Playout::Auto,
            comfort: PlayoutBias::Normal,
            skip: 3.0,
            recovery: None,
        }
    }
}

/// Why a trace cannot be played with the settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unplayable {
    /// The packet size is out of range.
    Packet(usize),
    /// The block size is out of range.
    Block(usize),
    /// The rate is out of range.
    Rate(u32),
    /// The interval of the trace's packets, in µs, belongs to another packet size.
    Interval(f64),
    /// The trace contains nothing after the skipped part.
    Short,
    /// The recorded calls have another block size or rate, or end before the trace.
    Calls,
}

impl fmt::Display for Unplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unplayable::Packet(n) => {
                write!(f, "packets of {n} frames: give {} to {}", PACKETS.start(), PACKETS.end())
            }
            Unplayable::Block(n) => write!(f, "blocks of {n} frames: give 1 to {}", rtjam_engine::MAX_BLOCK),
            Unplayable::Rate(r) => write!(f, "{r} Hz: give {} to {}", RATES.start(), RATES.end()),
            Unplayable::Interval(us) => {
                let frames = us * f64::from(WIRE_RATE) / 1e6;
                write!(f, "the trace has packets of about {frames:.0} frames: say so with --packet")
            }
            Unplayable::Calls => f.write_str(
                "the recorded calls must all be of the block and rate given, and last as long as the trace: say so with --block and --rate",
            ),
            Unplayable::Short => f.write_str("the trace is too short: nothing is left after what is skipped"),
        }
    }
}

impl std::error::Error for Unplayable {}

/// Result of a replay.
pub struct Playback {
    /// Callbacks and timelines.
    pub grid: Grid,
    /// The sent audio and marks, by position.
    pub sent: [Vec<f32>; CHANNELS],
    /// Both as heard, at the receiver's rate.
    pub heard: [Vec<f32>; CHANNELS],
    /// Index of the callback that found each packet; `None` if it was lost.
    pub found: Vec<Option<u64>>,
    /// Retransmitted volume relative to the original volume.
    pub extra_share: f64,
    /// The engine's figures of the musician, when measuring begins and at the end.
    pub engine: [Option<VoiceReading>; 2],
}

/// Plays a trace.
///
/// # Errors
/// If trace and settings do not fit.
pub fn play(trace: &Trace, sound: &[f32], settings: &Settings) -> Result<Playback, Unplayable> {
    check(trace, settings)?;
    let Settings { packet, block, rate, .. } = *settings;
    let grid = Grid::new(trace, packet, block, rate, settings.drift_ppm);
    let packets = Sender::new(packet).packets(sound, trace.packets.len(), &trace.skipped);
    let found = |p: &super::trace::Packet| p.arrived.first().map(|&at| grid.callback_for(grid.local(at)));
    let mut found: Vec<Option<u64>> = trace.packets.iter().map(found).collect();
    let mut hop = settings.recovery.map(|rtt| Hop::new(trace, &grid, &packets, rtt));
    let mut arrivals: Vec<(Micros, usize)> = Vec::new();
    for (index, p) in trace.packets.iter().enumerate() {
        arrivals.extend(p.arrived.iter().map(|&at| (grid.local(at), index)));
    }
    arrivals.sort_unstable();
    let end = arrivals.last().map_or(0, |last| grid.callback_for(last.0)) + 1;
    let measured_from = grid.frame_at(settings.skip * f64::from(WIRE_RATE)) / grid.block();

    let mut receiver = Receiver::new(settings);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut at_begin = None;
    for callback in 0..end {
        let now = grid.begins(callback);
        if let Some(hop) = &mut hop {
            hop.until(now, receiver.wait(), |Arrival { at, packet, again }| {
                receiver.take(at, &packets[packet], again);
                let callback = grid.callback_for(at);
                found[packet] = Some(found[packet].map_or(callback, |f| f.min(callback)));
            });
        }
        while let Some((arrived, index)) = arrivals.next_if(|a| a.0 <= now && hop.is_none()) {
            receiver.take(arrived, &packets[index], false);
        }
        receiver.call(now, block);
        if at_begin.is_none() && callback as f64 >= measured_from {
            at_begin = receiver.console.voice(SOURCE);
        }
    }
    let mut sent = [Vec::new(), Vec::new()];
    for packet in &packets {
        for (sent, samples) in sent.iter_mut().zip(&packet.samples) {
            sent.extend_from_slice(samples);
        }
    }
    let engine = [at_begin, receiver.console.voice(SOURCE)];
    let extra_share = hop.map_or(0.0, |hop| hop.extra_share());
    Ok(Playback { grid, sent, heard: receiver.heard, found, extra_share, engine })
}

fn check(trace: &Trace, settings: &Settings) -> Result<(), Unplayable> {
    if !PACKETS.contains(&settings.packet) {
        return Err(Unplayable::Packet(settings.packet));
    }
    if !(1..=rtjam_engine::MAX_BLOCK).contains(&settings.block) {
        return Err(Unplayable::Block(settings.block));
    }
    if !RATES.contains(&settings.rate) {
        return Err(Unplayable::Rate(settings.rate));
    }
    let expected = settings.packet as f64 * 1e6 / f64::from(WIRE_RATE);
    let lost_us = trace.lost.iter().map(|lost| lost.us).sum::<u64>() as f64;
    let interval = trace.interval_us() - lost_us / (trace.packets.len() - 1) as f64;
    if (interval / expected - 1.0).abs() > 0.01 {
        return Err(Unplayable::Interval(interval));
    }
    let seconds = trace.packets.len() as f64 * expected / 1e6;
    if seconds < settings.skip + TAIL_S + 0.1 {
        return Err(Unplayable::Short);
    }
    let fits = |call: &HostCall| call.frames as usize == settings.block && call.rate == settings.rate;
    let last = trace.packets.iter().flat_map(|p| &p.arrived).max().copied().unwrap_or(0);
    if trace.calls.last().is_some_and(|call| call.begun.0 <= last) || !trace.calls.iter().all(fits) {
        return Err(Unplayable::Calls);
    }
    Ok(())
}

/// The receiving end, whose main output is recorded.
struct Receiver {
    engine: Engine,
    incoming: Incoming,
    outgoing: Outgoing,
    console: rtjam_engine::Console,
    silence: Vec<f32>,
    heard: [Vec<f32>; CHANNELS],
}

impl Receiver {
    fn new(settings: &Settings) -> Receiver {
        let (mut engine, network, console) = engine(9, || ());
        console.set_playout(settings.playout);
        console.set_playout_bias(settings.comfort);
        engine.configure(settings.rate, settings.block);
        Receiver {
            engine,
            incoming: network.incoming,
            outgoing: network.outgoing,
            console,
            silence: vec![0.0; settings.block],
            heard: [Vec::new(), Vec::new()],
        }
    }

    fn take(&mut self, arrived: Micros, packet: &Encoded, again: bool) {
        let frame = AudioFrame { header: packet.header, payload: &packet.payload };
        // The engine counts a packet that it rejects, and the listener misses it.
        let _ =
            if again { self.incoming.push_retransmitted(arrived, &frame) } else { self.incoming.push(arrived, &frame) };
    }

    /// How much later than usual a packet may arrive, as the receiving thread reports to the sender.
    fn wait(&self) -> Micros {
        let voice = self.console.voice(SOURCE).filter(|v| v.active);
        Micros(voice.map_or(0.0, |v| f64::from(v.late_tolerance_ms) * 1000.0) as u64)
    }

    fn call(&mut self, now: Micros, block: usize) {
        let from = self.heard[0].len();
        self.heard.iter_mut().for_each(|h| h.resize(from + block, 0.0));
        let [left, right] = &mut self.heard;
        let mut outputs = Outputs { main: [&mut left[from..], &mut right[from..]], slots: Default::default() };
        self.engine.process(now, [&self.silence, &self.silence], &mut outputs);
        while self.outgoing.pop().is_some() {}
    }
}
