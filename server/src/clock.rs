//! The server's one clock.

use rtjam_protocol::Micros;
use std::time::Instant;

/// A monotonic clock whose origin is the server's start; setting the machine's clock does not touch it. Its
/// microseconds, together with an epoch that is drawn at each start, are the rooms' time.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// The time. Any thread.
    pub fn now(&self) -> Micros {
        Micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
