//! Whether the database works, for `/health` and the log.

use super::database::StoreError;
use rtjam_protocol::Micros;

/// How long the result of a write counts; after that, `/health` tests another one.
const TEST_INTERVAL: Micros = Micros::from_secs(2);

/// How the database is accessed. On a full disk, reading works and writing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAccess {
    /// A read.
    Read,
    /// A write.
    Write,
}

/// The results of the last read and the last write.
#[derive(Debug, Default)]
pub struct StoreHealth {
    read_failed: bool,
    write_failed: bool,
    last_write: Option<Micros>,
}

impl StoreHealth {
    /// Records the result of an access. Returns whether the health has changed.
    pub fn record(&mut self, now: Micros, access: StoreAccess, failed: bool) -> bool {
        let last = match access {
            StoreAccess::Read => &mut self.read_failed,
            StoreAccess::Write => {
                self.last_write = Some(now);
                &mut self.write_failed
            }
        };
        std::mem::replace(last, failed) != failed
    }

    /// Records the result of an access and logs a change. `consequence` says what does not work as long as it fails.
    pub fn log(&mut self, now: Micros, access: StoreAccess, error: Option<&StoreError>, consequence: &str) {
        if !self.record(now, access, error.is_some()) {
            return;
        }
        match (error, access) {
            (Some(error), _) => tracing::error!("{error} Meanwhile, {consequence}."),
            (None, StoreAccess::Read) => tracing::info!("the database can be read again"),
            (None, StoreAccess::Write) => tracing::info!("the database can be written again"),
        }
    }

    /// Whether the last read or the last write failed.
    pub fn fails(&self) -> bool {
        self.read_failed || self.write_failed
    }

    /// Whether the last write is too old to tell the health.
    pub fn needs_test(&self, now: Micros) -> bool {
        self.last_write.is_none_or(|written| now.since(written) >= TEST_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_reads_hide_no_failing_writes() {
        let mut health = StoreHealth::default();
        let now = Micros::from_secs(9);
        assert!(health.record(now, StoreAccess::Write, true));
        for _ in 0..9 {
            // A join on a full disk reads and writes like this.
            assert!(!health.record(now, StoreAccess::Read, false));
            assert!(!health.record(now, StoreAccess::Write, true));
        }
        assert!(health.fails());
        assert!(health.record(now, StoreAccess::Write, false));
        assert!(!health.fails());
        assert!(health.record(now, StoreAccess::Read, true));
        assert!(health.fails());
    }

    #[test]
    fn old_writes_need_a_test() {
        let mut health = StoreHealth::default();
        let now = Micros::from_secs(9);
        assert!(health.needs_test(now));
        health.record(now, StoreAccess::Write, true);
        health.record(now + TEST_INTERVAL, StoreAccess::Read, false);
        assert!(!health.needs_test(now + Micros::from_millis(1999)) && health.needs_test(now + TEST_INTERVAL));
    }
}
