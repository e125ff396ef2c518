//! Whether the database works, for `/health` and for the log.

use crate::Failure;
use rtjam_protocol::Micros;

/// A write is tested when none has been tried for this long and somebody wants to know.
const TEST_EVERY: Micros = Micros::from_secs(2);

/// What the database is asked for. On a full disk one works and the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// To read.
    Reading,
    /// To write.
    Writing,
}

/// How the last readings and writings went.
#[derive(Debug, Default)]
pub struct StoreHealth {
    reading_fails: bool,
    writing_fails: bool,
    written: Option<Micros>,
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It does not work any more.
    Fails,
    /// It works again.
    Works,
}

impl StoreHealth {
    /// The database has been asked: whether that is news.
    pub fn note(&mut self, now: Micros, work: Work, fails: bool) -> Option<News> {
        let failed = match work {
            Work::Reading => &mut self.reading_fails,
            Work::Writing => {
                self.written = Some(now);
                &mut self.writing_fails
            }
        };
        let before = std::mem::replace(failed, fails);
        (before != fails).then_some(if fails { News::Fails } else { News::Works })
    }

    /// The same for a result, logged where it is news: what fails, and what that means `meanwhile`.
    pub fn log(&mut self, now: Micros, work: Work, failure: Option<&Failure>, meanwhile: &str) {
        match (self.note(now, work, failure.is_some()), failure) {
            (Some(News::Fails), Some(failure)) => tracing::error!("{failure} Meanwhile {meanwhile}."),
            (Some(News::Works), _) if work == Work::Reading => tracing::info!("the database can be read again"),
            (Some(News::Works), _) => tracing::info!("the database can be written again"),
            _ => {}
        }
    }

    /// Whether one of them failed the last time.
    pub fn fails(&self) -> bool {
        self.reading_fails || self.writing_fails
    }

    /// Whether a write should be tested before that is said.
    pub fn needs_test(&self, now: Micros) -> bool {
        self.written.is_none_or(|written| now.since(written) >= TEST_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_work_do_not_hide_writes_that_fail() {
        let mut health = StoreHealth::default();
        let now = Micros::from_secs(9);
        assert_eq!(health.note(now, Work::Writing, true), Some(News::Fails));
        for _ in 0..9 {
            // What a join does on a full disk.
            assert_eq!(health.note(now, Work::Reading, false), None);
            assert_eq!(health.note(now, Work::Writing, true), None);
        }
        assert!(health.fails());
        assert_eq!(health.note(now, Work::Writing, false), Some(News::Works));
        assert!(!health.fails());
        assert_eq!(health.note(now, Work::Reading, true), Some(News::Fails));
        assert!(health.fails());
    }

    #[test]
    fn a_write_is_tested_where_none_was_tried() {
        let mut health = StoreHealth::default();
        let now = Micros::from_secs(9);
        assert!(health.needs_test(now));
        health.note(now, Work::Writing, true);
        health.note(now + TEST_EVERY, Work::Reading, false);
        assert!(!health.needs_test(now + Micros::from_millis(1999)) && health.needs_test(now + TEST_EVERY));
    }
}
