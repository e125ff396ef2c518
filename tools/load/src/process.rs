//! What the system knows of a running program (Linux: `/proc`), and what it may do for this one.

use std::fs;
use std::time::Duration;

/// Memory and what else can leak.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Resident memory now, KiB.
    pub rss_kib: u64,
    /// What of it is the process' own, neither a file's nor shared, KiB.
    pub own_kib: u64,
    /// Its peak, KiB.
    pub peak_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// Reads the figures of a process.
///
/// # Panics
/// When it does not run, or on a system without `/proc`.
pub fn figures(pid: u32) -> Figures {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs, on Linux");
    let number = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    Figures {
        rss_kib: number("VmRSS:"),
        own_kib: number("RssAnon:"),
        peak_kib: number("VmHWM:"),
        threads: number("Threads:"),
        descriptors,
    }
}

/// What this process has allocated and not freed, KiB: unlike its resident memory it does not depend on what the heap
/// keeps for later.
pub fn heap_kib() -> usize {
    // SAFETY: this call only reads the C library's own figures.
    let heap = unsafe { libc::mallinfo2() };
    (heap.uordblks + heap.hblkhd) / 1024
}

/// Has the C library's heap give back to the system what is free in it.
pub fn trim_heap() {
    // SAFETY: this call only gives back memory that nobody has.
    unsafe { libc::malloc_trim(0) };
}

/// Gives the calling thread real-time priority, as a sound card's callback has it, or a network, which does not wait
/// for this machine's processor. `false` without the right to.
pub fn be_real_time(priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameters` lives during the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
}

/// Keeps the calling thread on one processor; without the right to, or without that processor, it goes where it likes.
pub fn stay_on(processor: usize) {
    // SAFETY: a set of bits; zeros are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if processor >= libc::CPU_SETSIZE as usize {
        return;
    }
    // SAFETY: the number is within the set.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: `set` lives during the call and has the size that is named.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Sleeps of the calling thread end when they should, not up to 50 µs later.
pub fn precise_sleep() {
    // SAFETY: this call takes a number and has no memory effects.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// Processor time that a process has used so far, all threads that still run together; `None` when it does not run.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let mut ns = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread may end while we look.
        let text = thread.ok().and_then(|t| fs::read_to_string(t.path().join("schedstat")).ok()).unwrap_or_default();
        ns += text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Some(Duration::from_nanos(ns))
}
