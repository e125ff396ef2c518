//! Two engines with a seeded bad network between them, in virtual time.

#![allow(dead_code, reason = "each test program uses its own part")]

use rtjam_engine::{Console, Engine, NetworkEnd, Outputs, SLOTS, engine};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, encode};
use rtjam_protocol::{Micros, SourceId};
use std::sync::LazyLock;

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a musician plays: both channels of frame `i`.
pub(crate) type Signal = fn(u64) -> [f32; 2];

/// White noise, different for each channel, so that every part of it is recognised.
pub(crate) fn noise(i: u64) -> [f32; 2] {
    let at = |seed: u64| {
        let mut rng = Rng(i.wrapping_mul(0xD134_2543_DE82_EF95) ^ seed);
        (rng.unit() - 0.5) as f32 * 0.8
    };
    [at(1), at(2)]
}

/// 440 Hz left, 1 kHz right, at 48 kHz. Both repeat within 1200 frames.
pub(crate) fn tones(i: u64) -> [f32; 2] {
    static TABLE: LazyLock<Vec<[f32; 2]>> = LazyLock::new(|| {
        let at = |hz: f64, i: u32| (0.5 * (std::f64::consts::TAU * hz * f64::from(i) / 48_000.0).sin()) as f32;
        (0..1200).map(|i| [at(440.0, i), at(1000.0, i)]).collect()
    });
    TABLE[(i % 1200) as usize]
}

/// One musician's engine and host.
pub(crate) struct Peer {
    pub(crate) engine: Engine,
    pub(crate) network: NetworkEnd,
    pub(crate) console: Console,
    pub(crate) block: usize,
    pub(crate) rate: u32,
    /// By how much the host's clock is slower (−) or faster (+) than true time.
    pub(crate) ppm: f64,
    /// True time of the next callback, in µs.
    pub(crate) next: f64,
    /// Frames of input so far.
    pub(crate) played: u64,
    pub(crate) signal: Signal,
    /// All of the main output.
    pub(crate) out: [Vec<f32>; 2],
    /// The first aux output.
    pub(crate) slot: [Vec<f32>; 2],
    /// Callbacks are late by up to this many µs.
    pub(crate) lateness: f64,
    rng: Rng,
}

impl Peer {
    pub(crate) fn new(rate: u32, block: usize, signal: Signal, seed: u32) -> Peer {
        let (mut engine, network, console) = engine(seed, || {});
        engine.configure(rate, block);
        console.set_monitor(rtjam_engine::Gain::OFF);
        Peer {
            engine,
            network,
            console,
            block,
            rate,
            ppm: 0.0,
            next: 1_000_000.0,
            played: 0,
            signal,
            out: Default::default(),
            slot: Default::default(),
            lateness: 0.0,
            rng: Rng(u64::from(seed)),
        }
    }

    /// One callback of the usual length.
    pub(crate) fn callback(&mut self) {
        self.callback_of(self.block);
    }

    pub(crate) fn callback_of(&mut self, frames: usize) {
        let input = (0..frames as u64).map(|i| (self.signal)(self.played + i));
        let (left, right): (Vec<f32>, Vec<f32>) = input.map(|[l, r]| (l, r)).unzip();
        self.callback_with(&left, &right);
    }

    pub(crate) fn callback_with(&mut self, left: &[f32], right: &[f32]) {
        let frames = left.len();
        let mut out = [vec![f32::NAN; frames], vec![f32::NAN; frames]];
        let mut slot = [vec![f32::NAN; frames], vec![f32::NAN; frames]];
        let now = Micros((self.next + self.rng.unit() * self.lateness) as u64);
        {
            let [l, r] = &mut out;
            let [sl, sr] = &mut slot;
            let mut slots = [const { None }; SLOTS];
            slots[0] = Some([&mut sl[..], &mut sr[..]]);
            self.engine.process(now, [left, right], &mut Outputs { main: [l, r], slots });
        }
        for (all, new) in self.out.iter_mut().chain(&mut self.slot).zip(out.iter().chain(&slot)) {
            all.extend(new);
        }
        self.played += frames as u64;
        self.next += frames as f64 * 1e6 / (f64::from(self.rate) * (1.0 + self.ppm * 1e-6));
    }
}

