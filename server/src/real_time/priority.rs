//! Real-time priority for the threads that carry audio.

use rtjam_platform::priority::{self, RealTimeRole};

/// Requests real-time priority and precise sleeps for the calling thread. If the system refuses the priority and
/// `log_refusal` is set, the log says how to permit it.
pub(crate) fn request_real_time(log_refusal: bool) {
    if let (Err(error), true) = (priority::raise(RealTimeRole::ServerMedia), log_refusal) {
        tracing::info!(
            "the media thread has no real-time priority ({error}), so other programs on this machine can delay audio. \
             To permit it, set LimitRTPRIO={} in the systemd unit, or run `setcap cap_sys_nice+ep` on this program.",
            RealTimeRole::ServerMedia.linux_priority()
        );
    }
}
