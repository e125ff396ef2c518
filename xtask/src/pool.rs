//! A pool of worker threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Calls `work` for each job on `workers` threads, and returns when all are done. One thread runs a job from beginning to
/// end, so `work` may start programs (see [`crate::command::spawn_group`]).
pub(crate) fn each<T: Sync>(jobs: &[T], workers: usize, work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..workers.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(job);
                }
            });
        }
    });
}

/// Number of processors.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Mutex};

    /// Each job runs once, two of them in parallel.
    #[test]
    fn jobs_run_once_in_parallel() {
        let (both, done) = (Barrier::new(2), Mutex::new(Vec::new()));
        each(&[1, 2, 3, 4], 2, |job| {
            // Would wait forever if the jobs ran one after the other.
            both.wait();
            done.lock().expect("no panic").push(*job);
        });
        let mut done = done.into_inner().expect("no panic");
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3, 4]);
        each(&[] as &[i32], 2, |_| panic!("there is no job"));
    }
}
