//! Stalls of real-time threads, and how a test run avoids them.
//!
//! On virtual machines with a full page cache, the kernel's memory accounting occupies a processor for 2 ms once a second.
//! Real-time threads wait meanwhile, and every JACK server has an xrun.

use crate::wait;
use rtjam_load::process;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

/// Above the JACK server's own threads.
const PRIORITY: i32 = 80;
const EVERY: Duration = Duration::from_millis(1);
/// A stall that causes an xrun at a period of 64 frames.
const STALL: Duration = Duration::from_millis(1);
/// Somewhat longer than the second between two stalls.
const LOOK: Duration = Duration::from_millis(1500);

/// Measures stalls once per process. If there are any, and this process may, it has the kernel drop the page cache, which
/// ends them.
pub fn avoid() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stalls = stalls();
        if stalls > 1 && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
            eprintln!("real-time threads stalled {stalls} times in {LOOK:?}: dropped the page cache");
        }
    });
}

/// Number of times that a real-time thread had to wait for a processor.
fn stalls() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let watches: Vec<_> = (0..processors).map(|n| thread::spawn(move || watch(n))).collect();
    watches.into_iter().filter_map(|watch| watch.join().ok()).sum()
}

fn watch(processor: usize) -> usize {
    process::stay_on(processor);
    if !process::be_real_time(PRIORITY) {
        return 0;
    }
    let begun = Instant::now();
    let (mut due, mut stalls) = (begun, 0);
    while begun.elapsed() < LOOK {
        due += EVERY;
        wait::for_period(due);
        if due.elapsed() > STALL {
            stalls += 1;
            due = Instant::now();
        }
    }
    stalls
}
