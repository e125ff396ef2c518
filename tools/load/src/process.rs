//! The resources of a process (from `/proc`), and the scheduling of this one.

use std::fs;
use std::time::Duration;

/// Memory and other resources that can leak.
#[derive(Clone, Copy, Debug)]
pub struct ProcessUsage {
    /// Resident memory, in KiB.
    pub rss_kib: u64,
    /// The part of it that is neither shared nor mapped from a file, in KiB.
    pub own_kib: u64,
    /// The peak of the resident memory, in KiB.
    pub peak_kib: u64,
    /// The number of threads.
    pub threads: u64,
    /// The number of open file descriptors.
    pub descriptors: usize,
}

/// Reads the resource usage of a process.
///
/// # Panics
/// When the process does not run, or the system has no `/proc`.
pub fn usage(pid: u32) -> ProcessUsage {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs, on Linux");
    let number = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    ProcessUsage {
        rss_kib: number("VmRSS:"),
        own_kib: number("RssAnon:"),
        peak_kib: number("VmHWM:"),
        threads: number("Threads:"),
        descriptors,
    }
}

/// The memory that this process has allocated and not freed, in KiB. Unlike resident memory, it excludes what the heap keeps
/// for later.
pub fn heap_kib() -> usize {
    // SAFETY: the call only reads statistics of the C library.
    let heap = unsafe { libc::mallinfo2() };
    (heap.uordblks + heap.hblkhd) / 1024
}

/// Returns the free memory of the C library's heap to the system.
pub fn trim_heap() {
    // SAFETY: the call only returns memory that is not in use.
    unsafe { libc::malloc_trim(0) };
}

/// Gives the calling thread real-time priority. Returns `false` without the permission.
pub fn be_real_time(priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameters` outlives the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
}

/// Pins the calling thread to a processor. Does nothing without the permission or the processor.
pub fn stay_on(processor: usize) {
    // SAFETY: `cpu_set_t` is a set of bits, for which zero is a valid value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if processor >= libc::CPU_SETSIZE as usize {
        return;
    }
    // SAFETY: the number is within the set.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: `set` outlives the call and has the stated size.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Makes sleeps of the calling thread end on time instead of up to 50 µs late.
pub fn precise_sleep() {
    // SAFETY: the call takes a number and has no memory effects.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// The processor time of all running threads of a process; `None` if it does not run.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let mut ns = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread may end in between.
        let text = thread.ok().and_then(|t| fs::read_to_string(t.path().join("schedstat")).ok()).unwrap_or_default();
        ns += text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Some(Duration::from_nanos(ns))
}
