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

/// A change of the database's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthChange {
    /// It has begun to fail.
    Failed,
    /// It works again.
    Recovered,
}

impl StoreHealth {
    /// Records the result of an access. Returns whether the health has changed.
    pub fn record(&mut self, now: Micros, access: StoreAccess, failed: bool) -> Option<HealthChange> {
        let last = match access {
            StoreAccess::Read => &mut self.read_failed,
            StoreAccess::Write => {
                self.last_write = Some(now);
                &mut self.write_failed
            }
        };
        let before = std::mem::replace(last, failed);
        (before != failed).then_some(if failed { HealthChange::Failed } else { HealthChange::Recovered })
    }

    /// Records the result of an access and logs a change. `consequence` says what does not work as long as it fails.
    pub fn log(&mut self, now: Micros, access: StoreAccess, error: Option<&StoreError>, consequence: &str) {
        match (self.record(now, access, error.is_some()), error) {
            (Some(HealthChange::Failed), Some(error)) => tracing::error!("{error} Meanwhile, {consequence}."),
            (Some(HealthChange::Recovered), _) if access == StoreAccess::Read => {
                tracing::info!("the database can be read again");
            }
            (Some(HealthChange::Recovered), _) => tracing::info!("the database can be written again"),
            _ => {}
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
        assert_eq!(health.record(now, StoreAccess::Write, true), Some(HealthChange::Failed));
        for _ in 0..9 {
            // A join on a full disk reads and writes like this.
            assert_eq!(health.record(now, StoreAccess::Read, false), None);
            assert_eq!(health.record(now, StoreAccess::Write, true), None);
        }
        assert!(health.fails());
        assert_eq!(health.record(now, StoreAccess::Write, false), Some(HealthChange::Recovered));
        assert!(!health.fails());
        assert_eq!(health.record(now, StoreAccess::Read, true), Some(HealthChange::Failed));
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
