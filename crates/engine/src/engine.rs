//! The audio thread's part: one call of the host from input to output.

use crate::bridge::{AudioEnd, HostCall, NetworkEnd, bridge};
use crate::console::Console;
use crate::controls::STRIPS;
use crate::denormals::{FlushDenormals, copy_tamed};
use crate::hostrate::{HOST_RATES, PIECE, ToWire, host_piece};
use crate::meters::Notice;
use crate::packetizer::Packetizer;
use crate::receiver::Receiver;
use crate::room::Room;
use crate::voice::Voice;
use ringbuf::traits::{Consumer, Observer, Producer};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// Stereo outputs of single musicians, beside the main output: one for each of the first strips.
pub const SLOTS: usize = 12;
const _: () = assert!(SLOTS <= STRIPS);

/// The longest block that hosts are known to use, in frames. Longer ones work too.
pub const MAX_BLOCK: usize = 8192;

/// Where a call's sound goes. All slices of a call have the same length: the block's.
pub struct Outputs<'a> {
    /// The room sum and the own input, left and right.
    pub main: [&'a mut [f32]; 2],
    /// A musician's two channels after playout, before gain, pan, mute and solo, at most full scale; `None` where the
    /// host has no use for it.
    pub slots: [Option<[&'a mut [f32]; 2]>; SLOTS],
}

impl Outputs<'_> {
    /// The block's length: the shortest of all slices.
    fn frames(&self) -> usize {
        let slots = self.slots.iter().flatten().flatten();
        self.main.iter().chain(slots).map(|s| s.len()).min().unwrap_or(0)
    }

    fn silence(&mut self) {
        let slots = self.slots.iter_mut().flatten().flatten();
        self.main.iter_mut().chain(slots).for_each(|s| s.fill(0.0));
    }
}

/// The audio thread's part of an engine.
pub struct Engine {
    console: Console,
    audio: AudioEnd,
    /// The host's rate; `None` while nothing can be played.
    rate: Option<u32>,
    /// What the host said that its rate and usual block are.
    announced: (u32, usize),
    /// The last call was [`Engine::monitor`].
    paused: bool,
    to_wire: Option<ToWire>,
    packetizer: Packetizer,
    receiver: Receiver,
    room: Room,
    input: [Box<[f32]>; 2],
    /// When the last call began, and how many µs of sound it was for.
    last_call: Option<(Micros, f64)>,
}

/// Makes an engine: the audio thread's part, the network threads' part, and everyone's controls and meters.
///
/// `stream_seed` is a random number: it makes the stream ids. `wake` is called on the audio thread, at most
/// once in each [`Engine::process`], when at least one packet was put into the ring; it must not block.
/// Allocates about 12 MiB, of which the system gives what is used.
pub fn engine(stream_seed: u32, wake: impl Fn() + Send + 'static) -> (Engine, NetworkEnd, Console) {
    let console = Console::new();
    let (engine, network) = engine_for(&console, stream_seed, wake);
    (engine, network, console)
}

/// The same in place of another engine that has ended: `console` is that one's. What it is set to holds, and what was
/// measured is forgotten.
pub fn engine_for(console: &Console, stream_seed: u32, wake: impl Fn() + Send + 'static) -> (Engine, NetworkEnd) {
    console.meters.forget();
    let (audio, network) = bridge(Box::new(wake), console.meters.clone());
    let engine = Engine {
        console: console.clone(),
        audio,
        rate: None,
        announced: (0, 0),
        paused: false,
        to_wire: None,
        packetizer: Packetizer::new(stream_seed),
        receiver: Receiver::new(),
        room: Room::new(),
        input: [vec![0.0; PIECE].into(), vec![0.0; PIECE].into()],
        last_call: None,
    };
    (engine, network)
}

impl Engine {
    /// Sets the host's rate (Hz) and usual block (frames). The own timeline begins anew; musicians and
    /// their voices stay. At rates that cannot be played `process` gives silence, and the console says so.
    ///
    /// Any thread that may allocate, not while `process` runs.
    pub fn configure(&mut self, rate: u32, announced_block: usize) {
        let known = HOST_RATES.contains(&rate);
        self.rate = known.then_some(rate);
        self.announced = (rate, announced_block);
        self.console.meters.set_notice((!known).then_some(Notice::RateUnsupported));
        self.last_call = None;
        if known {
            self.to_wire = ToWire::new(rate);
            self.packetizer.restart(wire_frames(announced_block, rate));
            self.receiver.restart(wire_period(announced_block, rate));
            self.room.configure(rate);
        }
    }

    /// Plays the input alone, at any rate that was configured: nothing is sent, nobody else is heard, and packets that
    /// have come are dropped. For hosts that do not listen (a bounce), and while there is no room. That sound is that
    /// of [`Engine::process`], bit for bit, so that one may follow the other at any block.
    ///
    /// Audio thread, instead of `process`. Any block length. Neither allocates, frees, locks nor waits.
    pub fn monitor(&mut self, now: Micros, inputs: [&[f32]; 2], main: [&mut [f32]; 2]) {
        let _flush = FlushDenormals::begin();
        let Console { controls, meters } = &self.console;
        meters.calls.add(1);
        if !std::mem::replace(&mut self.paused, true) {
            // Nobody waits for anything now.
            meters.stall_every_s.set(0.0);
        }
        self.audio.incoming.clear();
        let frames = main[0].len().min(main[1].len());
        let rate = self.announced.0.max(1);
        self.last_call = Some((now, frames as f64 * 1e6 / f64::from(rate)));
        let [left, right] = main;
        for at in (0..frames).step_by(PIECE) {
            let span = at..frames.min(at + PIECE);
            for (own, input) in self.input.iter_mut().zip(inputs) {
                copy_tamed(input.get(at..).unwrap_or(&[]), &mut own[..span.len()]);
            }
            let own = self.input.each_ref().map(|own| &own[..span.len()]);
            self.room.play_own(own, [&mut left[span.clone()], &mut right[span]], rate, controls, meters);
            self.packetizer.measure(own, rate, controls, meters);
        }
    }

    /// Whether nobody else can be heard: no voice plays, and no packet waits. Audio thread.
    pub fn is_quiet(&mut self) -> bool {
        self.audio.incoming.is_empty() && self.receiver.voices().iter().all(Voice::is_idle)
    }

    /// Plays one block: sends `inputs`, fills `outputs`. `now` is when the host's call began, on the clock
    /// that incoming packets are stamped with.
    ///
    /// Audio thread; the only audio entry. Any block length. Neither allocates, frees, locks nor waits.
    pub fn process(&mut self, now: Micros, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        let _flush = FlushDenormals::begin();
        self.console.meters.calls.add(1);
        let Some(rate) = self.rate else {
            outputs.silence();
            // Nobody hears these; the network must not find the ring full when audio starts.
            self.audio.incoming.clear();
            return;
        };
        if std::mem::take(&mut self.paused) {
            // The timelines begin anew: what was played meanwhile is not in them.
            let block = self.announced.1;
            self.packetizer.restart(wire_frames(block, rate));
            self.receiver.restart(wire_period(block, rate));
        }
        let frames = outputs.frames();
        self.last_call = Some((now, frames as f64 * 1e6 / f64::from(rate)));
        // Full where nobody records, which is nothing to know.
        let _ = self.audio.calls.try_push(HostCall { begun: now, frames: frames as u32, rate });
        self.send(frames, inputs, rate);
        self.play(now, frames, inputs, outputs, rate);
    }

    /// Tells when the call that `process` was part of ended, so that the console shows the load. Audio
    /// thread, after `process`; may be left out.
    pub fn finished(&mut self, now: Micros) {
        let Some((began, budget)) = self.last_call.filter(|(_, budget)| *budget > 0.0) else { return };
        let load = (now.since(began).0 as f64 * 100.0 / budget) as f32;
        let shown = self.console.meters.load_pct.get();
        // Rises at once, falls within some hundred calls: a reader once a second sees the peaks.
        self.console.meters.load_pct.set(if load > shown { load } else { shown + (load - shown) * 0.005 });
    }

    fn send(&mut self, frames: usize, inputs: [&[f32]; 2], rate: u32) {
        let meters = &self.console.meters;
        self.packetizer.begin(wire_frames(frames, rate), &self.console.controls);
        let mut at = 0;
        while at < frames {
            let piece = host_piece(rate).min(frames - at);
            let from = inputs.map(|i| i.get(at..i.len().min(at + piece)).unwrap_or(&[]));
            let wire = match &mut self.to_wire {
                Some(resampler) => {
                    for (channel, from) in from.into_iter().enumerate() {
                        copy_tamed(from, &mut resampler.input(channel)[..piece]);
                    }
                    resampler.run(piece)
                }
                None => {
                    for (to, from) in self.input.iter_mut().zip(from) {
                        copy_tamed(from, &mut to[..piece]);
                    }
                    [&self.input[0][..piece], &self.input[1][..piece]]
                }
            };
            self.packetizer.push(wire, &mut self.audio, meters);
            at += piece;
        }
        self.packetizer.end(&mut self.audio, meters);
    }

    fn play(&mut self, now: Micros, frames: usize, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>, rate: u32) {
        let Console { controls, meters } = &self.console;
        self.receiver.begin(now, wire_period(frames, rate), controls, &mut self.audio, meters);
        let taken = self.room.play(frames, inputs, outputs, &mut self.receiver, controls, meters);
        self.receiver.end(taken, meters);
    }
}

/// Host frames as frames at 48 kHz.
fn wire_period(frames: usize, rate: u32) -> f64 {
    frames as f64 * f64::from(WIRE_RATE) / f64::from(rate)
}

/// The same, rounded.
fn wire_frames(frames: usize, rate: u32) -> usize {
    wire_period(frames, rate).round() as usize
}
