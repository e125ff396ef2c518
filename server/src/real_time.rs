//! Time and scheduling for the threads that carry audio: clock, real-time priority, and the processor time that a busy
//! real-time thread leaves to other threads.
//!
//! Linux stops a real-time thread that never sleeps for 50 ms each second, and until then the thread starves all others
//! on its processor. A thread with a [`YieldBudget`] instead sleeps briefly and often.

use rtjam_platform::priority::{self, RealTimeRole};
use rtjam_protocol::Micros;
use std::time::{Duration, Instant};

const WINDOW: Micros = Micros::from_millis(20);

/// The part of each [`WINDOW`] that belongs to other threads: 6 %, where Linux requires 5 %.
const YIELDED: Micros = Micros(1200);

/// A monotonic clock whose origin is the server's start. Changes of the system's wall clock do not affect it. Its
/// microseconds, together with an epoch that is drawn at each start, are the rooms' time.
#[derive(Clone, Copy, Debug)]
pub struct ServerClock(Instant);

impl ServerClock {
    /// A clock that starts now.
    pub fn start() -> ServerClock {
        ServerClock(Instant::now())
    }

    /// The time since the start. Any thread.
    pub fn now(&self) -> Micros {
        Micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Suspends the calling thread.
pub(crate) fn sleep(time: Micros) {
    std::thread::sleep(Duration::from_micros(time.0));
}

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

/// Accounts for the time that one thread has yielded.
pub(crate) struct YieldBudget {
    window_began: Micros,
    yielded: Micros,
}

impl YieldBudget {
    pub(crate) fn new(now: Micros) -> YieldBudget {
        YieldBudget { window_began: now, yielded: Micros::ZERO }
    }

    /// Records that the thread has slept or waited for this long.
    pub(crate) fn record_wait(&mut self, took: Micros) {
        self.yielded += took;
    }

    /// How long the thread must sleep now; `None` if it need not.
    pub(crate) fn poll_sleep(&mut self, now: Micros) -> Option<Micros> {
        if now.since(self.window_began) < WINDOW {
            return None;
        }
        let rest = YIELDED.since(std::mem::take(&mut self.yielded));
        self.window_began = now + rest;
        (rest > Micros::ZERO).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread that is always busy sleeps for about 6 % of the time.
    #[test]
    fn busy_thread_sleeps_six_percent() {
        let (mut now, mut slept) = (Micros::ZERO, 0);
        let mut budget = YieldBudget::new(now);
        while now < Micros::from_secs(1) {
            now += Micros(400);
            if let Some(sleep) = budget.poll_sleep(now) {
                now += sleep;
                slept += sleep.0;
            }
        }
        assert!((50_000..65_000).contains(&slept), "{slept}");
    }

    /// A thread that waits for packets anyway owes no sleep.
    #[test]
    fn waiting_thread_owes_no_sleep() {
        let mut budget = YieldBudget::new(Micros::ZERO);
        for ms in 1..=1000 {
            budget.record_wait(Micros(100));
            assert_eq!(budget.poll_sleep(Micros::from_millis(ms)), None);
        }
    }
}
