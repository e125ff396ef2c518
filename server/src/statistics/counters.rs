//! Counters and histograms that one thread writes and any thread reads.

use rtjam_protocol::Micros;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number. Only the thread that owns it writes, so a load and a store suffice and nothing is locked.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A histogram of durations. One thread writes, any thread may read.
#[derive(Debug)]
pub struct Histogram {
    bounds_us: &'static [u64],
    counts: Box<[Counter]>,
}

impl Histogram {
    /// An empty histogram with these upper bounds in µs; one more bucket takes longer durations.
    pub fn new(bounds_us: &'static [u64]) -> Histogram {
        Histogram { bounds_us, counts: (0..=bounds_us.len()).map(|_| Counter::default()).collect() }
    }

    /// Counts a duration.
    pub fn add(&self, duration: Micros) {
        let bucket = self.bounds_us.partition_point(|bound| *bound < duration.0);
        if let Some(count) = self.counts.get(bucket) {
            count.increment();
        }
    }

    /// The present counts.
    pub fn counts(&self) -> HistogramCounts {
        let bounds = self.bounds_us.iter().copied().map(Some).chain([None]);
        HistogramCounts(bounds.zip(self.counts.iter().map(Counter::get)).collect())
    }
}

/// The counts of a histogram: each bucket's upper bound in µs (the last has none) and its count. `Display` writes a JSON
/// array of pairs: `[[1000,4],[null,0]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramCounts(Vec<(Option<u64>, u64)>);

impl HistogramCounts {
    #[cfg(test)]
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for HistogramCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A duration that equals a bound falls below it; longer ones than all bounds have a bucket of their own.
    #[test]
    fn bucket_bounds_are_inclusive() {
        let histogram = Histogram::new(&[10, 20]);
        for us in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.add(Micros(us));
        }
        let counts = histogram.counts();
        assert_eq!((counts.to_string().as_str(), counts.sum()), ("[[10,2],[20,2],[null,2]]", 6));
    }
}
