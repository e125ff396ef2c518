//! Real-time priority for the calling thread.

/// Above ordinary threads, below what a machine keeps for its own drivers (interrupt threads have 50).
pub const REAL_TIME_PRIORITY: i32 = 20;

/// Asks for it; where the system refuses, says in the log what to do, if it is to `say` so.
pub(crate) fn ask_for_real_time(say: bool) {
    if let (Err(error), true) = (may_have_real_time(), say) {
        tracing::info!(
            "the media thread has no real-time priority ({error}), so other programs on this machine can delay audio. \
             To allow it: LimitRTPRIO={REAL_TIME_PRIORITY} in the systemd unit, or `setcap cap_sys_nice+ep` on this \
             program."
        );
    }
}

/// Gives it to the calling thread.
///
/// # Errors
/// When the system refuses.
#[cfg(target_os = "linux")]
pub fn may_have_real_time() -> std::io::Result<()> {
    let wanted = libc::sched_param { sched_priority: REAL_TIME_PRIORITY };
    // Threads that this one might start shall not inherit it.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `wanted` lives through the call, which reads it; 0 names the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const wanted) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Other systems schedule it as they see fit.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn may_have_real_time() -> std::io::Result<()> {
    Ok(())
}

/// Has sleeps of the calling thread end when they should: without real-time priority, Linux lets them last up to
/// 50 µs longer.
#[cfg(target_os = "linux")]
pub(crate) fn sleep_precisely() {
    // SAFETY: this call takes numbers and has no memory effects.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// Other systems sleep as they do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sleep_precisely() {}
