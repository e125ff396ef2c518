//! What the audio thread runs: the source and the engine, together.

use super::sources::Source;
use rtjam_client::Clock;
use rtjam_engine::{Engine, MAX_BLOCK, Outputs};

/// Engine and source. Belongs to one thread at a time, see [`super::handover`].
pub(crate) struct Performer {
    engine: Engine,
    clock: Clock,
    source: Source,
    played: [Vec<f32>; 2],
}

impl Performer {
    /// A performer that plays what comes in.
    pub(crate) fn new(engine: Engine, clock: Clock) -> Performer {
        let played = [vec![0.0; MAX_BLOCK], vec![0.0; MAX_BLOCK]];
        Performer { engine, clock, source: Source::Device, played }
    }

    /// Main thread, while it is at the desk: the rate and usual block of the audio system, and a source made for them.
    pub(crate) fn prepare(&mut self, rate: u32, block: u32, source: Source) {
        self.engine.configure(rate, block as usize);
        self.source = source;
    }

    /// Audio thread. One block of any length.
    pub(crate) fn perform(&mut self, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        let frames = inputs[0].len().min(MAX_BLOCK);
        let now = self.clock.now();
        let [left, right] = self.played.each_mut().map(|channel| &mut channel[..frames]);
        // A block longer than any that audio systems hand over is played from the input only.
        let plays = frames == inputs[0].len() && self.source.play(left, right);
        let inputs = if plays { [&*left, &*right] } else { inputs };
        self.engine.process(now, inputs, outputs);
        self.engine.finished(self.clock.now());
    }
}
