//! Values that one thread writes and others read without locks: the latest value wins.
//!
//! All accesses are relaxed: each value stands for itself, and publishes nothing else.

use rtjam_protocol::SourceId;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A float, stored as its bits.
#[derive(Debug, Default)]
pub(crate) struct AtomicF32(AtomicU32);

impl AtomicF32 {
    pub(crate) const fn new(value: f32) -> AtomicF32 {
        AtomicF32(AtomicU32::new(value.to_bits()))
    }

    pub(crate) fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, value: f32) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

/// A counter that one thread writes.
#[derive(Debug, Default)]
pub(crate) struct AtomicCounter(AtomicU64);

impl AtomicCounter {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds `n`.
    pub(crate) fn add(&self, n: u64) {
        if n > 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Takes over the value of another counter, or restarts from 0.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// A source id, or none.
#[derive(Debug)]
pub(crate) struct AtomicSource(AtomicU32);

/// Stands for "none": greater than every source id.
const NO_SOURCE: u32 = u32::MAX;

impl Default for AtomicSource {
    fn default() -> AtomicSource {
        AtomicSource(AtomicU32::new(NO_SOURCE))
    }
}

impl AtomicSource {
    pub(crate) fn get(&self) -> Option<SourceId> {
        match self.0.load(Ordering::Relaxed) {
            NO_SOURCE => None,
            id => Some(SourceId(id as u16)),
        }
    }

    pub(crate) fn set(&self, source: Option<SourceId>) {
        self.0.store(source.map_or(NO_SOURCE, |source| u32::from(source.0)), Ordering::Relaxed);
    }
}
