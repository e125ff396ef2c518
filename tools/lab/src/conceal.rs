//! Measures packet loss concealment: the engine compared with simpler methods and with linear prediction.
//!
//! Both channels of each [`Material`] are split into packets, some of which are lost (two-state model, Gilbert 1960, mean
//! run 2). Each method fills the gaps, and the result is compared with the complete sound by the distances of
//! [`super::spectrum`], in the windows that touch a gap.

use super::material::Material;
use super::prediction::LinearPrediction;
use super::random::Random;
use super::spectrum::{Distance, SpectrumComparison};
use super::statistics::round;
use rtjam_engine::{Outputs, PacketSize, Playout, engine};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, CHANNELS, Codec, WIRE_RATE, encode};
use rtjam_protocol::{Micros, SourceId};
use serde_json::{Value, json};
use std::fmt::{self, Write};

/// Fractions of packets lost.
pub const LOSSES: [f64; 3] = [0.01, 0.05, 0.1];

/// Mean number of consecutive lost packets.
const RUN: f64 = 2.0;

/// Initial frames in which the engine starts the stream: nothing is lost or judged there.
const SETTLE: usize = 48_000;

/// A method of filling gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The engine, including packets and jitter buffer.
    Ours,
    /// Silence.
    Silence,
    /// Repeats the last packet.
    Repeat,
    /// Linear prediction with this many coefficients (Burg's method over the last 1024 frames), with the engine's fades.
    Prediction(usize),
}

impl Method {
    /// All methods, in the order of the table.
    pub const ALL: [Method; 5] =
        [Method::Ours, Method::Silence, Method::Repeat, Method::Prediction(32), Method::Prediction(128)];

    /// Plays `sound` without the packets marked in `lost`.
    pub fn play(self, sound: &[Vec<f32>; CHANNELS], lost: &[bool], packet: usize) -> [Vec<f32>; CHANNELS] {
        match self {
            Method::Ours => ours(sound, lost, packet),
            Method::Silence => sound.each_ref().map(|s| patched(s, lost, packet, |gap, _| gap.fill(0.0))),
            Method::Repeat => sound
                .each_ref()
                .map(|s| patched(s, lost, packet, |gap, past| gap.copy_from_slice(&past[past.len() - packet..]))),
            Method::Prediction(order) => sound.each_ref().map(|s| LinearPrediction::new(order).play(s, lost, packet)),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Ours => f.write_str("ours"),
            Method::Silence => f.write_str("silence"),
            Method::Repeat => f.write_str("repeating"),
            Method::Prediction(order) => write!(f, "prediction {order}"),
        }
    }
}

/// Results for one material at one loss.
#[derive(Clone, Debug)]
pub struct ConcealmentRow {
    /// The material.
    pub material: Material,
    /// Fraction of packets lost.
    pub loss: f64,
    /// Distance for each of [`Method::ALL`].
    pub distances: Vec<Distance>,
}

/// Plays all materials with all losses: `seconds` each, in packets of `packet` frames.
pub fn run(seconds: usize, packet: usize, seed: u64) -> Vec<ConcealmentRow> {
    let ear = SpectrumComparison::new();
    let packets = (SETTLE + seconds * WIRE_RATE as usize) / packet;
    let mut rows = Vec::new();
    for material in Material::ALL {
        let sound = material.play(packets * packet, seed);
        for loss in LOSSES {
            let lost = losses(packets, packet, loss, seed);
            let counts: Vec<bool> = lost.iter().flat_map(|l| std::iter::repeat_n(*l, packet)).collect();
            let distances = Method::ALL.map(|method| {
                let heard = method.play(&sound, &lost, packet);
                let mut distance = Distance::default();
                for (meant, heard) in sound.iter().zip(&heard) {
                    ear.compare(meant, heard, &counts, &mut distance);
                }
                distance
            });
            rows.push(ConcealmentRow { material, loss, distances: distances.to_vec() });
        }
    }
    rows
}

/// Marks the lost packets.
pub fn losses(packets: usize, packet: usize, loss: f64, seed: u64) -> Vec<bool> {
    let mut random = Random::new(seed, 1000);
    let mut losing = false;
    let mut draw = |index: usize| {
        let bound = if losing { 1.0 - 1.0 / RUN } else { loss / RUN / (1.0 - loss) };
        losing = random.unit() < bound && index * packet >= SETTLE;
        losing
    };
    (0..packets).map(&mut draw).collect()
}

