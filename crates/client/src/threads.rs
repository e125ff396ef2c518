//! What the threads of a client have in common: the clock, the wake-up of `jam-send`, and real-time priority.

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

/// Why a thread has no real-time priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPriority {
    /// The system does not permit it to this user.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    NotPermitted,
    /// It is not needed: the system's scheduler serves threads that mostly sleep well enough.
    #[cfg_attr(target_os = "linux", allow(dead_code))]
    NotNeeded,
}

/// Above all ordinary threads and below the audio threads: JACK clients run at 5 with Debian's settings, those of
/// PipeWire and DAWs higher.
#[cfg(target_os = "linux")]
const PRIORITY: libc::c_int = 4;

/// Gives the calling thread real-time priority. Threads that it starts do not inherit it.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn raise_priority() -> Result<(), NoPriority> {
    // SAFETY: `sched_param` holds integers only, so all zeros is a valid value.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = PRIORITY;
    // SAFETY: 0 means the calling thread; `param` outlives the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &param) };
    if result == 0 { Ok(()) } else { Err(NoPriority::NotPermitted) }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_priority() -> Result<(), NoPriority> {
    Err(NoPriority::NotNeeded)
}
