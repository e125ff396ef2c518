//! Real-time priority for the calling thread.

/// Why a thread has no real-time priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPriority {
    /// The system would, but the user may not.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    NotPermitted,
    /// Not asked for on this system, whose scheduler serves threads that sleep much well enough.
    #[cfg_attr(target_os = "linux", allow(dead_code))]
    NotHere,
}

/// Above every ordinary thread, and below the audio threads: JACK's clients run at 5 with Debian's settings, PipeWire's
/// and DAWs' higher.
#[cfg(target_os = "linux")]
const PRIORITY: libc::c_int = 4;

/// Gives the calling thread real-time priority. Threads that it starts do not inherit it.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn raise() -> Result<(), NoPriority> {
    // SAFETY: plain data; all zeros is a value of it.
    let mut wish: libc::sched_param = unsafe { std::mem::zeroed() };
    wish.sched_priority = PRIORITY;
    // SAFETY: 0 is the calling thread; `wish` lives through the call.
    let taken = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &wish) };
    if taken == 0 { Ok(()) } else { Err(NoPriority::NotPermitted) }
}

/// Nothing is asked for on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn raise() -> Result<(), NoPriority> {
    Err(NoPriority::NotHere)
}
