//! How the performer (engine and source) gets to the audio thread and back.
//!
//! There is one performer, and it belongs to one thread at a time. A backend's callback owns a [`Stage`], the main
//! thread the [`Desk`] to it. What is changed in a way that may allocate (rate, source) is changed while the performer
//! is at the desk; the stage is silent meanwhile. A stage that is dropped, because its device went away, sends its
//! performer home first.
//!
//! ```text
//!  main thread: Desk ──inlet (ring of 1)──▶ Stage: audio thread
//!                    ◀──outlet (ring of 1)──
//!                    ──recall (flag)───────▶
//! ```
//!
//! Whichever end clears the recall flag decides: the stage, and the performer goes home; or the desk, and it stays.
//! `tests/models/tests/handover.rs` checks every order in which the two can meet.

use super::performer::Performer;
#[cfg(loom)]
use loom::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::wrap::Wrap;
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_engine::Outputs;
#[cfg(not(loom))]
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

/// The main thread's end.
pub(crate) struct Desk {
    inlet: HeapProd<Box<Performer>>,
    outlet: HeapCons<Box<Performer>>,
    recall: Arc<AtomicBool>,
}

/// The audio thread's end. Silent until it has a performer.
pub(crate) struct Stage {
    inlet: HeapCons<Box<Performer>>,
    outlet: HeapProd<Box<Performer>>,
    recall: Arc<AtomicBool>,
    performer: Option<Box<Performer>>,
}

/// A desk and its stage, both without a performer.
pub(crate) fn stage() -> (Desk, Stage) {
    let (in_prod, in_cons) = HeapRb::new(1).split();
    let (out_prod, out_cons) = HeapRb::new(1).split();
    let recall = Arc::new(AtomicBool::new(false));
    let desk = Desk { inlet: in_prod, outlet: out_cons, recall: Arc::clone(&recall) };
    (desk, Stage { inlet: in_cons, outlet: out_prod, recall, performer: None })
}

impl Desk {
    /// Sends the performer on. Gives it back when another is still on its way, which cannot be.
    pub(crate) fn give(&mut self, performer: Box<Performer>) -> Result<(), Box<Performer>> {
        self.recall.store(false, Ordering::Release);
        self.inlet.try_push(performer)
    }

    /// Asks for the performer and waits for it, at most about `patience`: an audio thread that does not run never answers.
    pub(crate) fn recall(&mut self, patience: Duration) -> Option<Box<Performer>> {
        let until = Instant::now() + patience;
        self.recall_while(|| {
            std::thread::sleep(Duration::from_micros(500));
            Instant::now() < until
        })
    }

    /// As [`recall`](Self::recall): `wait` waits a little each time, and says whether to go on.
    /// When it returns `None`, the performer plays on.
    pub(crate) fn recall_while(&mut self, mut wait: impl FnMut() -> bool) -> Option<Box<Performer>> {
        self.recall.store(true, Ordering::Release);
        loop {
            if let Some(performer) = self.outlet.try_pop() {
                return Some(performer);
            }
            // If the flag is no longer set, the stage has cleared it and is about to push the performer.
            if !wait() && self.recall.swap(false, Ordering::AcqRel) {
                return None;
            }
        }
    }

    /// The performer, after its stage was dropped; also one that was given to a stage that was already gone.
    pub(crate) fn after_the_show(&mut self) -> Option<Box<Performer>> {
        self.outlet.try_pop().or_else(|| {
            let stage_is_gone = !self.inlet.read_is_held();
            stage_is_gone.then(|| HeapCons::new(self.inlet.rb_ref().clone()).try_pop()).flatten()
        })
    }
}

impl Stage {
    /// Audio thread. One block; the outputs are always written.
    pub(crate) fn process(&mut self, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        if self.performer.is_none() {
            self.performer = self.inlet.try_pop();
        }
        if self.performer.is_some()
            && self.recall.load(Ordering::Relaxed)
            && self.recall.swap(false, Ordering::AcqRel)
            && let Some(performer) = self.performer.take()
        {
            // The outlet has room: there is only one performer. If it had none, it would go on playing.
            self.performer = self.outlet.try_push(performer).err();
        }
        match &mut self.performer {
            Some(performer) => performer.perform(inputs, outputs),
            None => silence(outputs),
        }
    }
}

/// Audio thread. Writes zeros everywhere.
pub(crate) fn silence(outputs: &mut Outputs<'_>) {
    for channel in &mut outputs.main {
        channel.fill(0.0);
    }
    for slot in outputs.slots.iter_mut().flatten() {
        for channel in slot {
            channel.fill(0.0);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(performer) = self.performer.take().or_else(|| self.inlet.try_pop()) {
            let _ = self.outlet.try_push(performer);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::settings::SourceChoice;
    use super::super::sources::Source;
    use super::*;
    use rtjam_client::Clock;
    use rtjam_engine::SLOTS;

    fn performer() -> Box<Performer> {
        let (engine, _network, _console) = rtjam_engine::engine(7, || {});
        let mut performer = Box::new(Performer::new(engine, Clock::new()));
        performer.prepare(48_000, 64, Source::prepare(&SourceChoice::Demo, 48_000).expect("always there"));
        performer
    }

    /// The loudest sample of ten blocks; the engine's own monitor is at unity when it is made.
    fn loudness(stage: &mut Stage) -> f32 {
        let silent = [0.0; 64];
        let mut loudest = 0.0_f32;
        for _ in 0..10 {
            let [mut left, mut right] = [[9.0; 64]; 2];
            let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
            stage.process([&silent, &silent], &mut outputs);
            loudest = left.iter().chain(&right).fold(loudest, |m, s| m.max(s.abs()));
        }
        loudest
    }

    #[test]
    fn a_stage_is_silent_until_its_performer_comes_and_after_it_went() {
        let (mut desk, mut stage) = stage();
        assert_eq!(loudness(&mut stage), 0.0);
        assert!(desk.give(performer()).is_ok());
        assert!(loudness(&mut stage) > 0.01);
        let audio = std::thread::spawn(move || {
            while loudness(&mut stage) > 0.0 {}
            stage
        });
        let performer = desk.recall(Duration::from_secs(5)).expect("the audio thread runs");
        let mut stage = audio.join().expect("no panic");
        assert!(desk.give(performer).is_ok());
        assert!(loudness(&mut stage) > 0.01);
    }

    #[test]
    fn a_stage_that_is_dropped_sends_its_performer_home() {
        for played in [false, true] {
            let (mut desk, mut stage) = stage();
            assert!(desk.give(performer()).is_ok());
            if played {
                loudness(&mut stage);
            }
            assert!(desk.recall(Duration::from_millis(2)).is_none());
            drop(stage);
            assert!(desk.after_the_show().is_some());
        }
    }

    #[test]
    fn a_performer_given_to_a_dropped_stage_is_not_lost() {
        let (mut desk, stage) = stage();
        drop(stage);
        assert!(desk.give(performer()).is_ok());
        assert!(desk.after_the_show().is_some());
    }
}
