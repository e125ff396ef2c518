//! The process's clock.

use rtjam_protocol::Micros;
use std::time::Instant;

/// A monotonic clock that begins when it is made. Copies agree with each other, so one is made per process and copied
/// to whoever needs the time: audio thread, network threads. The wall clock appears nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins now.
    #[allow(clippy::new_without_default, reason = "two default clocks would not agree")]
    pub fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Time since the clock began. Any thread; real-time safe (no system call on the usual systems).
    pub fn now(&self) -> Micros {
        Micros(self.origin.elapsed().as_micros() as u64)
    }
}
