//! Some things at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Calls `work` for each job, on `workers` threads, and returns when all are done. Each job is worked on by one thread from
/// its beginning to its end, so that `work` may start programs (see [`crate::command::spawn_group`]).
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

/// How many processors there are.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Mutex};

    #[test]
    fn each_job_is_done_once_and_two_at_a_time() {
        let (both, done) = (Barrier::new(2), Mutex::new(Vec::new()));
        each(&[1, 2, 3, 4], 2, |job| {
            // Would wait for ever if they came one after the other.
            both.wait();
            done.lock().expect("no panic").push(*job);
        });
        let mut done = done.into_inner().expect("no panic");
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3, 4]);
        each(&[] as &[i32], 2, |_| panic!("there is no job"));
    }
}
