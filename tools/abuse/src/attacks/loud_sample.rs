//! One musician sends an absurdly loud sample in every packet.

use super::{Attack, AttackContext, JOIN_TIMEOUT};
use crate::error::AttackError;
use crate::honest::ATTACKED_ROOM;
use crate::outcome::{AttackOutcome, Bound};
use crate::raw_client::{RawClient, block_on};
use crate::raw_media::{RawMedia, RawPacket};
use crate::target_server::link_from;
use crate::testbed::Segment;
use rtjam_engine::{Gain, Outputs, SLOTS, engine};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, CHANNELS, Codec, decode, encode};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::{Micros, SourceId};
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "loud-sample",
    what: "a musician puts one float sample of ±128 into each packet; another plays 440 Hz at −12 dBFS",
    run,
};

const RATE: usize = 48_000;
const FRAMES: u16 = 128;
const PACKET: Duration = Duration::from_nanos(2_666_667);

/// The honest musician plays a sine of this frequency and amplitude on both channels.
const HERTZ: f64 = 440.0;
const AMPLITUDE: f64 = 0.25;

/// The sample of the attacker.
const LOUD: f32 = 128.0;

/// The duration of each phase; its last second is measured.
const PHASE: Duration = Duration::from_secs(3);

/// The most that the honest musician may lose, in dB.
const MOST_LOST_DB: f64 = 1.0;

/// A received packet with its arrival in µs.
struct HeardPacket {
    at: u64,
    header: AudioHeader,
    payload: Vec<u8>,
}

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let segment = Segment::Attackers;
    let (_a, mut honest) = context.musician(&server, segment, 0)?;
    let (_b, mut attacker) = context.musician(&server, segment, 1)?;
    let (_c, mut hearer) = context.musician(&server, segment, 2)?;
    let mut taker = RawClient::new(&link_from(segment, &server.invite(ATTACKED_ROOM, &[])?)?, segment.address(3));
    taker.mix = Some("one");
    let (_d, mut taker) = context.testbed.inside(segment, || {
        let (seated, _) = block_on(taker.join(None, JOIN_TIMEOUT))?;
        let media = RawMedia::settled(&seated, taker.from, segment.server())?;
        Ok::<_, AttackError>((seated, media))
    })?;
    let (mut heard, mut mixed) = (Vec::new(), Vec::new());
    let packets = 2 * PHASE.as_nanos() / PACKET.as_nanos();
    let began = Instant::now();
    for number in 0..packets as u32 {
        while Instant::now() < began + PACKET * number {
            std::thread::park_timeout(Duration::from_micros(300));
        }
        play(&mut honest, 1, number, |i| (AMPLITUDE * (std::f64::consts::TAU * HERTZ * i / RATE as f64).sin()) as f32);
        if number >= packets as u32 / 2 {
            let loud = if number.is_multiple_of(2) { LOUD } else { -LOUD };
            play(&mut attacker, 2, number, |i| if i as u64 % u64::from(FRAMES) == 64 { loud } else { 0.0 });
        }
        hearer.receive(|frame, stamp| keep(&mut heard, frame, stamp));
        taker.receive(|frame, stamp| keep(&mut mixed, frame, stamp));
        for idle in [&mut honest, &mut attacker] {
            idle.receive(|_, _| {});
        }
        if number.is_multiple_of(64) {
            hearer.send(&Frame::KeepAlive);
            taker.send(&Frame::KeepAlive);
        }
    }
    let listened = run_engine(&heard);
    let mix = decoded(&mixed);
    let mut outcome = AttackOutcome { done: "375 samples of ±128 a second".to_owned(), ..AttackOutcome::default() };
    let [before, after] = listened.main.map(|second| tone_db(&second));
    outcome.bounded("honest level in the main output: before", before, "dBFS", Bound::AtLeast(-14.0));
    outcome.bounded("honest level in the main output: change", after - before, "dB", Bound::AtLeast(-MOST_LOST_DB));
    outcome.bounded("peak out of a slot output", db(f64::from(listened.slot_peak)), "dBFS", Bound::AtMost(0.0));
    let [before, after] = mix.map(|second| tone_db(&second));
    outcome.bounded("honest level in the server's mix: before", before, "dBFS", Bound::AtLeast(-14.0));
    outcome.bounded("honest level in the server's mix: change", after - before, "dB", Bound::AtLeast(-MOST_LOST_DB));
    Ok(outcome)
}

