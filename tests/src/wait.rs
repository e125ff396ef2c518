//! Conditions with deadlines, and the output of programs that tests wait for.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Interval at which a condition is checked.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Checks `condition` until it returns a value.
///
/// # Panics
/// If it has returned none within `limit`; the message contains `what`.
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    match within(limit, &mut condition) {
        Some(found) => found,
        None => panic!("not within {limit:?}: {what}"),
    }
}

/// Checks `condition` until it returns a value or `limit` has passed.
pub fn within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// Waits until `due`. It is the clock of a device, which calls at times and not on conditions: no test waits with it for
/// something that others do.
pub fn for_period(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// Lines of output, collected while the program runs.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest line for which `pick` returns a value.
    pub fn newest<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().find_map(|line| pick(line))
    }

    /// Number of lines so far.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Collects the lines of `from` on a thread of its own.
    pub(crate) fn collect(&self, from: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
}
