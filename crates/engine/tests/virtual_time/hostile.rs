//! The effect of a hostile musician on the others' sound.

use crate::common::Rng;
use rtjam_engine::{Console, Engine, Mix, MixBus, NetworkEnd, Outputs, Playout, SLOTS, engine};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};

/// Honest musicians, each with a tone. Three tones together nearly reach the room's ceiling.
const HONEST: [(u16, f64); 3] = [(1, 440.0), (2, 650.0), (3, 1230.0)];
const AMPLITUDE: f64 = 0.27;

const HOSTILE: u16 = 9;

/// What the hostile musician sends: frame `i` of a packet of this many frames.
type Hostile = fn(u64, usize) -> f32;

/// One sample of 128 (+42 dBFS) per packet.
fn one_sample(i: u64, packet: usize) -> f32 {
    if i.is_multiple_of(packet as u64) { 128.0 } else { 0.0 }
}

/// Noise at +42 dBFS, with infinities.
fn scream(i: u64, _: usize) -> f32 {
    match Rng(i).next() % 4 {
        0 => f32::INFINITY,
        1 => -128.0,
        _ => 128.0,
    }
}

fn silence(_: u64, _: usize) -> f32 {
    0.0
}

fn tone(hz: f64, frame: u64) -> f64 {
    (std::f64::consts::TAU * hz * frame as f64 / 48_000.0).sin()
}

/// A packet that begins at frame `first`; samples are written without the codec's limit.
fn packet(source: u16, first: u64, frames: usize, hostile: Hostile) -> (AudioHeader, Vec<u8>) {
    let samples = (first..first + frames as u64).map(|i| match HONEST.iter().find(|(s, _)| *s == source) {
        Some((_, hz)) => (AMPLITUDE * tone(*hz, i)) as f32,
        None => hostile(i, frames),
    });
    let channel: Vec<u8> = samples.flat_map(|s| s.to_bits().to_be_bytes()).collect();
    let header = AudioHeader {
        source: SourceId(source),
        stream: StreamId(5),
        sequence: Sequence((first / frames as u64) as u32),
        position: FramePosition(first),
        codec: Codec::F32,
        layout: Layout::Stereo,
        frames: frames as u16,
        peak: [Peak(0); 2],
    };
    (header, [channel.clone(), channel].concat())
}

/// Level of each honest musician's tone in `sound` at `rate`, in dB relative to what they sent.
fn levels(sound: &[f32], rate: u32) -> [f64; 3] {
    HONEST.map(|(_, hz)| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, s) in sound.iter().enumerate() {
            let angle = std::f64::consts::TAU * hz * i as f64 / f64::from(rate);
            (re, im) = (re + f64::from(*s) * angle.cos(), im + f64::from(*s) * angle.sin());
        }
        20.0 * (2.0 * f64::hypot(re, im) / sound.len() as f64 / AMPLITUDE).log10()
    })
}

fn loudest(sound: &[f32]) -> f32 {
    sound.iter().fold(0.0, |top, s| s.abs().max(top))
}

/// A client that hears everybody.
struct End {
    engine: Engine,
    network: NetworkEnd,
    console: Console,
    rate: u32,
}

impl End {
    fn new(rate: u32) -> End {
        let (mut engine, network, console) = engine(1, || {});
        engine.configure(rate, 64);
        console.set_playout(Playout::Fixed { ms: 10.0 });
        for (slot, (source, _)) in HONEST.into_iter().enumerate() {
            console.assign(SourceId(source), Some(slot));
        }
        console.assign(SourceId(HOSTILE), Some(3));
        End { engine, network, console, rate }
    }

    /// The left side of the main output, and the hostile musician's slot, in the last of three seconds.
    fn hears(&mut self, frames: usize, hostile: Hostile) -> [Vec<f32>; 2] {
        let (mut heard, mut first) = ([Vec::new(), Vec::new()], 0);
        for call in 0..3 * u64::from(self.rate) / 64 {
            let now = 1e6 + call as f64 * 64e6 / f64::from(self.rate);
            while (first as f64) < (now - 1e6) * 0.048 {
                for source in HONEST.into_iter().map(|(source, _)| source).chain([HOSTILE]) {
                    let (header, payload) = packet(source, first, frames, hostile);
                    let frame = AudioFrame { header, payload: &payload };
                    self.network.incoming.push(Micros(now as u64), &frame).expect("room in the ring");
                }
                first += frames as u64;
            }
            let mut out = [[0.0; 64]; 4];
            let [left, right, one, two] = &mut out;
            let mut slots = [const { None }; SLOTS];
            slots[3] = Some([&mut one[..], &mut two[..]]);
            let mut outputs = Outputs { main: [left, right], slots };
            self.engine.process(Micros(now as u64), [&[0.0; 64]; 2], &mut outputs);
            while self.network.outgoing.pop().is_some() {}
            if call >= 2 * u64::from(self.rate) / 64 {
                heard[0].extend(out[0]);
                heard[1].extend(out[2]);
            }
        }
        heard
    }
}

