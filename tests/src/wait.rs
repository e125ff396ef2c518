//! Conditions with deadlines.

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
