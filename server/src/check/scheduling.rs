//! Checks whether a media thread gets the processor when it needs it.

use super::Finding;
use crate::platform::real_time_priority;
use rtjam_platform::priority::{self, RealTimeRole};
use std::thread;
use std::time::Duration;

/// Checks whether media threads can have real-time priority.
pub(super) fn priority() -> Finding {
    const PART: &str = "real-time priority";
    // On a thread of its own, because the thread keeps the priority.
    match thread::spawn(|| priority::raise(RealTimeRole::ServerMedia)).join() {
        Ok(Ok(())) => Finding::good(PART, format!("{} is granted", real_time_priority())),
        Ok(Err(e)) => Finding::warn(
            PART,
            format!("is refused ({e})"),
            format!(
                "Other programs on this machine can delay audio. Allow the priority: set LimitRTPRIO={} in the systemd unit, \
                 as the package does, or run sudo setcap cap_sys_nice+ep on this program.",
                RealTimeRole::ServerMedia.linux_priority()
            ),
        ),
        Err(_) => Finding::warn(PART, "could not be requested", "Run the check again."),
    }
}

const WAKE_UPS: &str = "wake-ups";

/// Measures how late this machine wakes a media thread.
pub(super) fn wake_ups() -> Finding {
    match thread::spawn(measure_lateness).join() {
        Ok(late) => judge_wake_ups(late),
        Err(_) => Finding::warn(WAKE_UPS, "could not be measured", "Run the check again."),
    }
}

/// The lateness of several hundred wake-ups, sorted.
fn measure_lateness() -> Vec<Duration> {
    // If the priority is refused, the measurement shows the consequence.
    let _ = priority::raise(RealTimeRole::ServerMedia);
    rtjam_check::lateness(Duration::from_millis(1), 400)
}

fn judge_wake_ups(sorted: Vec<Duration>) -> Finding {
    let [.., worst] = sorted[..] else {
        return Finding::warn(WAKE_UPS, "could not be measured", "Run the check again.");
    };
    let median = sorted[sorted.len() / 2];
    let p99 = sorted[sorted.len() * 99 / 100];
    let us = |d: Duration| d.as_micros();
    let seen = format!("late by {} µs (median), {} µs (99 %), {} µs (worst)", us(median), us(p99), us(worst));
    if p99 <= Duration::from_millis(1) {
        return Finding::good(WAKE_UPS, seen);
    }
    Finding::warn(
        WAKE_UPS,
        seen,
        "Musicians hear this as delay. Give the server real-time priority, stop other busy programs, or use a VM with \
         dedicated processors.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_check::Verdict;

    #[test]
    fn wake_ups_are_judged_by_percentile() {
        let us = |values: &[u64]| values.iter().map(|us| Duration::from_micros(*us)).collect::<Vec<_>>();
        let mut good = us(&[60; 400]);
        good[399] = Duration::from_millis(9);
        let finding = judge_wake_ups(good);
        assert_eq!(finding.verdict, Verdict::Good);
        assert!(finding.seen.contains("9000 µs (worst)"), "{}", finding.seen);
        assert_eq!(judge_wake_ups(us(&[1500; 400])).verdict, Verdict::Warn);
        assert_eq!(judge_wake_ups(Vec::new()).verdict, Verdict::Warn);
        assert_eq!(measure_lateness().len(), 400);
    }
}
