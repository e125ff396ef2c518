//! Statistics of delays, and the rounding of reported figures.

/// Distribution of a delay over time, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DelayStatistics {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Maximum.
    pub max: f64,
}

impl DelayStatistics {
    /// Statistics of values that represent equal stretches of time.
    pub fn of(values: impl Iterator<Item = f64>) -> DelayStatistics {
        let mut all: Vec<f64> = values.collect();
        all.sort_unstable_by(f64::total_cmp);
        let Some((&least, &max)) = all.first().zip(all.last()) else { return DelayStatistics::default() };
        let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
        // Summed as differences, so that the mean of a constant is exact.
        let mean = least + all.iter().map(|v| v - least).sum::<f64>() / all.len() as f64;
        DelayStatistics { mean, p50: at(0.5), p95: at(0.95), max }
    }
}

/// Rounds to three decimals: microseconds of a value in milliseconds.
pub fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statistics are those of the distribution.
    #[test]
    fn statistics_match_distribution() {
        let delay = DelayStatistics::of((0..=100).rev().map(f64::from));
        assert_eq!(delay, DelayStatistics { mean: 50.0, p50: 50.0, p95: 95.0, max: 100.0 });
        let constant = DelayStatistics::of(std::iter::repeat_n(10.0 / 3.0, 999));
        assert_eq!((constant.mean, constant.max), (10.0 / 3.0, 10.0 / 3.0));
        assert_eq!(DelayStatistics::of(std::iter::empty()), DelayStatistics::default());
    }
}
