//! What the threads of a client have in common: the clock and the wake-up of `jam-send`.

use rtjam_protocol::Micros;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Instant;

/// A monotonic clock that starts at 0 when it is made. Copies show the same time, so a process makes one and copies it
/// to the audio thread and the network threads. The wall clock is used nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[allow(clippy::new_without_default, reason = "two default clocks would show different times")]
    pub fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Time since the clock was made. Any thread; real-time safe (no system call on the usual systems).
    pub fn now(&self) -> Micros {
        Micros(self.origin.elapsed().as_micros() as u64)
    }
}

/// Wakes `jam-send`. Made before the engine and the client, which both get a copy.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    sleeper: Arc<OnceLock<Thread>>,
}

impl Wake {
    /// A wake without a thread yet.
    pub fn new() -> Wake {
        Wake::default()
    }

    /// Wakes the thread, or does nothing where there is none. Any thread; real-time safe: at most one system call, no
    /// allocation and no lock.
    pub fn wake(&self) {
        if let Some(thread) = self.sleeper.get() {
            thread.unpark();
        }
    }

    /// The closure for [`rtjam_engine::engine`].
    pub fn closure(&self) -> impl Fn() + Send + 'static {
        // The shared cell owns the thread handle, so dropping this closure on the audio thread frees nothing.
        let wake = self.clone();
        move || wake.wake()
    }

    /// Makes the calling thread the one to wake, once and for all.
    pub(crate) fn register_current_thread(&self) {
        let _ = self.sleeper.set(std::thread::current());
    }
}
