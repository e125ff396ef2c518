//! A machine that lets real-time threads run when they should.
//!
//! Seen on virtual machines with a full page cache: once a second the kernel's own accounting of memory keeps a processor
//! for 2 ms, from real-time threads too, and every JACK server has an xrun then.

use rtjam_load::process;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

/// Above the JACK server's own threads.
const PRIORITY: i32 = 80;
const EVERY: Duration = Duration::from_millis(1);
/// A stall that a period of 64 frames does not bear.
const STALL: Duration = Duration::from_millis(1);
/// Somewhat longer than what happens once a second.
const LOOK: Duration = Duration::from_millis(1500);

/// Once a process: where real-time threads are kept waiting, and this one may, it has the kernel give back what it keeps of
/// files, which ends that.
pub(crate) fn ensure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stalls = stalls();
        if stalls > 1 && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
            eprintln!("real-time threads were kept waiting {stalls} times in {LOOK:?}: page cache given back");
        }
    });
}

/// How often a processor was kept from a real-time thread.
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
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if due.elapsed() > STALL {
            stalls += 1;
            due = Instant::now();
        }
    }
    stalls
}
