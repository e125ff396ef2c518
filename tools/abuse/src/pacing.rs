//! Repeats an action at a constant rate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pause between bursts.
const TICK: Duration = Duration::from_micros(500);

/// The most actions of a burst; after a stall the rest is skipped.
const LARGEST_BURST: u64 = 2000;

/// Tells an attack to end.
#[derive(Debug, Default)]
pub struct StopSignal(AtomicBool);

impl StopSignal {
    /// Asks the attack to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the attack should end.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Calls `action` `per_second` times a second until `stop`, with the number of earlier calls. Returns the rate that was
/// reached.
pub fn repeat(per_second: u32, stop: &StopSignal, mut action: impl FnMut(u64)) -> f64 {
    let (began, mut done, mut skipped) = (Instant::now(), 0_u64, 0_u64);
    while !stop.is_requested() {
        let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
        let wanted = due.saturating_sub(done + skipped);
        let now = wanted.min(LARGEST_BURST);
        skipped += wanted - now;
        for _ in 0..now {
            action(done);
            done += 1;
        }
        std::thread::park_timeout(TICK);
    }
    done as f64 / began.elapsed().as_secs_f64()
}
