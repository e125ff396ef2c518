//! What a media thread has done, in numbers that any thread may read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more. Only the thread that owns the counters counts, so nothing contends.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A media thread's counters, in datagrams.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Opened.
    pub(super) received: Counter,
    /// Sealed and handed to the system for another musician.
    pub(super) forwarded: Counter,
    /// Sent for the server itself: answers, challenges, keep-alives.
    pub(super) answered: Counter,
    /// Dropped: no header of ours, too long, or another key.
    pub(super) not_ours: Counter,
    /// Dropped: of no session here.
    pub(super) unknown_session: Counter,
    /// Dropped: seen before, or too old to tell.
    pub(super) replayed: Counter,
    /// Dropped: not genuine.
    pub(super) did_not_open: Counter,
    /// Dropped: the system did not take it.
    pub(super) not_sent: Counter,
}

/// The counters of all media threads.
#[derive(Clone, Debug)]
pub struct Totals(Vec<Arc<Counters>>);

impl Totals {
    pub(super) fn new(threads: Vec<Arc<Counters>>) -> Totals {
        Totals(threads)
    }

    fn sum(&self, counter: impl Fn(&Counters) -> &Counter) -> u64 {
        self.0.iter().map(|c| counter(c).get()).sum()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "datagrams: received {}, forwarded {}, answered {}; dropped: not ours {}, unknown session {}, replayed {}, \
             did not open {}, not sent {}",
            self.sum(|c| &c.received),
            self.sum(|c| &c.forwarded),
            self.sum(|c| &c.answered),
            self.sum(|c| &c.not_ours),
            self.sum(|c| &c.unknown_session),
            self.sum(|c| &c.replayed),
            self.sum(|c| &c.did_not_open),
            self.sum(|c| &c.not_sent),
        )
    }
}
