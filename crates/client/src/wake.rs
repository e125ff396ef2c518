//! What wakes `jam-send`.

use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// Wakes `jam-send`, once there is one. Made before engine and client, which both get a copy.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    sleeper: Arc<OnceLock<Thread>>,
}

impl Wake {
    /// Wakes nobody yet.
    pub fn new() -> Wake {
        Wake::default()
    }

    /// Any thread; real-time safe: one system call at most, and no allocation or lock. Without a thread to wake it does
    /// nothing.
    pub fn wake(&self) {
        if let Some(thread) = self.sleeper.get() {
            thread.unpark();
        }
    }

    /// The closure for [`rtjam_engine::engine`].
    pub fn closure(&self) -> impl Fn() + Send + 'static {
        // The handle lies in the shared cell, so dropping this closure drops no thread handle while a client lives.
        let wake = self.clone();
        move || wake.wake()
    }

    /// The calling thread is the one to wake from now on, for ever.
    pub(crate) fn sleeps_here(&self) {
        let _ = self.sleeper.set(std::thread::current());
    }
}
