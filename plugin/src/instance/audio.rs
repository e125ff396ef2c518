//! What the audio thread does with a block.

use super::block::Block;
use super::pace::Pace;
use rtjam_client::Clock;
use rtjam_engine::{Engine, MAX_BLOCK, Outputs, SLOTS};
use rtjam_protocol::Micros;
use rtjam_ui::editor_model::Kind;

type Stereo = [Box<[f32]>; 2];

/// The rates that the engine plays, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// What a block needs of the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// The host renders without listening: the room is left out.
    pub(super) offline: bool,
    /// The user wants to be in a room. Without one, the own signal alone is played: it costs a tenth.
    pub(super) room: bool,
}

/// The engine, and memory of our own for what it reads and writes.
pub(super) struct AudioSide {
    engine: Engine,
    /// In Hz; 0 before there is audio.
    rate: u32,
    block: usize,
    input: Stereo,
    main: Stereo,
    /// One for each slot with `RTJam Multi`, else none.
    slots: Vec<Stereo>,
    pace: Pace,
    /// Whether the host works ahead of time.
    pub(super) runs_ahead: bool,
    /// For tests: the next block panics.
    #[cfg(test)]
    pub(super) fault: bool,
}

/// Memory for the longest block that hosts are known to use; longer ones are played in parts.
fn stereo() -> Stereo {
    [vec![0.0; MAX_BLOCK].into(), vec![0.0; MAX_BLOCK].into()]
}

impl AudioSide {
    /// Silent until it is configured. Takes no memory beside the engine's.
    pub(super) fn new(engine: Engine) -> AudioSide {
        let none = || -> Stereo { [Box::default(), Box::default()] };
        AudioSide {
            engine,
            rate: 0,
            block: 0,
            input: none(),
            main: none(),
            slots: Vec::new(),
            pace: Pace::default(),
            runs_ahead: false,
            #[cfg(test)]
            fault: false,
        }
    }

    /// Not the audio thread. Another engine, for the rate and block of before.
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
        (self.pace, self.runs_ahead) = (Pace::default(), false);
        self.slots = if kind == Kind::Multi { (0..SLOTS).map(|_| stereo()).collect() } else { Vec::new() };
    }

    /// Audio thread.
    pub(super) fn play(&mut self, now: Micros, clock: Clock, block: &Block<'_>, needs: Needs) {
        #[cfg(test)]
        assert!(!self.fault, "a fault for the test");
        if self.rate == 0 {
            return block.silence();
        }
        if !needs.offline {
            self.runs_ahead = self.pace.note(now, block.frames(), self.rate);
        }
        let with_room = !needs.offline && RATES.contains(&self.rate) && (needs.room || !self.engine.is_quiet());
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

    /// The own signal, and nothing else.
    fn monitor(&mut self, now: Micros, block: &Block<'_>, at: usize, frames: usize) {
        let [left, right] = &mut self.main;
        let inputs = self.input.each_ref().map(|i| &i[..frames]);
        self.engine.monitor(now, inputs, [&mut left[..frames], &mut right[..frames]]);
        for (channel, sound) in self.main.iter().enumerate() {
            block.write_main(channel, at, &sound[..frames]);
        }
        block.silence_slots(at, frames);
    }

    fn run(&mut self, now: Micros, block: &Block<'_>, at: usize, frames: usize) {
        let [left, right] = &mut self.main;
        let mut slots = [const { None }; SLOTS];
        for (slot, (memory, output)) in self.slots.iter_mut().zip(&mut slots).enumerate() {
            let [left, right] = memory;
            *output = block.has_slot(slot).then(|| [&mut left[..frames], &mut right[..frames]]);
        }
        let mut outputs = Outputs { main: [&mut left[..frames], &mut right[..frames]], slots };
        let inputs = self.input.each_ref().map(|i| &i[..frames]);
        self.engine.process(now, inputs, &mut outputs);
        for (channel, sound) in outputs.main.iter().enumerate() {
            block.write_main(channel, at, sound);
        }
        for (slot, pair) in outputs.slots.iter().enumerate() {
            for (channel, sound) in pair.iter().flatten().enumerate() {
                block.write_slot(slot, channel, at, sound);
            }
        }
    }
}
