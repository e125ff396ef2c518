//! Priorities of threads.

use crate::system;
use std::io;

/// What a thread with real-time priority does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealTimeRole {
    /// Calls the engine: an audio thread that RTJam has created.
    Audio,
    /// Sends or receives the packets of a client. Below the audio threads: JACK clients run at 5 with Debian's settings,
    /// those of PipeWire and DAWs higher.
    ClientNetwork,
    /// Forwards or mixes on a server.
    ServerMedia,
}

impl RealTimeRole {
    /// The priority on Linux: above ordinary threads, and below the interrupt threads, which have 50. On other systems all
    /// roles have the priority that the system gives to audio.
    pub const fn linux_priority(self) -> i32 {
        match self {
            RealTimeRole::Audio => 10,
            RealTimeRole::ClientNetwork => 4,
            RealTimeRole::ServerMedia => 20,
        }
    }
}

/// Gives the calling thread real-time priority, and sleeps and timeouts that end on time: SCHED_RR or SCHED_FIFO on Linux,
/// the time-constraint policy on macOS, MMCSS ("Pro Audio") and timers of 1 ms on Windows. Threads that it starts do not
/// inherit the priority.
///
/// # Errors
/// The system refuses the priority. Sleeps are precise nevertheless.
pub fn raise(role: RealTimeRole) -> io::Result<()> {
    system::make_sleeps_precise();
    system::raise_priority(role)
}

/// Gives the calling thread a lower priority than ordinary threads of this process, where the system can.
pub fn lower() {
    system::lower_priority();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::{Duration, Instant};

    /// Whether or not the system grants the priority, most sleeps of 1 ms end within 3 ms.
    #[test]
    fn raised_threads_sleep_precisely() {
        let nap = Duration::from_millis(1);
        let naps = |role| {
            move || {
                let _ = raise(role);
                let mut took: Vec<Duration> = (0..50)
                    .map(|_| {
                        let begun = Instant::now();
                        thread::park_timeout(nap);
                        begun.elapsed()
                    })
                    .collect();
                took.sort_unstable();
                took[took.len() / 2]
            }
        };
        for role in [RealTimeRole::Audio, RealTimeRole::ClientNetwork, RealTimeRole::ServerMedia] {
            let median = thread::spawn(naps(role)).join().expect("no panic");
            assert!((nap / 2..3 * nap).contains(&median), "{role:?}: {median:?}");
        }
    }

    /// A thread can lower its own priority at any time.
    #[test]
    fn lowered_threads_go_on() {
        assert_eq!(thread::spawn(|| (lower(), 7).1).join().expect("no panic"), 7);
    }
}
