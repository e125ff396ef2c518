//! The cost of one call: 11 remote musicians at 64 frames, 48 kHz, on one core. The block lasts 1333 µs. Prints the share of
//! it that each case takes, in %: the mean, and the most expensive call in a hundred.
//!
//! `--count CALLS ARRIVALS` measures no time. It plays CALLS calls, lets the packets of ARRIVALS more arrive without a call,
//! and ends, so that callgrind or an emulator can count instructions.

use criterion::{BatchSize, Criterion};
use rtjam_engine::{Console, Engine, NetworkEnd, Outputs, SLOTS, engine};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, encode};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use std::time::Instant;

const MUSICIANS: u16 = 11;
const BLOCK: usize = 64;

/// Duration of a block, in µs.
const BLOCK_US: f64 = 4000.0 / 3.0;

/// Calls that are measured: 27 s of sound.
const CALLS: usize = 20_000;

/// Calls before a measurement: ten seconds, after which playout has settled and the drift is found.
const SETTLE: usize = 7500;

/// An engine and the musicians that it hears.
struct Room {
    engine: Engine,
    network: NetworkEnd,
    /// Calls so far.
    calls: u64,
    /// Packets that each musician has sent so far.
    sent: u32,
    /// Share of packets that are lost.
    loss: f64,
    /// By how much the musicians' clocks are faster than ours.
    ppm: f64,
    seed: u64,
    payload: Vec<u8>,
}

impl Room {
    /// A room after `settle` calls.
    fn new(loss: f64, ppm: f64, settle: usize) -> (Room, Console) {
        let (mut engine, network, console) = engine(3, || {});
        engine.configure(48_000, BLOCK);
        for source in 0..MUSICIANS {
            console.assign(SourceId(source), Some(usize::from(source)));
        }
        let mut room = Room { engine, network, calls: 0, sent: 0, loss, ppm, seed: 1, payload: Vec::new() };
        room.play(settle);
        (room, console)
    }

    fn play(&mut self, calls: usize) {
        for _ in 0..calls {
            self.arrive();
            self.process();
        }
    }

    fn chance(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// When the next call begins, in µs.
    fn now(&self) -> f64 {
        self.calls as f64 * BLOCK_US
    }

    /// What everyone sends until the next call: one packet, and rarely none or two if clocks differ.
    fn arrive(&mut self) {
        while self.network.outgoing.pop().is_some() {}
        loop {
            let at = f64::from(self.sent) * BLOCK_US / (1.0 + self.ppm * 1e-6) + 200.0;
            if at > self.now() {
                break;
            }
            (0..MUSICIANS).for_each(|source| self.send(source, at));
            self.sent += 1;
        }
    }

    fn send(&mut self, source: u16, at: f64) {
        if self.chance() < self.loss {
            return;
        }
        let first = u64::from(self.sent) * BLOCK as u64;
        self.payload.clear();
        for channel in 0..2 {
            let tone = |i: u64| 0.2 * ((i + u64::from(source) * 99 + channel) as f32 * 0.03).sin();
            let samples: Vec<f32> = (first..first + BLOCK as u64).map(tone).collect();
            encode(Codec::Pcm16, &samples, &mut self.payload);
        }
        let header = AudioHeader {
            source: SourceId(source),
            stream: StreamId(1),
            sequence: Sequence(self.sent),
            position: FramePosition(first),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: BLOCK as u16,
            peak: [Peak(0); 2],
        };
        let frame = AudioFrame { header, payload: &self.payload };
        let _ = self.network.incoming.push(Micros(at as u64), &frame);
    }

    fn process(&mut self) {
        let input = [0.1; BLOCK];
        let mut main = [[0.0; BLOCK]; 2];
        let mut slots = [[[0.0; BLOCK]; 2]; SLOTS];
        let [left, right] = &mut main;
        let mut outputs =
            Outputs { main: [left, right], slots: slots.each_mut().map(|[l, r]| Some([&mut l[..], &mut r[..]])) };
        self.engine.process(Micros(self.now() as u64), [&input, &input], &mut outputs);
        std::hint::black_box(&outputs.main);
        self.calls += 1;
    }

    /// The share of the block that each call takes, the smallest first.
    fn shares(&mut self) -> Vec<f64> {
        let mut call = || {
            self.arrive();
            let begin = Instant::now();
            self.process();
            begin.elapsed().as_secs_f64() * 1e6 / BLOCK_US
        };
        let mut shares: Vec<f64> = (0..CALLS).map(|_| call()).collect();
        shares.sort_by(f64::total_cmp);
        shares
    }
}

/// What `--count` asks for: calls and arrivals.
fn to_count() -> Option<[usize; 2]> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|word| word == "--count")?;
    let number = |n: usize| arguments.get(at + n).and_then(|word| word.parse().ok()).expect("--count CALLS ARRIVALS");
    Some([number(1), number(2)])
}

fn main() {
    if let Some([calls, arrivals]) = to_count() {
        let (mut room, _console) = Room::new(0.0, 0.0, calls);
        for _ in 0..arrivals {
            room.arrive();
            room.calls += 1;
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (name, loss, ppm) in [
        ("11 musicians, 64 frames", 0.0, 0.0),
        ("11 musicians, 64 frames, 5 % loss", 0.05, 0.0),
        ("11 musicians, 64 frames, 100 ppm apart", 0.0, 100.0),
    ] {
        let (mut room, console) = Room::new(loss, ppm, SETTLE);
        let following = console.voices().filter(|v| v.drift_ppm != 0.0).count();
        println!("{} musicians, {following} of them with a clock of their own", console.voices().count());
        let shares = room.shares();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let rare = shares[shares.len() * 99 / 100];
        println!("{name}: {:.2} % of the block in the mean, {:.2} % one call in a hundred", mean * 100.0, rare * 100.0);
        let room = std::cell::RefCell::new(room);
        criterion.bench_function(name, |b| {
            b.iter_batched(|| room.borrow_mut().arrive(), |()| room.borrow_mut().process(), BatchSize::PerIteration);
        });
    }
    criterion.final_summary();
}
