//! Time and scheduling for the threads that carry audio.

pub mod priority;
pub mod yield_budget;

use rtjam_protocol::Micros;
use std::time::{Duration, Instant};

/// A monotonic clock whose origin is the server's start. Changes of the system's wall clock do not affect it. Its
/// microseconds, together with an epoch that is drawn at each start, are the rooms' time.
#[derive(Clone, Copy, Debug)]
pub struct ServerClock(Instant);

impl ServerClock {
    /// A clock that starts now.
    pub fn start() -> ServerClock {
        ServerClock(Instant::now())
    }

    /// The time since the start. Any thread.
    pub fn now(&self) -> Micros {
        Micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Suspends the calling thread.
pub(crate) fn sleep(time: Micros) {
    std::thread::sleep(Duration::from_micros(time.0));
}
