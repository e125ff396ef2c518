//! The audio thread's end: one call of the host, from input to output.

use crate::bridge::{AudioEnd, HostCall, NetworkEnd, bridge};
use crate::console::Console;
use crate::denormals::{FlushDenormals, copy_sanitized};
use crate::meters::Notice;
use crate::output_mixer::{OutputMixer, Outputs};
use crate::packetizer::Packetizer;
use crate::receiver::Receiver;
use crate::resampler::{HOST_RATES, PIECE, WireResampler, host_piece};
use crate::voice::Voice;
use ringbuf::traits::{Consumer, Observer, Producer};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// The longest block that hosts are known to use, in frames. Longer ones work too.
pub const MAX_BLOCK: usize = 8192;

/// The audio thread's end of an engine.
pub struct Engine {
    console: Console,
    audio: AudioEnd,
    /// The host's rate; `None` while nothing can be played.
    rate: Option<u32>,
    /// Rate and usual block as the host announced them.
    announced: (u32, usize),
    /// The last call was [`Engine::monitor`].
    monitoring: bool,
    to_wire: Option<WireResampler>,
    packetizer: Packetizer,
    receiver: Receiver,
    output: OutputMixer,
    input: [Box<[f32]>; 2],
    /// When the last call began, and its duration of sound in µs.
    last_call: Option<(Micros, f64)>,
}

/// Makes an engine and returns its three ends: for the audio thread, for the network threads, and for all threads.
///
/// `stream_seed` is a random number, from which stream ids are made. `wake` is called on the audio thread, at most once per
/// [`Engine::process`], after at least one packet was put into the ring; it must not block. Allocates about 12 MiB, of which
/// the system provides what is used.
pub fn engine(stream_seed: u32, wake: impl Fn() + Send + 'static) -> (Engine, NetworkEnd, Console) {
    let console = Console::new();
    let (engine, network) = engine_for(&console, stream_seed, wake);
    (engine, network, console)
}

/// Makes an engine that replaces one that has ended, whose console is `console`. Its controls keep their values; its readings
/// are reset.
pub fn engine_for(console: &Console, stream_seed: u32, wake: impl Fn() + Send + 'static) -> (Engine, NetworkEnd) {
    console.meters.reset();
    let (audio, network) = bridge(Box::new(wake), console.meters.clone());
    let engine = Engine {
        console: console.clone(),
        audio,
        rate: None,
        announced: (0, 0),
        monitoring: false,
        to_wire: None,
        packetizer: Packetizer::new(stream_seed),
        receiver: Receiver::new(),
        output: OutputMixer::new(),
        input: [vec![0.0; PIECE].into(), vec![0.0; PIECE].into()],
        last_call: None,
    };
    (engine, network)
}

impl Engine {
    /// Sets the host's rate (Hz) and usual block (frames). The own timeline restarts; musicians and their voices stay. At rates
    /// that cannot be played `process` outputs silence, and the console says why.
    ///
    /// Any thread that may allocate, not while `process` runs.
    pub fn configure(&mut self, rate: u32, announced_block: usize) {
        let known = HOST_RATES.contains(&rate);
        self.rate = known.then_some(rate);
        self.announced = (rate, announced_block);
        self.console.meters.set_notice((!known).then_some(Notice::RateUnsupported));
        self.last_call = None;
        if known {
            self.to_wire = WireResampler::to_wire(rate);
            self.packetizer.restart(wire_frames(announced_block, rate));
            self.receiver.restart(wire_period(announced_block, rate));
            self.output.configure(rate);
        }
    }

