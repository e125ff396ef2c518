//! One absurd sample in every packet of one musician.

use super::{Attack, PATIENCE, Setting};
use crate::guest::{Guest, block_on};
use crate::honest::SAME;
use crate::house::link_from;
use crate::media::{Media, Packet};
use crate::outcome::{Bound, Outcome};
use crate::town::Quarter;
use crate::trouble::Trouble;
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

/// What the honest musician plays: 440 Hz with this amplitude on both channels.
const HERTZ: f64 = 440.0;
const AMPLITUDE: f64 = 0.25;

/// What the attacker plays.
const LOUD: f32 = 128.0;

/// Each phase lasts this long; its last second is measured.
const PHASE: Duration = Duration::from_secs(3);

/// The honest musician may lose so much, in dB.
const MOST_LOST_DB: f64 = 1.0;

/// What a packet brought, and when (µs).
struct Got {
    at: u64,
    header: AudioHeader,
    payload: Vec<u8>,
}

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let quarter = Quarter::Attackers;
    let (_a, mut honest) = setting.musician(&house, quarter, 0)?;
    let (_b, mut attacker) = setting.musician(&house, quarter, 1)?;
    let (_c, mut hearer) = setting.musician(&house, quarter, 2)?;
    let mut taker = Guest::new(&link_from(quarter, &house.invite(SAME, &[])?)?, quarter.address(3));
    taker.mix = Some("one");
    let (_d, mut taker) = setting.town.inside(quarter, || {
        let (seated, _) = block_on(taker.insist(None, PATIENCE))?;
        let media = Media::settled(&seated, taker.from, quarter.server())?;
        Ok::<_, Trouble>((seated, media))
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
        hearer.hear(|frame, stamp| keep(&mut heard, frame, stamp));
        taker.hear(|frame, stamp| keep(&mut mixed, frame, stamp));
        for idle in [&mut honest, &mut attacker] {
            idle.hear(|_, _| {});
        }
        if number.is_multiple_of(64) {
            hearer.send(&Frame::KeepAlive);
            taker.send(&Frame::KeepAlive);
        }
    }
    let listened = listen(&heard);
    let mix = decoded(&mixed);
    let mut outcome = Outcome { done: "375 samples of ±128 a second".to_owned(), ..Outcome::default() };
    let [before, after] = listened.main.map(|second| tone_db(&second));
    outcome.bounded("honest level in the main output: before", before, "dBFS", Bound::AtLeast(-14.0));
    outcome.bounded("honest level in the main output: change", after - before, "dB", Bound::AtLeast(-MOST_LOST_DB));
    outcome.bounded("peak out of a slot output", db(f64::from(listened.slot_peak)), "dBFS", Bound::AtMost(0.0));
    let [before, after] = mix.map(|second| tone_db(&second));
    outcome.bounded("honest level in the server's mix: before", before, "dBFS", Bound::AtLeast(-14.0));
    outcome.bounded("honest level in the server's mix: change", after - before, "dB", Bound::AtLeast(-MOST_LOST_DB));
    Ok(outcome)
}

fn play(media: &mut Media, stream: u32, number: u32, sample: impl Fn(f64) -> f32) {
    let first = u64::from(number) * u64::from(FRAMES);
    let samples: Vec<f32> = (first..first + u64::from(FRAMES)).map(|i| sample(i as f64)).collect();
    let mut payload = Vec::new();
    (0..CHANNELS).for_each(|_| encode(Codec::F32, &samples, &mut payload));
    let packet = Packet { stream, number, frames: FRAMES, codec: Codec::F32 };
    media.send_with(|out| packet.write(&payload, out));
}

fn keep(all: &mut Vec<Got>, frame: &Frame<'_>, stamp: u64) {
    if let Frame::Audio(audio) = frame {
        all.push(Got { at: stamp / 1000, header: audio.header, payload: audio.payload.to_vec() });
    }
}

/// What a musician's program made of what arrived: the last second of each phase, left channel.
struct Listened {
    main: [Vec<f32>; 2],
    slot_peak: f32,
}

/// The real engine, in virtual time, fed with what arrived when it arrived.
fn listen(heard: &[Got]) -> Listened {
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
    Listened { main: last_seconds(&main), slot_peak }
}

/// The mix as it was sent, left channel: the last second of each phase.
fn decoded(mixed: &[Got]) -> [Vec<f32>; 2] {
    let mut all = Vec::new();
    for got in mixed.iter().filter(|got| got.header.source == SourceId::MIX) {
        let mut samples = vec![0.0; usize::from(got.header.frames)];
        decode(got.header.codec, &got.payload[..got.payload.len() / 2], &mut samples);
        all.append(&mut samples);
    }
    last_seconds(&all)
}

fn last_seconds(all: &[f32]) -> [Vec<f32>; 2] {
    // A tenth of a second before the phase's end: what was on its way then.
    const MARGIN: usize = RATE / 10;
    [all.len() / 2, all.len()].map(|end| {
        let end = end.saturating_sub(MARGIN);
        all[end.saturating_sub(RATE)..end].to_vec()
    })
}

/// The level of the honest musician's tone alone, in dB of a full-scale sine's amplitude.
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

    /// The tone is measured alone, whatever else sounds.
    #[test]
    fn a_tone_is_measured_among_impulses() {
        let tone = |i: usize| AMPLITUDE * (std::f64::consts::TAU * HERTZ * i as f64 / RATE as f64).sin();
        let sound: Vec<f32> = (0..RATE).map(|i| tone(i) as f32 + if i % 128 == 64 { LOUD } else { 0.0 }).collect();
        assert!((tone_db(&sound) - db(AMPLITUDE)).abs() < 0.1, "{}", tone_db(&sound));
    }
}
