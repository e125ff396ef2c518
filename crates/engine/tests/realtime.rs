//! The audio thread does not allocate or free: this program aborts if `process` does.

#[path = "virtual_time/common.rs"]
mod common;

use common::{Flying, Rng, sent};
use rtjam_engine::{Console, Engine, Gain, MAX_BLOCK, NetworkEnd, Outputs, PacketSize, Playout, SLOTS, engine};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::{Micros, SourceId, StreamId};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    static IN_PROCESS: Cell<bool> = const { Cell::new(false) };
}

struct Aborting;

fn check() {
    if IN_PROCESS.try_with(Cell::get).unwrap_or(false) {
        // Printing here would allocate. A debugger has the backtrace.
        std::process::abort();
    }
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Aborting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        check();
        // SAFETY: `pointer` came from `System` with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Aborting = Aborting;

/// Everything that a room can do to an engine, by seed.
struct Chaos {
    engine: Engine,
    network: NetworkEnd,
    console: Console,
    rng: Rng,
    now: f64,
    rate: u32,
    /// Plays all musicians, since an engine for each would be slow.
    sender: Engine,
    sender_network: NetworkEnd,
    held: Vec<Flying>,
    buffers: Vec<Vec<f32>>,
    /// Only the local input is played.
    paused: bool,
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let (engine, network, console) = engine(1, || {});
        let (mut sender, sender_network, _) = rtjam_engine::engine(2, || {});
        sender.configure(48_000, 64);
        Chaos {
            engine,
            network,
            console,
            rng: Rng(seed),
            now: 1e6,
            rate: 48_000,
            sender,
            sender_network,
            held: Vec::new(),
            buffers: vec![vec![0.0; MAX_BLOCK + 1000]; 2 + 2 + 2 * SLOTS],
            paused: false,
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[(self.rng.next() % of.len() as u64) as usize]
    }

    fn configure(&mut self) {
        self.rate = self.pick(&[48_000, 44_100, 96_000, 8000, 192_000, 400_000, 48_000]);
        let block = self.pick(&[16, 64, 128, 441, 8192]);
        self.engine.configure(self.rate, block);
    }

    fn turn_knobs(&mut self) {
        let (strip, channel) = (self.rng.next() % 40, self.rng.next() % 3);
        let value = self.rng.unit() as f32;
        self.console.set_monitor(Gain::linear(value));
        self.console.set_send_mute(value > 0.5);
        let sizes = [PacketSize::Auto, PacketSize::Frames(16), PacketSize::Frames(500)];
        let size = self.pick(&sizes);
        self.console.set_packet_size(size);
        let playout = self.pick(&[Playout::Auto, Playout::Auto, Playout::Fixed { ms: 5.0 }]);
        self.console.set_playout(playout);
        self.console.assign(SourceId((self.rng.next() % 50) as u16), Some(strip as usize));
        if let Some(channel) = self.console.strip(strip as usize).and_then(|s| s.channels().get(channel as usize)) {
            channel.set_gain(Gain::linear(value * 3.0));
            channel.set_solo(value > 0.9);
        }
    }

    /// Packets of up to 45 musicians: 30 % lost, some held back, duplicated, or of a new stream.
    fn packets_arrive(&mut self, frames: usize) {
        let silence = vec![0.3; frames];
        let mut out = [vec![0.0; frames], vec![0.0; frames]];
        let [left, right] = &mut out;
        let mut outputs = Outputs { main: [left, right], slots: [const { None }; SLOTS] };
        self.sender.process(Micros(self.now as u64), [&silence, &silence], &mut outputs);
        let codec = self.pick(&[Codec::Pcm16, Codec::Pcm24, Codec::F32]);
        let musicians = (self.now / 2e5) as u64 % 46;
        let packets = sent(&mut self.sender_network, codec, 0);
        let mut arriving = std::mem::take(&mut self.held);
        for packet in packets {
            for source in 0..musicians {
                let mut packet = packet.clone();
                packet.arrives = self.now;
                packet.header.source = SourceId(source as u16);
                if self.rng.unit() < 0.001 {
                    packet.header.stream = StreamId(self.rng.next() as u32);
                }
                let fate = self.rng.unit();
                if fate < 0.3 {
                    continue;
                }
                if fate < 0.4 {
                    self.held.push(packet.clone());
                }
                if fate > 0.35 {
                    arriving.push(packet);
                }
            }
        }
        arriving.iter().for_each(|p| p.land(&mut self.network));
    }

    fn process(&mut self, frames: usize) {
        let mut buffers = self.buffers.iter_mut().map(|b| &mut b[..frames]);
        let mut next = || buffers.next().expect("enough buffers");
        let (in_left, in_right) = (next(), next());
        in_left.fill(0.1);
        in_right.fill(f32::NAN);
        let main = [next(), next()];
        let all = self.rng.next().is_multiple_of(2);
        let slots = std::array::from_fn(|i| (all || i % 3 == 0).then(|| [next(), next()]));
        let mut outputs = Outputs { main, slots };
        IN_PROCESS.set(true);
        self.console.set_bypass(self.paused);
        let now = Micros(self.now as u64);
        if self.paused && !self.engine.is_quiet() {
            let [left, right] = &mut outputs.main;
            self.engine.monitor(now, [in_left, in_right], [left, right]);
        } else {
            self.engine.process(now, [in_left, in_right], &mut outputs);
        }
        self.engine.finished(Micros(self.now as u64 + 100));
        IN_PROCESS.set(false);
        assert!(outputs.main.iter().all(|o| o.iter().all(|s| s.is_finite())));
        black_box(&outputs.main);
        let rate = if self.rate > 192_000 { 48_000 } else { self.rate };
        self.now += frames as f64 * 1e6 / f64::from(rate);
        if self.rng.unit() < 0.5 {
            while self.network.outgoing.pop().is_some() {}
        }
    }
}

/// Whatever happens, `process` does not allocate or free.
#[test]
fn process_does_not_allocate() {
    for seed in 0..2 {
        let mut chaos = Chaos::new(seed);
        chaos.process(64);
        for round in 0..4000 {
            if round % 500 == 0 {
                chaos.configure();
            }
            if round % 37 == 0 {
                chaos.turn_knobs();
            }
            chaos.paused = round % 300 > 280;
            let frames = if round % 100 < 90 { 64 } else { chaos.pick(&[0, 1, 13, 500, 2048, 8192, 9000]) };
            let wire = (frames as u64 * 48_000 / u64::from(chaos.rate)) as usize;
            chaos.packets_arrive(wire.min(8192));
            chaos.process(frames);
            if round % 1000 == 999 {
                // The host sleeps.
                chaos.now += 2e6 * chaos.rng.unit();
            }
        }
        assert!(chaos.console.voices().count() > 30);
    }
}

/// The guard aborts on an allocation.
#[test]
fn allocation_guard_aborts() {
    // Runs in a child, which must abort.
    if std::env::var_os("RTJAM_ALLOCATE").is_some() {
        IN_PROCESS.set(true);
        black_box(vec![1_u8; 100]);
        IN_PROCESS.set(false);
        return;
    }
    let program = std::env::current_exe().expect("own path");
    let status = std::process::Command::new(program)
        .args(["--exact", "allocation_guard_aborts", "--quiet"])
        .env("RTJAM_ALLOCATE", "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("a child");
    assert!(!status.success());
}
