//! What has become of classic packets, in numbers that any thread may read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by the classic thread.
#[derive(Debug, Default)]
pub struct ClassicFigures {
    /// Musicians who have a seat now.
    pub(super) musicians: Number,
    /// Packets of those who have a seat.
    pub(super) received: Number,
    /// Packets sent: forwarded, or headers that go back.
    pub(super) sent: Number,
    /// Packets of sources that have not proven that they play, for which there is no room, or that are none.
    pub(super) ignored: Number,
    /// Packets that the system did not take.
    pub(super) not_sent: Number,
}

/// One number that one thread writes.
#[derive(Debug, Default)]
pub(super) struct Number(AtomicU64);

impl Number {
    pub(super) fn add(&self) {
        self.set(self.get().wrapping_add(1));
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// As they stood at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassicTotals {
    /// Musicians who have a seat now.
    pub musicians: u64,
    /// Packets of those who have a seat.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that were forgotten.
    pub ignored: u64,
    /// Packets that the system did not take.
    pub not_sent: u64,
}

impl ClassicFigures {
    /// As they stand. Any thread.
    pub fn totals(&self) -> ClassicTotals {
        ClassicTotals {
            musicians: self.musicians.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            ignored: self.ignored.get(),
            not_sent: self.not_sent.get(),
        }
    }
}