/// A network from sender to receiver.
#[derive(Clone, Debug)]
pub(crate) struct NetworkLink {
    pub(crate) codec: Codec,
    /// From the sender's callback to the receiver's ring, µs.
    pub(crate) base: f64,
    /// Evenly distributed addition, µs.
    pub(crate) jitter: f64,
    pub(crate) loss: f64,
    pub(crate) duplicate: f64,
    /// A duplicate arrives up to this long after its packet, µs.
    pub(crate) duplicate_after: f64,
    pub(crate) rng: Rng,
    /// Whether packets stay in order.
    pub(crate) ordered: bool,
}

impl NetworkLink {
    /// 100 to 400 µs: two programs on one machine.
    pub(crate) fn clean(codec: Codec) -> NetworkLink {
        NetworkLink {
            codec,
            base: 100.0,
            jitter: 300.0,
            loss: 0.0,
            duplicate: 0.0,
            duplicate_after: 1000.0,
            rng: Rng(99),
            ordered: true,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Flying {
    pub(crate) arrives: f64,
    pub(crate) header: AudioHeader,
    pub(crate) payload: Vec<u8>,
}

impl Flying {
    pub(crate) fn land(&self, network: &mut NetworkEnd) {
        let frame = AudioFrame { header: self.header, payload: &self.payload };
        let _ = network.incoming.push(Micros(self.arrives as u64), &frame);
    }
}

/// Takes everything that a peer has sent, encoded, as source `source`.
pub(crate) fn sent(network: &mut NetworkEnd, codec: Codec, source: u16) -> Vec<Flying> {
    let mut packets = Vec::new();
    while let Some(p) = network.outgoing.pop() {
        let mut payload = Vec::new();
        p.channels().iter().for_each(|c| encode(codec, c, &mut payload));
        let header = AudioHeader {
            source: SourceId(source),
            stream: p.stream,
            sequence: p.sequence,
            position: p.position,
            codec,
            layout: p.layout,
            frames: p.frames(),
            peak: p.peak,
        };
        packets.push(Flying { arrives: 0.0, header, payload });
    }
    packets
}

/// A sender, a receiver, and the network between them.
pub(crate) struct Jam {
    pub(crate) sender: Peer,
    pub(crate) receiver: Peer,
    pub(crate) link: NetworkLink,
    pub(crate) flying: Vec<Flying>,
    last_arrival: f64,
}

impl Jam {
    pub(crate) fn new(sender: Peer, receiver: Peer, link: NetworkLink) -> Jam {
        receiver.console.assign(SourceId(1), Some(0));
        Jam { sender, receiver, link, flying: Vec::new(), last_arrival: 0.0 }
    }

    /// Two peers of the same block at 48 kHz. The receiver's callback is `phase` µs after the sender's.
    pub(crate) fn at_48k(block: usize, codec: Codec, phase: f64) -> Jam {
        let sender = Peer::new(48_000, block, noise, 11);
        let mut receiver = Peer::new(48_000, block, |_| [0.0; 2], 12);
        receiver.next += phase;
        // The largest packet of a datagram.
        sender.console.set_max_frames(codec.frames_in(1150));
        Jam::new(sender, receiver, NetworkLink::clean(codec))
    }

    /// Runs until `seconds` of true time from the start have passed.
    pub(crate) fn run_to(&mut self, seconds: f64) {
        let end = (seconds + 1.0) * 1e6;
        while self.sender.next.min(self.receiver.next) < end {
            self.step();
        }
    }

    /// Runs for this many seconds of true time.
    pub(crate) fn run_for(&mut self, seconds: f64) {
        self.run_to(self.sender.next.min(self.receiver.next) / 1e6 - 1.0 + seconds);
    }

    /// The next callback of either peer.
    pub(crate) fn step(&mut self) {
        if self.sender.next <= self.receiver.next {
            self.send();
        } else {
            self.receive();
        }
    }

    pub(crate) fn send(&mut self) {
        let at = self.sender.next;
        self.sender.callback();
        self.fly(at);
    }

    /// A callback of the sender with these samples on both channels.
    pub(crate) fn send_samples(&mut self, samples: Vec<f32>) {
        let at = self.sender.next;
        self.sender.callback_with(&samples, &samples);
        self.fly(at);
    }

    fn fly(&mut self, at: f64) {
        for mut packet in sent(&mut self.sender.network, self.link.codec, 1) {
            let link = &mut self.link;
            let delay = link.base + link.jitter * link.rng.unit();
            packet.arrives = at + delay;
            if link.ordered {
                packet.arrives = packet.arrives.max(self.last_arrival);
                self.last_arrival = packet.arrives;
            }
            if link.rng.unit() < link.loss {
                continue;
            }
            if link.rng.unit() < link.duplicate {
                let mut copy = packet.clone();
                copy.arrives += link.duplicate_after * link.rng.unit();
                self.flying.push(copy);
            }
            self.flying.push(packet);
        }
    }

    pub(crate) fn receive(&mut self) {
        self.deliver();
        self.receiver.callback();
    }

    /// Delivers what has arrived by the receiver's next callback, in order of arrival.
    pub(crate) fn deliver(&mut self) {
        let now = self.receiver.next;
        let mut landed: Vec<Flying> = self.flying.extract_if(.., |p| p.arrives <= now).collect();
        landed.sort_by(|a, b| a.arrives.total_cmp(&b.arrives));
        landed.iter().for_each(|p| p.land(&mut self.receiver.network));
    }

    /// The delay from the sender's host to the receiver's, in frames, at the end of the output: found by the sound and the
    /// clocks. `None` if the sound is not the sender's.
    pub(crate) fn delay_now(&self, signal: Signal) -> Option<f64> {
        let out = &self.receiver.slot[0];
        let at = out.len() - 64;
        let time = self.receiver.next - 64.0 / 0.048;
        let position = self.sender.played as f64 + (time - self.sender.next) * 0.048;
        let newest = position.ceil().max(0.0) as u64;
        let sent_at = |from: u64| (0..64).all(|i| signal(from + i)[0] == out[at + i as usize]);
        (newest.saturating_sub(40_000)..=newest).rev().find(|p| sent_at(*p)).map(|p| position - p as f64)
    }

    pub(crate) fn reading(&self) -> rtjam_engine::VoiceReading {
        self.receiver.console.voice(SourceId(1)).expect("the musician was heard")
    }
}

/// How many frames `out` is behind `signal`: up to `most`, so that the 64 frames at `at` equal the signal within `tolerance`.
pub(crate) fn delay_at(
    out: &[f32],
    channel: usize,
    signal: Signal,
    at: usize,
    most: usize,
    tolerance: f32,
) -> Option<usize> {
    (0..=most.min(at)).find(|delay| {
        out[at..at + 64]
            .iter()
            .enumerate()
            .all(|(i, o)| (signal((at + i - delay) as u64)[channel] - o).abs() <= tolerance)
    })
}

/// The first frame of `out[from..]` that differs from the signal `delay` frames earlier.
pub(crate) fn first_wrong(
    out: &[f32],
    channel: usize,
    signal: Signal,
    from: usize,
    delay: usize,
    tolerance: f32,
) -> Option<usize> {
    (from..out.len()).find(|&i| (signal((i - delay) as u64)[channel] - out[i]).abs() > tolerance)
}
