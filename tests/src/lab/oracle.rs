//! The best constant delay in hindsight.

use super::grid::Grid;
use std::ops::Range;

/// Which packets the receiver's callbacks find when.
pub struct Arrivals<'a> {
    /// Callbacks and timelines.
    pub grid: &'a Grid,
    /// Frames of a packet.
    pub packet: usize,
    /// For each packet the callback that found it; `None`: lost.
    pub found: &'a [Option<u64>],
    /// Positions that count.
    pub span: Range<usize>,
}

impl Arrivals<'_> {
    /// Frames that a constant delay conceals: position 0 is played at output frame `lag`.
    pub fn concealed(&self, lag: i64) -> u64 {
        let (first, last) = (self.span.start / self.packet, self.span.end.div_ceil(self.packet));
        (first..last.min(self.found.len())).map(|index| self.concealed_of(index, lag)).sum()
    }

    /// Frames that a constant delay conceals at least, where every packet carries a copy of one earlier packet and all
    /// are the same number of packets behind: at the best such number.
    pub fn concealed_with_copies(&self, lag: i64) -> u64 {
        let with = |behind: usize| {
            let carried = self.found.iter().skip(behind).copied().chain(std::iter::repeat(None));
            let earlier = |(own, copy): (&Option<u64>, Option<u64>)| own.iter().copied().chain(copy).min();
            let found: Vec<Option<u64>> = self.found.iter().zip(carried).map(earlier).collect();
            Arrivals { found: &found, span: self.span.clone(), ..*self }.concealed(lag)
        };
        (1..=32).map(with).min().unwrap_or(0)
    }

    /// Where position 0 is played with this constant delay.
    pub fn lag_of(&self, delay_ms: f64) -> i64 {
        (self.grid.frame_at(0.0) + delay_ms * 48.0 / (self.grid.delay_ms(48.0, 0.0) - self.grid.delay_ms(0.0, 0.0)))
            .round() as i64
    }

    fn concealed_of(&self, index: usize, lag: i64) -> u64 {
        let begin = index * self.packet;
        let within = begin.max(self.span.start)..(begin + self.packet).min(self.span.end);
        let Some(found) = self.found[index] else { return within.len() as u64 };
        // Of positions before this one the callback came and the packet had not.
        let due = (found as f64 * self.grid.block() - lag as f64) / self.grid.stretch();
        let late = (due.ceil() - within.start as f64).clamp(0.0, within.len() as f64);
        late as u64
    }

    /// The smallest constant delay, in ms, that conceals no more than `allowed` frames. `None`: none does,
    /// because more than that were lost.
    pub fn least_delay_ms(&self, allowed: u64) -> Option<f64> {
        let latest = self.found.iter().flatten().max().copied().unwrap_or(0) as f64;
        // At the lower end nothing has come yet, at the upper end everything.
        let mut too_soon = self.grid.frame_at(0.0).floor() as i64 - 1;
        let mut enough = (latest * self.grid.block()).ceil() as i64 + 1;
        if self.concealed(enough) > allowed {
            return None;
        }
        if self.concealed(too_soon) <= allowed {
            return Some(self.grid.delay_ms(too_soon as f64, 0.0));
        }
        while enough - too_soon > 1 {
            let middle = too_soon + (enough - too_soon) / 2;
            if self.concealed(middle) <= allowed {
                enough = middle;
            } else {
                too_soon = middle;
            }
        }
        Some(self.grid.delay_ms(enough as f64, 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::model::Model;

    /// Plays frame by frame.
    fn brute_force(arrivals: &Arrivals<'_>, lag: i64) -> u64 {
        let missing = |p: &usize| {
            let n = *p as f64 * arrivals.grid.stretch() + lag as f64;
            let callback = (n / arrivals.grid.block()).floor();
            arrivals.found[p / arrivals.packet].is_none_or(|found| callback < found as f64)
        };
        arrivals.span.clone().filter(missing).count() as u64
    }

    #[test]
    fn it_is_what_trying_all_delays_finds() {
        for (seed, model) in Model::ALL.into_iter().enumerate() {
            let (packet, block) = if seed % 2 == 0 { (64, 128) } else { (128, 64) };
            let trace = model.generate(0.8, seed as u64, packet);
            let grid = Grid::new(&trace, packet, block, 48_000, 0.0);
            let found: Vec<_> =
                trace.packets.iter().map(|p| p.arrived.first().map(|&a| grid.callback_for(grid.local(a)))).collect();
            let arrivals = Arrivals { grid: &grid, packet, found: &found, span: 1000..36_000 };
            let from = grid.frame_at(0.0).floor() as i64 - 1;
            let counts: Vec<u64> = (from..from + 4000).map(|lag| brute_force(&arrivals, lag)).collect();
            for allowed in [0, 64, 500, 3000] {
                let best = counts.iter().position(|c| *c <= allowed);
                let expected = best.map(|at| grid.delay_ms((from + at as i64) as f64, 0.0));
                assert_eq!(arrivals.least_delay_ms(allowed), expected, "{model} {allowed}");
            }
        }
    }

    #[test]
    fn with_drift_it_counts_as_playing_frame_by_frame_does() {
        let trace = Model::Wifi.generate(2.0, 1, 64);
        for drift in [-150.0, 150.0] {
            let grid = Grid::new(&trace, 64, 64, 48_000, drift);
            let found: Vec<_> =
                trace.packets.iter().map(|p| p.arrived.first().map(|&a| grid.callback_for(grid.local(a)))).collect();
            let arrivals = Arrivals { grid: &grid, packet: 64, found: &found, span: 0..90_000 };
            let from = grid.frame_at(0.0).floor() as i64;
            for lag in (from..from + 2000).step_by(97) {
                assert_eq!(arrivals.concealed(lag), brute_force(&arrivals, lag), "{drift} {lag}");
            }
        }
    }
}
