//! The standalone's handover: `standalone/src/handover.rs` itself, with an audio processor that loom watches.

#[path = "../../../standalone/src/handover.rs"]
#[allow(dead_code, unreachable_pub)]
mod handover;

/// In the place of `standalone/src/audio_processor.rs`.
mod audio_processor {
    use loom::cell::UnsafeCell;
    use rtjam_engine::Outputs;

    /// Counts the blocks that it played. Loom fails the test when two threads have it at once, or when the second does
    /// not see all that the first one did.
    #[derive(Default)]
    pub(crate) struct AudioProcessor(UnsafeCell<u32>);

    impl AudioProcessor {
        pub(crate) fn process(&mut self, _: [&[f32]; 2], outputs: &mut Outputs<'_>) {
            // SAFETY: loom fails the test if anybody else has it.
            self.0.with_mut(|blocks| unsafe { *blocks += 1 });
            outputs.main[0].fill(1.0);
        }

        pub(crate) fn blocks(&self) -> u32 {
            // SAFETY: as above.
            self.0.with(|blocks| unsafe { *blocks })
        }
    }
}

use audio_processor::AudioProcessor;
use handover::{AudioThreadEnd, handover};
use loom::thread;
use rtjam_engine::{Outputs, SLOTS};
use rtjam_models::times;

/// Processes a period of one frame; returns whether there was audio in it.
fn plays(audio: &mut AudioThreadEnd) -> bool {
    let [mut left, mut right] = [[9.0; 1]; 2];
    let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
    audio.process([&[0.0], &[0.0]], &mut outputs);
    left[0] > 0.0
}

/// Waits a few times for the other thread.
fn briefly() -> impl FnMut() -> bool {
    let mut left = times(2, 4);
    move || {
        thread::yield_now();
        left = left.saturating_sub(1);
        left > 0
    }
}

/// A recall returns the processor or leaves it playing.
#[test]
fn recall_returns_processor_or_leaves_it() {
    loom::model(|| {
        let (mut main_end, mut audio) = handover();
        assert!(main_end.give(Box::default()).is_ok());
        let thread = thread::spawn(move || {
            let heard = (0..times(2, 4)).filter(|_| plays(&mut audio)).count() as u32;
            (audio, heard)
        });
        let processor = main_end.recall_while(briefly());
        let (mut audio, heard) = thread.join().expect("no panic");
        match processor {
            Some(processor) => {
                assert_eq!(processor.blocks(), heard);
                assert!(!plays(&mut audio));
                assert!(main_end.give(processor).is_ok());
            }
            None => assert!(heard > 0 || plays(&mut audio)),
        }
        assert!(plays(&mut audio), "given again, or still there");
        drop(audio);
        assert!(main_end.take_back().is_some_and(|processor| processor.blocks() > heard));
    });
}

/// The audio thread sees every change that the main thread made to the processor, and the processor comes back in the end,
/// also where the audio thread's end is dropped before it arrives.
#[test]
fn changed_processor_is_given_again() {
    loom::model(|| {
        let (mut main_end, mut audio) = handover();
        assert!(main_end.give(Box::default()).is_ok());
        let thread = thread::spawn(move || {
            (0..times(2, 4)).for_each(|_| {
                plays(&mut audio);
            });
        });
        let returned = main_end.recall_while(briefly()).map(|mut processor: Box<AudioProcessor>| {
            let [mut left, mut right] = [[0.0; 1]; 2];
            processor
                .process([&[], &[]], &mut Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] });
            main_end.give(processor).is_ok()
        });
        thread.join().expect("no panic");
        assert_ne!(returned, Some(false), "the ring has space");
        assert!(main_end.take_back().is_some());
    });
}

/// An audio thread's end that is dropped during a recall returns the processor.
#[test]
fn dropped_audio_end_loses_no_processor() {
    loom::model(|| {
        let (mut main_end, audio) = handover();
        assert!(main_end.give(Box::default()).is_ok());
        let thread = thread::spawn(move || drop(audio));
        let processor = main_end.recall_while(briefly());
        thread.join().expect("no panic");
        assert!(processor.or_else(|| main_end.take_back()).is_some());
    });
}
