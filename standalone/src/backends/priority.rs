//! Real-time priority for audio threads that we make ourselves. JACK's threads have JACK's.

use super::Pulse;
use std::sync::atomic::Ordering;

/// Above the network threads (4), which the audio thread must not wait for, and no higher than JACK's own (10).
#[cfg(target_os = "linux")]
const PRIORITY: i32 = 10;

/// The calling thread asks for real-time priority; being refused is told by `pulse`.
#[cfg(target_os = "linux")]
pub(super) fn raise(pulse: &Pulse) {
    let param = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: `param` lives over the call, and the thread is the calling one.
    let refused = unsafe { libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const param) };
    pulse.priority_denied.store(refused != 0, Ordering::Relaxed);
}

/// Elsewhere the system's audio library sets its threads' priority.
#[cfg(not(target_os = "linux"))]
pub(super) fn raise(pulse: &Pulse) {
    pulse.priority_denied.store(false, Ordering::Relaxed);
}
