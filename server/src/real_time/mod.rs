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

/// Processor time that the calling thread has used.
#[cfg(unix)]
pub(crate) fn thread_cpu_time() -> Option<Micros> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (result == 0).then(|| Micros(time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000))
}

/// This call exists on Unix only.
#[cfg(not(unix))]
pub(crate) fn thread_cpu_time() -> Option<Micros> {
    None
}
