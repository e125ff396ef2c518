//! Real-time priority for the calling thread.

/// Above ordinary threads and below the interrupt threads of Linux, which have 50.
pub const REAL_TIME_PRIORITY: i32 = 20;

/// Requests real-time priority and precise sleeps for the calling thread. If the system refuses the priority and
/// `log_refusal` is set, the log says how to permit it.
pub(crate) fn request_real_time(log_refusal: bool) {
    if let (Err(error), true) = (set_real_time_priority(), log_refusal) {
        tracing::info!(
            "the media thread has no real-time priority ({error}), so other programs on this machine can delay audio. \
             To permit it, set LimitRTPRIO={REAL_TIME_PRIORITY} in the systemd unit, or run `setcap cap_sys_nice+ep` on \
             this program."
        );
    }
    minimize_timer_slack();
}

/// Gives the calling thread real-time priority (SCHED_RR).
///
/// # Errors
/// When the system refuses.
#[cfg(target_os = "linux")]
pub fn set_real_time_priority() -> std::io::Result<()> {
    let wanted = libc::sched_param { sched_priority: REAL_TIME_PRIORITY };
    // Threads that this one starts do not inherit it.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the call reads `wanted`, which lives through it; 0 names the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const wanted) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Does nothing: other systems keep their own scheduling.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn set_real_time_priority() -> std::io::Result<()> {
    Ok(())
}

/// Makes sleeps end on time. Without real-time priority, Linux extends them by up to 50 µs.
#[cfg(target_os = "linux")]
fn minimize_timer_slack() {
    // SAFETY: this call takes numbers and has no memory effects.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

#[cfg(not(target_os = "linux"))]
fn minimize_timer_slack() {}
