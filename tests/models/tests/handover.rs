//! The standalone's handover: `standalone/src/handover.rs` itself, with a performer that loom watches.

#[path = "../../../standalone/src/handover.rs"]
#[allow(dead_code, unreachable_pub)]
mod handover;

/// In the place of `standalone/src/performer.rs`.
mod performer {
    use loom::cell::UnsafeCell;
    use rtjam_engine::Outputs;

    /// Counts the blocks that it played. Loom fails the test when two threads access it at once, or when the second does
    /// not see everything that the first one did.
    #[derive(Default)]
    pub(crate) struct Performer(UnsafeCell<u32>);

    impl Performer {
        pub(crate) fn perform(&mut self, _: [&[f32]; 2], outputs: &mut Outputs<'_>) {
            // SAFETY: loom fails the test if another thread accesses the cell.
            self.0.with_mut(|blocks| unsafe { *blocks += 1 });
            outputs.main[0].fill(1.0);
        }

        pub(crate) fn blocks(&self) -> u32 {
            // SAFETY: as above.
            self.0.with(|blocks| unsafe { *blocks })
        }
    }
}

use handover::{Stage, stage};
use loom::thread;
use performer::Performer;
use rtjam_engine::{Outputs, SLOTS};
use rtjam_models::times;

/// Processes one block and returns whether it contained sound.
fn plays(stage: &mut Stage) -> bool {
    let [mut left, mut right] = [[9.0; 1]; 2];
    let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
    stage.process([&[0.0], &[0.0]], &mut outputs);
    left[0] > 0.0
}

/// Yields to the other thread a few times.
fn briefly() -> impl FnMut() -> bool {
    let mut left = times(2, 4);
    move || {
        thread::yield_now();
        left = left.saturating_sub(1);
        left > 0
    }
}

/// A recall returns the processor or leaves it playing; there is no third outcome.
#[test]
fn recall_returns_or_keeps_playing() {
    loom::model(|| {
        let (mut desk, mut stage) = stage();
        assert!(desk.give(Box::default()).is_ok());
        let audio = thread::spawn(move || {
            let heard = (0..times(2, 4)).filter(|_| plays(&mut stage)).count() as u32;
            (stage, heard)
        });
        let performer = desk.recall_while(briefly());
        let (mut stage, heard) = audio.join().expect("no panic");
        match performer {
            Some(performer) => {
                assert_eq!(performer.blocks(), heard);
                assert!(!plays(&mut stage));
                assert!(desk.give(performer).is_ok());
            }
            None => assert!(heard > 0 || plays(&mut stage)),
        }
        assert!(plays(&mut stage), "handed over again, or still there");
        drop(stage);
        assert!(desk.after_the_show().is_some_and(|performer| performer.blocks() > heard));
    });
}

/// A processor that is changed after a recall and handed over again keeps the change, and returns in the end, even if
/// the stage is dropped before it arrives.
#[test]
fn changed_processor_is_handed_over_again() {
    loom::model(|| {
        let (mut desk, mut stage) = stage();
        assert!(desk.give(Box::default()).is_ok());
        let audio = thread::spawn(move || {
            (0..times(2, 4)).for_each(|_| {
                plays(&mut stage);
            });
        });
        let returned = desk.recall_while(briefly()).map(|mut performer: Box<Performer>| {
            let [mut left, mut right] = [[0.0; 1]; 2];
            performer
                .perform([&[], &[]], &mut Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] });
            desk.give(performer).is_ok()
        });
        audio.join().expect("no panic");
        assert_ne!(returned, Some(false), "the inlet has room");
        assert!(desk.after_the_show().is_some());
    });
}

/// A stage that the device's thread drops during a recall still returns the processor.
#[test]
fn dropped_stage_returns_processor() {
    loom::model(|| {
        let (mut desk, stage) = stage();
        assert!(desk.give(Box::default()).is_ok());
        let audio = thread::spawn(move || drop(stage));
        let performer = desk.recall_while(briefly());
        audio.join().expect("no panic");
        assert!(performer.or_else(|| desk.after_the_show()).is_some());
    });
}
