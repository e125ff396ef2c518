//! How often what took how long.

use rtjam_protocol::Micros;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts by buckets. One thread writes, any may read.
#[derive(Debug)]
pub struct Histogram {
    bounds_us: &'static [u64],
    counts: Box<[AtomicU64]>,
}

impl Histogram {
    /// With these upper bounds, in µs, and a last bucket for the rest.
    pub fn new(bounds_us: &'static [u64]) -> Histogram {
        Histogram { bounds_us, counts: (0..=bounds_us.len()).map(|_| AtomicU64::new(0)).collect() }
    }

    /// One more that took this long.
    pub fn add(&self, took: Micros) {
        let bucket = self.bounds_us.partition_point(|bound| *bound < took.0);
        if let Some(count) = self.counts.get(bucket) {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// As it stands.
    pub fn counts(&self) -> Counts {
        let bounds = self.bounds_us.iter().copied().map(Some).chain([None]);
        Counts(bounds.zip(self.counts.iter().map(|c| c.load(Ordering::Relaxed))).collect())
    }
}

/// A histogram that is over: each bucket's upper bound in µs (the last has none), and what is in it. Shown as a JSON
/// array of pairs: `[[1000,4],[null,0]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts(Vec<(Option<u64>, u64)>);

impl Counts {
    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, (bound, count)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match bound {
                Some(bound) => write!(f, "{comma}[{bound},{count}]")?,
                None => write!(f, "{comma}[null,{count}]")?,
            }
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_a_bound_is_below_it_and_the_rest_has_a_place() {
        let histogram = Histogram::new(&[10, 20]);
        for us in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.add(Micros(us));
        }
        let counts = histogram.counts();
        assert_eq!((counts.to_string().as_str(), counts.sum()), ("[[10,2],[20,2],[null,2]]", 6));
    }
}
