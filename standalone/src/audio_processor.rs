//! What the audio thread runs: the source, the engine and the test tone.

use super::sources::Source;
use super::test_tone::TestTone;
use rtjam_client::Clock;
use rtjam_engine::{Engine, MAX_BLOCK, Outputs};

/// Engine, source and test tone. Belongs to one thread at a time; see [`super::handover`].
pub(crate) struct AudioProcessor {
    engine: Engine,
    clock: Clock,
    source: Source,
    /// What the source plays.
    buffer: [Vec<f32>; 2],
    tone: TestTone,
}

impl AudioProcessor {
    /// A processor whose source is the audio input.
    pub(crate) fn new(engine: Engine, clock: Clock, tone: TestTone) -> AudioProcessor {
        let buffer = [vec![0.0; MAX_BLOCK], vec![0.0; MAX_BLOCK]];
        AudioProcessor { engine, clock, source: Source::Device, buffer, tone }
    }

    /// Main thread. Sets the sample rate, the usual period, and a source for them. Allocates.
    pub(crate) fn prepare(&mut self, rate: u32, period: u32, source: Source) {
        self.engine.configure(rate, period as usize);
        self.source = source;
        self.tone.prepare(rate);
    }

    /// Audio thread. Processes one period of any length.
    pub(crate) fn process(&mut self, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        let frames = inputs[0].len().min(MAX_BLOCK);
        let now = self.clock.now();
        let [left, right] = self.buffer.each_mut().map(|channel| &mut channel[..frames]);
        // No audio system is known to deliver longer periods than MAX_BLOCK; those carry the input only.
        let plays = frames == inputs[0].len() && self.source.play(left, right);
        let inputs = if plays { [&*left, &*right] } else { inputs };
        self.engine.process(now, inputs, outputs);
        self.tone.add_to(&mut outputs.main);
        self.engine.finished(self.clock.now());
    }
}