/// One sample of +42 dBFS per packet does not turn the others down, and no aux output exceeds full scale. In packets of 16
/// frames it replaces every 16th sample of the others, which explains the rest.
#[test]
fn loud_sample_turns_nobody_down() {
    for (rate, frames, most) in
        [(48_000, 16, 0.3), (48_000, 64, 0.1), (48_000, 128, 0.1), (44_100, 64, 0.1), (96_000, 128, 0.1)]
    {
        let [calm, _] = End::new(rate).hears(frames, silence);
        let mut end = End::new(rate);
        let [main, slot] = end.hears(frames, one_sample);
        assert!(loudest(&main) <= 0.891_251, "{rate} {frames}: {}", loudest(&main));
        assert!(loudest(&slot) <= 1.0 && loudest(&slot) > 0.5, "{rate} {frames}: {}", loudest(&slot));
        for (before, after) in levels(&calm, rate).into_iter().zip(levels(&main, rate)) {
            assert!(before.abs() < 0.1, "{rate} {frames}: {before} dB without anybody else");
            assert!((after - before).abs() < most, "{rate} {frames}: {before} dB, then {after} dB");
        }
        assert!(!end.console.room().limiter_active);
    }
}

/// Full-scale noise and infinities cost the others a few decibels, and not their sound.
#[test]
fn constant_noise_leaves_others_audible() {
    for rate in [48_000, 44_100] {
        let [main, slot] = End::new(rate).hears(64, scream);
        assert!(loudest(&slot) <= 1.0, "{}", loudest(&slot));
        for level in levels(&main, rate) {
            assert!((-7.0..0.5).contains(&level), "{rate}: {level} dB");
        }
    }
}

/// A musician below −1 dBFS reaches the aux output bit for bit.
#[test]
fn sound_below_ceiling_is_exact() {
    fn loud(i: u64, _: usize) -> f32 {
        (Rng(i).unit() as f32 - 0.5) * 1.782
    }
    let [_, slot] = End::new(48_000).hears(64, loud);
    let begins = (0..200_000).find(|&i| loud(i, 64) == slot[0] && loud(i + 1, 64) == slot[1]).expect("their sound");
    for (i, s) in slot.iter().enumerate() {
        assert_eq!(s.to_bits(), loud(begins + i as u64, 64).to_bits(), "frame {i}");
    }
}

/// One loud sample does not turn the others down in the server's mixes either.
#[test]
fn loud_sample_turns_nobody_down_in_mix() {
    let hears = |hostile: Hostile| {
        let (mut bus, mut mix, mut heard) = (MixBus::default(), Mix::default(), Vec::new());
        mix.open(true);
        for tick in 0..1500 {
            let now = Micros(1_000_000 + tick * 8000 / 3);
            bus.begin(now);
            for source in HONEST.into_iter().map(|(source, _)| source).chain([HOSTILE]) {
                let (header, payload) = packet(source, tick * MixBus::FRAMES as u64, MixBus::FRAMES, hostile);
                bus.receive(now, &AudioFrame { header, payload: &payload }, false).expect("taken");
            }
            bus.render();
            let (mut left, mut right) = ([0.0; MixBus::FRAMES], [0.0; MixBus::FRAMES]);
            mix.fill(&bus, SourceId(100), [&mut left, &mut right]);
            if tick >= 750 {
                heard.extend(left);
            }
        }
        heard
    };
    let (calm, hostile) = (levels(&hears(silence), 48_000), levels(&hears(one_sample), 48_000));
    for (before, after) in calm.into_iter().zip(hostile) {
        assert!((after - before).abs() < 0.1, "{before} dB, then {after} dB");
    }
    assert!(loudest(&hears(scream)) <= 0.891_251);
}