fn play(media: &mut RawMedia, stream: u32, number: u32, sample: impl Fn(f64) -> f32) {
    let first = u64::from(number) * u64::from(FRAMES);
    let samples: Vec<f32> = (first..first + u64::from(FRAMES)).map(|i| sample(i as f64)).collect();
    let mut payload = Vec::new();
    (0..CHANNELS).for_each(|_| encode(Codec::F32, &samples, &mut payload));
    let packet = RawPacket { stream, number, frames: FRAMES, codec: Codec::F32 };
    media.send_with(|out| packet.write(&payload, out));
}

fn keep(all: &mut Vec<HeardPacket>, frame: &Frame<'_>, stamp: u64) {
    if let Frame::Audio(audio) = frame {
        all.push(HeardPacket { at: stamp / 1000, header: audio.header, payload: audio.payload.to_vec() });
    }
}

/// The outputs of the engine: the last second of each phase, left channel.
struct EngineOutput {
    main: [Vec<f32>; 2],
    slot_peak: f32,
}

/// Runs the real engine in virtual time with the received packets.
fn run_engine(heard: &[HeardPacket]) -> EngineOutput {
    const BLOCK: usize = 128;
    let (mut engine, mut network, console) = engine(1, || {});
    engine.configure(RATE as u32, BLOCK);
    console.set_monitor(Gain::OFF);
    let mut sources: Vec<SourceId> = heard.iter().map(|got| got.header.source).collect();
    sources.sort_unstable_by_key(|source| source.0);
    sources.dedup();
    for (slot, source) in sources.into_iter().enumerate() {
        console.assign(source, Some(slot));
    }
    let (start, mut next) = (heard.first().map_or(0, |got| got.at), 0);
    let (mut main, mut slot_peak) = (Vec::new(), 0.0_f32);
    let total = 2 * PHASE.as_micros() as usize * RATE / 1_000_000;
    let silence = [0.0; BLOCK];
    while main.len() < total {
        let now = start + (main.len() as u64) * 1_000_000 / RATE as u64;
        while let Some(got) = heard.get(next).filter(|got| got.at <= now) {
            let _ = network.incoming.push(Micros(got.at), &AudioFrame { header: got.header, payload: &got.payload });
            next += 1;
        }
        let (mut left, mut right) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut slots = [[[0.0_f32; BLOCK]; 2]; SLOTS];
        let mut parts = slots.iter_mut();
        let slot_outputs = std::array::from_fn(|_| {
            parts.next().map(|[l, r]| {
                let pair: [&mut [f32]; 2] = [l, r];
                pair
            })
        });
        let mut outputs = Outputs { main: [&mut left, &mut right], slots: slot_outputs };
        engine.process(Micros(now), [&silence, &silence], &mut outputs);
        let peak = slots.iter().flatten().flatten().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        slot_peak = slot_peak.max(peak);
        main.extend_from_slice(&left);
    }
    EngineOutput { main: last_seconds(&main), slot_peak }
}

/// Decodes the left channel of the mix: the last second of each phase.
fn decoded(mixed: &[HeardPacket]) -> [Vec<f32>; 2] {
    let mut all = Vec::new();
    for got in mixed.iter().filter(|got| got.header.source == SourceId::MIX) {
        let mut samples = vec![0.0; usize::from(got.header.frames)];
        decode(got.header.codec, &got.payload[..got.payload.len() / 2], &mut samples);
        all.append(&mut samples);
    }
    last_seconds(&all)
}

fn last_seconds(all: &[f32]) -> [Vec<f32>; 2] {
    // Excludes the packets in flight at the end of the phase.
    const MARGIN: usize = RATE / 10;
    [all.len() / 2, all.len()].map(|end| {
        let end = end.saturating_sub(MARGIN);
        all[end.saturating_sub(RATE)..end].to_vec()
    })
}

/// The level of the honest musician's tone without other sounds, in dBFS of a sine.
fn tone_db(second: &[f32]) -> f64 {
    let step = std::f64::consts::TAU * HERTZ / RATE as f64;
    let (re, im) = second.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, sample)| {
        let phase = step * i as f64;
        (re + f64::from(*sample) * phase.cos(), im + f64::from(*sample) * phase.sin())
    });
    db(2.0 * f64::hypot(re, im) / second.len().max(1) as f64)
}

fn db(amplitude: f64) -> f64 {
    20.0 * amplitude.max(1e-9).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other sounds do not change the measured level of the tone.
    #[test]
    fn tone_level_ignores_impulses() {
        let tone = |i: usize| AMPLITUDE * (std::f64::consts::TAU * HERTZ * i as f64 / RATE as f64).sin();
        let sound: Vec<f32> = (0..RATE).map(|i| tone(i) as f32 + if i % 128 == 64 { LOUD } else { 0.0 }).collect();
        assert!((tone_db(&sound) - db(AMPLITUDE)).abs() < 0.1, "{}", tone_db(&sound));
    }
}
