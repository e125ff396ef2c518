//! The standalone's handover: `standalone/src/handover.rs` itself, with a performer that loom watches.

#[path = "../../../standalone/src/handover.rs"]
#[allow(dead_code, unreachable_pub)]
mod handover;

/// In the place of `standalone/src/performer.rs`.
mod performer {
    use loom::cell::UnsafeCell;
    use rtjam_engine::Outputs;

    /// Counts the blocks that it played. Loom fails the test when two threads have it at once, or when the second does
    /// not see all that the first one did.
    #[derive(Default)]
    pub(crate) struct Performer(UnsafeCell<u32>);

    impl Performer {
        pub(crate) fn perform(&mut self, _: [&[f32]; 2], outputs: &mut Outputs<'_>) {
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

use handover::{Stage, stage};
use loom::thread;
use performer::Performer;
use rtjam_engine::{Outputs, SLOTS};
use rtjam_models::times;

/// One block; whether there was sound in it.
fn plays(stage: &mut Stage) -> bool {
    let [mut left, mut right] = [[9.0; 1]; 2];
    let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
    stage.process([&[0.0], &[0.0]], &mut outputs);
    left[0] > 0.0
}

/// Waits a few times for the other thread to do something.
fn briefly() -> impl FnMut() -> bool {
    let mut left = times(2, 4);
    move || {
        thread::yield_now();
        left = left.saturating_sub(1);
        left > 0
    }
}

/// A recall brings the performer home, or leaves it playing: never something between.
#[test]
fn a_recall_brings_home_or_leaves_playing() {
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
        assert!(plays(&mut stage), "given again, or still there");
        drop(stage);
        assert!(desk.after_the_show().is_some_and(|performer| performer.blocks() > heard));
    });
}

/// A performer that is changed at the desk and given again is seen as it was left there, and comes home in the end, also
/// where the stage is gone before it arrives.
#[test]
fn a_changed_performer_is_given_again() {
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

/// A stage that its device's thread drops during a recall sends the performer home all the same.
#[test]
fn a_dropped_stage_loses_no_performer() {
    loom::model(|| {
        let (mut desk, stage) = stage();
        assert!(desk.give(Box::default()).is_ok());
        let audio = thread::spawn(move || drop(stage));
        let performer = desk.recall_while(briefly());
        audio.join().expect("no panic");
        assert!(performer.or_else(|| desk.after_the_show()).is_some());
    });
}
