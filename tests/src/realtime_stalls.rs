//! Stalls of real-time threads, how a test run avoids them, and takes that are repeated because of them.
//!
//! On virtual machines with a full page cache, the kernel's memory accounting occupies a processor for 2 ms once a second.
//! Real-time threads wait meanwhile, and every JACK server has an xrun.

use crate::wait;
use rtjam_load::process;
use std::fmt::Debug;
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
/// How often a take is tried.
const TAKES: u32 = 8;

/// Ends stalls once per process, if there are any.
pub fn avoid() {
    static ONCE: Once = Once::new();
    ONCE.call_once(end_stalls);
}

/// Repeats `take`, which gets its number, until one is as it should be: a shared machine may disturb any take, a fault of
/// the program disturbs all.
///
/// # Panics
/// If no take is as it should be; the message contains all reasons.
pub fn some_take<T, E: Debug>(mut take: impl FnMut(u32) -> Result<T, E>) -> T {
    avoid();
    let mut faults = Vec::new();
    for n in 0..TAKES {
        match take(n) {
            Ok(found) => return found,
            Err(fault) => {
                eprintln!("take {n}: {fault:?}");
                faults.push(fault);
                end_stalls();
            }
        }
    }
    panic!("none of {TAKES} takes is as it should be: {faults:#?}");
}

/// Measures stalls. If there are any, and this process may, it has the kernel drop the page cache, which ends them.
fn end_stalls() {
    let stalls = stalls();
    if stalls > 1 && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
        eprintln!("real-time threads stalled {stalls} times in {LOOK:?}: dropped the page cache");
    }
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
