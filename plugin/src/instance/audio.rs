//! The audio path of an instance: what the audio thread does in one call of the host.

use super::host_buffers::HostBuffers;
use super::host_timing::BurstDetector;
use rtjam_client::Clock;
use rtjam_engine::{Engine, MAX_BLOCK, Outputs, SLOTS};
use rtjam_protocol::Micros;
use rtjam_ui::editor_model::Kind;

type Stereo = [Box<[f32]>; 2];

/// The sample rates that the engine supports, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// What a call renders.
#[derive(Clone, Copy, Debug)]
pub(super) struct RenderScope {
    /// The host renders offline: the output is without the room.
    pub(super) offline: bool,
    /// The user wants to be in a room. Otherwise the output is the musician's own signal, at a tenth of the cost.
    pub(super) room: bool,
}

/// The engine and its buffers.
pub(super) struct AudioPath {
    engine: Engine,
    /// Sample rate in Hz; 0 before the first activation.
    rate: u32,
    block: usize,
    input: Stereo,
    main: Stereo,
    /// One for each slot with `RTJam Multi`, else none.
    slots: Vec<Stereo>,
    bursts: BurstDetector,
    /// Whether the host renders ahead of time.
    pub(super) runs_ahead: bool,
    /// For tests: the next call panics.
    #[cfg(test)]
    pub(super) fault: bool,
}

/// Buffers for the longest block that hosts are known to use; longer blocks are processed in parts.
fn stereo() -> Stereo {
    [vec![0.0; MAX_BLOCK].into(), vec![0.0; MAX_BLOCK].into()]
}

impl AudioPath {
    /// Silent until it is configured. Allocates nothing.
    pub(super) fn new(engine: Engine) -> AudioPath {
        let none = || -> Stereo { [Box::default(), Box::default()] };
        AudioPath {
            engine,
            rate: 0,
            block: 0,
            input: none(),
            main: none(),
            slots: Vec::new(),
            bursts: BurstDetector::default(),
            runs_ahead: false,
            #[cfg(test)]
            fault: false,
        }
    }

    /// Not the audio thread. Replaces the engine, at the present rate and block size. Returns the old engine.
    pub(super) fn replace(&mut self, mut engine: Engine) -> Engine {
        if self.rate != 0 {
            engine.configure(self.rate, self.block);
        }
        std::mem::replace(&mut self.engine, engine)
    }

    /// Not the audio thread. Allocates.
    pub(super) fn configure(&mut self, kind: Kind, rate: f64, block: usize) {
        // The cast saturates and turns NaN into 0.
        self.rate = rate.round() as u32;
        self.block = block.min(MAX_BLOCK);
        self.engine.configure(self.rate, self.block);
        self.input = stereo();
        self.main = stereo();
        (self.bursts, self.runs_ahead) = (BurstDetector::default(), false);
        self.slots = if kind == Kind::Multi { (0..SLOTS).map(|_| stereo()).collect() } else { Vec::new() };
    }

    /// Audio thread. Processes one call.
    pub(super) fn play(&mut self, now: Micros, clock: Clock, block: &HostBuffers<'_>, scope: RenderScope) {
        #[cfg(test)]
        assert!(!self.fault, "a fault for the test");
        if self.rate == 0 {
            return block.silence();
        }
        if !scope.offline {
            self.runs_ahead = self.bursts.note(now, block.frames(), self.rate);
        }
        let with_room = !scope.offline && RATES.contains(&self.rate) && (scope.room || !self.engine.is_quiet());
        let mut at = 0;
        loop {
            let frames = (block.frames() - at).min(MAX_BLOCK);
            for (channel, input) in self.input.iter_mut().enumerate() {
                block.read(channel, at, &mut input[..frames]);
            }
            let now = if at == 0 { now } else { clock.now() };
            if with_room {
                self.run(now, block, at, frames);
            } else {
                self.monitor(now, block, at, frames);
            }
            at += frames;
            if at >= block.frames() {
                break;
            }
        }
        self.engine.finished(clock.now());
    }

    /// Plays the musician's own signal only.
    fn monitor(&mut self, now: Micros, block: &HostBuffers<'_>, at: usize, frames: usize) {
        let [left, right] = &mut self.main;
        let inputs = self.input.each_ref().map(|i| &i[..frames]);
        self.engine.monitor(now, inputs, [&mut left[..frames], &mut right[..frames]]);
        for (channel, samples) in self.main.iter().enumerate() {
            block.write_main(channel, at, &samples[..frames]);
        }
        block.silence_slots(at, frames);
    }

    fn run(&mut self, now: Micros, block: &HostBuffers<'_>, at: usize, frames: usize) {
        let [left, right] = &mut self.main;
        let mut slots = [const { None }; SLOTS];
        for (slot, (buffer, output)) in self.slots.iter_mut().zip(&mut slots).enumerate() {
            let [left, right] = buffer;
            *output = block.has_slot(slot).then(|| [&mut left[..frames], &mut right[..frames]]);
        }
        let mut outputs = Outputs { main: [&mut left[..frames], &mut right[..frames]], slots };
        let inputs = self.input.each_ref().map(|i| &i[..frames]);
        self.engine.process(now, inputs, &mut outputs);
        for (channel, samples) in outputs.main.iter().enumerate() {
            block.write_main(channel, at, samples);
        }
        for (slot, pair) in outputs.slots.iter().enumerate() {
            for (channel, samples) in pair.iter().flatten().enumerate() {
                block.write_slot(slot, channel, at, samples);
            }
        }
    }
}
