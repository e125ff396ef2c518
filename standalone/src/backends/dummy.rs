//! The dummy clock: a timer that runs periods of 128 frames at 48 kHz. Its input is silence, and its output is discarded.

use super::backend::{AudioHealth, Backend, raise_priority};
use crate::handover::AudioThreadEnd;
use rtjam_engine::{Outputs, SLOTS};
use rtjam_ui::audio::DevicesInUse;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const RATE: u32 = 48_000;
const PERIOD: u32 = 128;

/// The most late periods that run without a pause; later ones are skipped.
const CATCH_UP: u64 = 16;

/// The timer. Runs until it is dropped.
pub(super) struct Dummy {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dummy {
    pub(super) fn open(audio: AudioThreadEnd, health: Arc<AudioHealth>) -> io::Result<Dummy> {
        health.set_period(PERIOD);
        let end = Arc::new(AtomicBool::new(false));
        let thread = {
            let end = Arc::clone(&end);
            thread::Builder::new().name("dummy-audio".to_owned()).spawn(move || run(audio, &health, &end))
        };
        Ok(Dummy { end, thread: Some(thread?) })
    }
}

impl Backend for Dummy {
    fn describe(&self) -> String {
        format!("dummy clock without audio input or output ({RATE} Hz, {PERIOD} frames)")
    }

    fn rate(&self) -> u32 {
        RATE
    }

    fn devices(&self) -> DevicesInUse {
        DevicesInUse { output: "dummy".to_owned(), ..DevicesInUse::default() }
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

/// The audio thread. Deadlines count frames from one origin, so the rate is exact.
fn run(mut audio: AudioThreadEnd, health: &AudioHealth, end: &AtomicBool) {
    raise_priority(health);
    let silent = [0.0; PERIOD as usize];
    let mut main = [[0.0; PERIOD as usize]; 2];
    let mut origin = Instant::now();
    let mut periods = 0_u64;
    let mut behind = false;
    while !end.load(Ordering::Relaxed) {
        let [left, right] = &mut main;
        audio.process([&silent; 2], &mut Outputs { main: [left, right], slots: [const { None }; SLOTS] });
        periods += 1;
        let due = origin + duration_of(periods);
        let late = Instant::now().saturating_duration_since(due);
        if late > duration_of(1) && !behind {
            health.add_xrun();
        }
        behind = late > duration_of(1);
        if late.is_zero() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
        } else if late > duration_of(CATCH_UP) {
            (origin, periods) = (Instant::now(), 0);
        }
    }
}

fn duration_of(periods: u64) -> Duration {
    Duration::from_nanos(periods * u64::from(PERIOD) * 1_000_000_000 / u64::from(RATE))
}
