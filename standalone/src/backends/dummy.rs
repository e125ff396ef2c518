//! A clock without sound: 128 frames at 48 kHz, by a timer. What comes in is silence, what goes out is heard by nobody.

use super::{Backend, OpenError, Pulse, priority};
use crate::handover::Stage;
use rtjam_engine::{Outputs, SLOTS};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const RATE: u32 = 48_000;
const BLOCK: u32 = 128;

/// Blocks that may be worked off at once after having been late; what is later than that is left out.
const CATCH_UP: u64 = 16;

/// The timer, running until it is dropped.
pub(super) struct Dummy {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dummy {
    pub(super) fn open(stage: Stage, pulse: Arc<Pulse>) -> Result<Dummy, OpenError> {
        pulse.block.store(BLOCK, Ordering::Relaxed);
        let end = Arc::new(AtomicBool::new(false));
        let thread = {
            let end = Arc::clone(&end);
            thread::Builder::new().name("dummy-audio".to_owned()).spawn(move || run(stage, &pulse, &end))
        };
        match thread {
            Ok(thread) => Ok(Dummy { end, thread: Some(thread) }),
            Err(e) => Err(OpenError(format!("The dummy clock could not start: {e}."))),
        }
    }
}

impl Backend for Dummy {
    fn describe(&self) -> String {
        format!("dummy clock, no sound in or out ({RATE} Hz, {BLOCK} frames)")
    }

    fn rate(&self) -> u32 {
        RATE
    }

    fn lost(&mut self) -> Option<String> {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        ended.then(|| "The dummy clock has stopped.".to_owned())
    }
}

impl Drop for Dummy {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The audio thread. Deadlines are counted from one origin in frames, so the rate is exact.
fn run(mut stage: Stage, pulse: &Pulse, end: &AtomicBool) {
    priority::raise(pulse);
    let silent = [0.0; BLOCK as usize];
    let mut main = [[0.0; BLOCK as usize]; 2];
    let mut origin = Instant::now();
    let mut blocks = 0_u64;
    let mut behind = false;
    while !end.load(Ordering::Relaxed) {
        let [left, right] = &mut main;
        stage.process([&silent; 2], &mut Outputs { main: [left, right], slots: [const { None }; SLOTS] });
        blocks += 1;
        let due = origin + duration_of(blocks);
        let late = Instant::now().saturating_duration_since(due);
        if late > duration_of(1) && !behind {
            pulse.count_xruns(1);
        }
        behind = late > duration_of(1);
        if late.is_zero() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
        } else if late > duration_of(CATCH_UP) {
            (origin, blocks) = (Instant::now(), 0);
        }
    }
}

fn duration_of(blocks: u64) -> Duration {
    Duration::from_nanos(blocks * u64::from(BLOCK) * 1_000_000_000 / u64::from(RATE))
}
