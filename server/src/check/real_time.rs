//! Whether a media thread gets the processor when it needs it.

use super::Finding;
use crate::real_time::priority::{REAL_TIME_PRIORITY, set_real_time_priority};
use std::thread;
use std::time::{Duration, Instant};

/// Whether media threads may have real-time priority.
pub(super) fn priority() -> Finding {
    const PART: &str = "real-time priority";
    // On a thread of its own, for it would keep what it gets.
    match thread::spawn(set_real_time_priority).join() {
        Ok(Ok(())) => Finding::good(PART, format!("SCHED_RR {REAL_TIME_PRIORITY} is granted")),
        Ok(Err(e)) => Finding::warn(
            PART,
            format!("is refused ({e})"),
            format!(
                "Other programs on this machine can delay audio. Allow it: LimitRTPRIO={REAL_TIME_PRIORITY} in the \
                 systemd unit (the package's has it), or sudo setcap cap_sys_nice+ep on this program."
            ),
        ),
        Err(_) => Finding::warn(PART, "could not be asked for", "Run the check again."),
    }
}

const WAKE_UPS: &str = "wake-ups";

/// How late this machine wakes a thread, as a media thread would be woken.
pub(super) fn wake_ups() -> Finding {
    match thread::spawn(measure).join() {
        Ok(late) => judge_wake_ups(late),
        Err(_) => Finding::warn(WAKE_UPS, "could not be measured", "Run the check again."),
    }
}

/// The lateness of some hundred wake-ups, sorted.
fn measure() -> Vec<Duration> {
    // Where it is refused, the measurement shows what that means.
    let _ = set_real_time_priority();
    let nap = Duration::from_millis(1);
    let mut late: Vec<Duration> = (0..400)
        .map(|_| {
            let start = Instant::now();
            thread::sleep(nap);
            start.elapsed().saturating_sub(nap)
        })
        .collect();
    late.sort_unstable();
    late
}

fn judge_wake_ups(sorted: Vec<Duration>) -> Finding {
    let [.., worst] = sorted[..] else { return Finding::warn(WAKE_UPS, "none", "Run the check again.") };
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
        "Musicians hear that as delay. Give the server real-time priority, end what else is busy here, or take a VM \
         with processors of its own.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn late_wake_ups_are_judged_by_the_hundredth_not_by_the_worst() {
        let us = |values: &[u64]| values.iter().map(|us| Duration::from_micros(*us)).collect::<Vec<_>>();
        let mut good = us(&[60; 400]);
        good[399] = Duration::from_millis(9);
        let finding = judge_wake_ups(good);
        assert_eq!(finding.verdict, Verdict::Good);
        assert!(finding.seen.contains("9000 µs (worst)"), "{}", finding.seen);
        assert_eq!(judge_wake_ups(us(&[1500; 400])).verdict, Verdict::Warn);
        assert_eq!(judge_wake_ups(Vec::new()).verdict, Verdict::Warn);
        assert_eq!(measure().len(), 400);
    }
}
