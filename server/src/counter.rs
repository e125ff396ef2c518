//! Numbers that any thread may read.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number. Only the thread that owns it writes, so a load and a store do: nothing is locked.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    /// `n` more.
    pub(crate) fn add_many(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
