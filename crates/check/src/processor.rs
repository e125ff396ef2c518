//! Whether a thread gets the processor in time, and at full speed.

use std::thread;
use std::time::{Duration, Instant};

/// Whether this frequency governor raises the frequency only after the load has risen. (`schedutil` runs real-time threads
/// at full speed.)
pub fn speeds_up_slowly(governor: &str) -> bool {
    matches!(governor, "powersave" | "ondemand" | "conservative")
}

/// What to do about a governor that speeds up slowly.
pub const GOVERNOR_ADVICE: &str = "The processor speeds up slowly. Run: sudo cpupower frequency-set -g performance";

/// Sleeps `count` times for `nap` on the calling thread, with the priority that it has. Returns how late the system woke
/// it, sorted.
pub fn lateness(nap: Duration, count: usize) -> Vec<Duration> {
    let mut late: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            thread::sleep(nap);
            start.elapsed().saturating_sub(nap)
        })
        .collect();
    late.sort_unstable();
    late
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_sorted_and_complete() {
        let late = lateness(Duration::from_millis(1), 20);
        assert!(late.len() == 20 && late.is_sorted() && late[19] > Duration::ZERO, "{late:?}");
    }

    #[test]
    fn only_lazy_governors_are_slow() {
        let slow: Vec<_> = ["performance", "schedutil", "ondemand", "powersave"].map(speeds_up_slowly).to_vec();
        assert_eq!(slow, [false, false, true, true]);
    }
}
