//! So many of something a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Things are done in bursts no farther apart than this.
const TICK: Duration = Duration::from_micros(500);

/// After a pause of the machine no more than this is made up for.
const MOST_AT_ONCE: u64 = 2000;

/// Tells an attack to end.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Ends it.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been told.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Calls `once` `per_second` times a second until `stop`; it is told how often it has been called before. Returns the rate
/// that was reached, a second.
pub fn run(per_second: u32, stop: &Stop, mut once: impl FnMut(u64)) -> f64 {
    let (began, mut done, mut skipped) = (Instant::now(), 0_u64, 0_u64);
    while !stop.asked() {
        let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
        let wanted = due.saturating_sub(done + skipped);
        let now = wanted.min(MOST_AT_ONCE);
        skipped += wanted - now;
        for _ in 0..now {
            once(done);
            done += 1;
        }
        std::thread::park_timeout(TICK);
    }
    done as f64 / began.elapsed().as_secs_f64()
}