/// Fills each lost packet from the audio before it.
fn patched(sound: &[f32], lost: &[bool], packet: usize, fill: impl Fn(&mut [f32], &[f32])) -> Vec<f32> {
    let mut out = sound.to_vec();
    for at in lost.iter().enumerate().filter(|(_, l)| **l).map(|(i, _)| i * packet) {
        let (past, rest) = out.split_at_mut(at);
        fill(&mut rest[..packet], past);
    }
    out
}

/// Plays through two engines, the second with a constant delay.
fn ours(sound: &[Vec<f32>; CHANNELS], lost: &[bool], packet: usize) -> [Vec<f32>; CHANNELS] {
    let (mut sender, mut sent, sender_console) = engine(7, || ());
    let (mut receiver, mut received, console) = engine(9, || ());
    sender_console.set_packet_size(PacketSize::Frames(packet as u16));
    console.set_playout(Playout::Fixed { ms: 0.0 });
    sender.configure(WIRE_RATE, packet);
    receiver.configure(WIRE_RATE, packet);
    let mut heard = [Vec::new(), Vec::new()];
    let silence = vec![0.0; packet];
    let mut nothing = [silence.clone(), silence.clone()];
    for (index, lost) in lost.iter().enumerate() {
        let now = Micros(1_000_000 + (index * packet) as u64 * 1_000_000 / u64::from(WIRE_RATE));
        let span = index * packet..(index + 1) * packet;
        let [left, right] = &mut nothing;
        let mut outputs = Outputs { main: [left, right], slots: Default::default() };
        sender.process(now, [&sound[0][span.clone()], &sound[1][span]], &mut outputs);
        while let Some(p) = sent.outgoing.pop() {
            let mut payload = Vec::new();
            p.channels().iter().for_each(|c| encode(Codec::F32, c, &mut payload));
            let header = AudioHeader {
                source: SourceId(1),
                stream: p.stream,
                sequence: p.sequence,
                position: p.position,
                codec: Codec::F32,
                layout: p.layout,
                frames: p.frames(),
                peak: p.peak,
            };
            if !lost {
                // A packet that does not fit is counted by the engine and missing here.
                let _ = received.incoming.push(now, &AudioFrame { header, payload: &payload });
            }
        }
        let from = heard[0].len();
        heard.iter_mut().for_each(|h: &mut Vec<f32>| h.resize(from + packet, 0.0));
        let [left, right] = &mut heard;
        let mut outputs = Outputs { main: [&mut left[from..], &mut right[from..]], slots: Default::default() };
        receiver.process(now, [&silence, &silence], &mut outputs);
        while received.outgoing.pop().is_some() {}
    }
    heard
}

/// The table as text: loudness distance in %, log-spectral distance in dB.
pub fn text(rows: &[ConcealmentRow]) -> String {
    let mut out = format!("{:<12}{:>6}", "material", "loss");
    for method in Method::ALL {
        let _ = write!(out, "{:>18}", method.to_string());
    }
    out.push('\n');
    for row in rows {
        let _ = write!(out, "{:<12}{:>4.0} %", row.material.name(), row.loss * 100.0);
        for d in &row.distances {
            let _ = write!(out, "{:>8.1} %{:>5.1} dB", d.loudness_pct(), d.log_db());
        }
        out.push('\n');
    }
    out.push_str(
        "\nloudness that is wrong, in % of what there should be; log-spectral distance in dB; less is better\n",
    );
    out
}

/// The table as JSON.
pub fn json(rows: &[ConcealmentRow]) -> Value {
    let row = |row: &ConcealmentRow| {
        let methods = Method::ALL.iter().zip(&row.distances);
        let each = methods.map(|(method, d)| {
            json!({"method": method.to_string(), "loudness_pct": round(d.loudness_pct()), "log_db": round(d.log_db())})
        });
        json!({"material": row.material.name(), "loss_pct": row.loss * 100.0, "methods": each.collect::<Vec<_>>()})
    };
    Value::Array(rows.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses have the stated rate and start after the beginning.
    #[test]
    fn losses_have_the_stated_rate() {
        let lost = losses(200_000, 128, 0.05, 3);
        assert!(lost[..SETTLE / 128].iter().all(|l| !l));
        let share = lost.iter().filter(|l| **l).count() as f64 / lost.len() as f64;
        assert!((share / 0.05 - 1.0).abs() < 0.1, "{share}");
    }

    /// Without losses the engine's output is the input.
    #[test]
    fn engine_is_transparent_without_losses() {
        let sound = Material::Mixed.play(96_000, 1);
        let heard = Method::Ours.play(&sound, &[false; 750], 128);
        assert!(sound.iter().zip(&heard).all(|(s, h)| s[SETTLE..] == h[SETTLE..]));
    }
}