    /// Plays the input alone, at any configured rate: nothing is sent, nobody else is heard, and incoming packets are dropped.
    /// For hosts that render offline, and while there is no room. The sound equals that of [`Engine::process`] bit for bit, so
    /// the two may alternate at any block.
    ///
    /// Audio thread, instead of `process`. Any block length. Does not allocate, free, lock or wait.
    pub fn monitor(&mut self, now: Micros, inputs: [&[f32]; 2], main: [&mut [f32]; 2]) {
        let _flush = FlushDenormals::begin();
        let Console { controls, meters } = &self.console;
        meters.calls.add(1);
        if !std::mem::replace(&mut self.monitoring, true) {
            // Stalls do not matter now.
            meters.set_stall_pattern(None);
        }
        self.audio.incoming.clear();
        let frames = main[0].len().min(main[1].len());
        let rate = self.announced.0.max(1);
        self.last_call = Some((now, frames as f64 * 1e6 / f64::from(rate)));
        let [left, right] = main;
        for at in (0..frames).step_by(PIECE) {
            let span = at..frames.min(at + PIECE);
            for (own, input) in self.input.iter_mut().zip(inputs) {
                copy_sanitized(input.get(at..).unwrap_or(&[]), &mut own[..span.len()]);
            }
            let own = self.input.each_ref().map(|own| &own[..span.len()]);
            self.output.play_input_alone(own, [&mut left[span.clone()], &mut right[span]], rate, controls, meters);
            self.packetizer.measure(own, rate, controls, meters);
        }
    }

    /// Whether nobody else can be heard: no voice plays, and no packet is in the ring. Audio thread.
    pub fn is_quiet(&mut self) -> bool {
        self.audio.incoming.is_empty() && self.receiver.voices().iter().all(Voice::is_idle)
    }

    /// Plays one block: sends `inputs`, fills `outputs`. `now` is when the host's call began, on the clock of the arrival times
    /// of incoming packets.
    ///
    /// Audio thread; the only audio entry. Any block length. Does not allocate, free, lock or wait.
    pub fn process(&mut self, now: Micros, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        let _flush = FlushDenormals::begin();
        self.console.meters.calls.add(1);
        let Some(rate) = self.rate else {
            outputs.silence();
            // Nobody hears these packets, and the ring must not be full when audio starts.
            self.audio.incoming.clear();
            return;
        };
        if std::mem::take(&mut self.monitoring) {
            // The timelines restart: they do not contain what was played meanwhile.
            let block = self.announced.1;
            self.packetizer.restart(wire_frames(block, rate));
            self.receiver.restart(wire_period(block, rate));
        }
        let frames = outputs.frames();
        self.last_call = Some((now, frames as f64 * 1e6 / f64::from(rate)));
        // The ring is full if nobody records the calls, which is not an error.
        let _ = self.audio.calls.try_push(HostCall { begun: now, frames: frames as u32, rate });
        self.send(frames, inputs, rate);
        self.play(now, frames, inputs, outputs, rate);
    }

    /// Tells when the call of `process` ended, so that the console can show the load. Audio thread, after `process`; optional.
    pub fn finished(&mut self, now: Micros) {
        let Some((began, budget)) = self.last_call.filter(|(_, budget)| *budget > 0.0) else { return };
        let load = (now.since(began).0 as f64 * 100.0 / budget) as f32;
        let shown = self.console.meters.load_pct.get();
        // Rises at once and falls within some hundred calls, so that one reading per second shows the peaks.
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
                        copy_sanitized(from, &mut resampler.input(channel)[..piece]);
                    }
                    resampler.run_input(piece)
                }
                None => {
                    for (to, from) in self.input.iter_mut().zip(from) {
                        copy_sanitized(from, &mut to[..piece]);
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
        let taken = self.output.play(frames, inputs, outputs, &mut self.receiver, controls, meters);
        self.receiver.end(taken, meters);
    }
}

/// Host frames in frames at 48 kHz.
fn wire_period(frames: usize, rate: u32) -> f64 {
    frames as f64 * f64::from(WIRE_RATE) / f64::from(rate)
}

/// The same, rounded.
fn wire_frames(frames: usize, rate: u32) -> usize {
    wire_period(frames, rate).round() as usize
}
