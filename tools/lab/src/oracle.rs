//! The best constant delay in hindsight.

use super::grid::Grid;
use std::ops::Range;

/// The search for the cheapest delay starts with steps of this many frames, at most a period.
const COARSE: i64 = 16;

/// At which callback the receiver finds each packet.
pub struct Arrivals<'a> {
    /// Callbacks and timelines.
    pub grid: &'a Grid,
    /// Frames per packet.
    pub packet: usize,
    /// Index of the callback that found each packet; `None` if it was lost.
    pub found: &'a [Option<u64>],
    /// Measured positions.
    pub span: Range<usize>,
}

impl Arrivals<'_> {
    /// Frames that a constant delay conceals: position 0 is played at output frame `lag`.
    pub fn concealed(&self, lag: i64) -> u64 {
        let (first, last) = (self.span.start / self.packet, self.span.end.div_ceil(self.packet));
        (first..last.min(self.found.len())).map(|index| self.concealed_of(index, lag)).sum()
    }

    /// Smallest number of concealed frames if each packet carried a copy of an earlier packet at a constant distance, minimised
    /// over the distance.
    pub fn concealed_with_copies(&self, lag: i64) -> u64 {
        let with = |behind: usize| {
            let carried = self.found.iter().skip(behind).copied().chain(std::iter::repeat(None));
            let earlier = |(own, copy): (&Option<u64>, Option<u64>)| own.iter().copied().chain(copy).min();
            let found: Vec<Option<u64>> = self.found.iter().zip(carried).map(earlier).collect();
            Arrivals { found: &found, span: self.span.clone(), ..*self }.concealed(lag)
        };
        (1..=32).map(with).min().unwrap_or(0)
    }

    /// Output frame at which position 0 is played with this constant delay.
    pub fn lag_of(&self, delay_ms: f64) -> i64 {
        (self.grid.frame_at(0.0) + delay_ms * 48.0 / (self.grid.delay_ms(48.0, 0.0) - self.grid.delay_ms(0.0, 0.0)))
            .round() as i64
    }

    /// The constant delay, in ms, that minimises frames of delay + `price` × fraction of frames concealed, and that sum.
    pub fn best_by_price(&self, price: f64) -> (f64, f64) {
        let least = self.grid.frame_at(0.0).floor() as i64;
        let share = |lag: i64| self.concealed(lag) as f64 / self.span.len().max(1) as f64;
        let cost = |lag: i64| (lag - least) as f64 + price * share(lag);
        let cheapest = |lags: &mut dyn Iterator<Item = i64>| {
            let mut best = (f64::INFINITY, least);
            for lag in lags {
                // Longer delays cost more even without concealment.
                if (lag - least) as f64 > best.0 {
                    break;
                }
                let cost = cost(lag);
                if cost < best.0 {
                    best = (cost, lag);
                }
            }
            best.1
        };
        let coarse = cheapest(&mut (0_i64..).map(|i| least + i * COARSE));
        let lag = cheapest(&mut (coarse - COARSE..=coarse + COARSE));
        let delay = self.delay_of(lag);
        (delay, delay * 48.0 + price * share(lag))
    }

    /// Delay in ms if position 0 is played at output frame `lag`.
    fn delay_of(&self, lag: i64) -> f64 {
        self.grid.delay_ms(0.0, 0.0)
            + lag as f64 * (self.grid.delay_ms(48.0, 0.0) - self.grid.delay_ms(0.0, 0.0)) / 48.0
    }

    fn concealed_of(&self, index: usize, lag: i64) -> u64 {
        let begin = index * self.packet;
        let within = begin.max(self.span.start)..(begin + self.packet).min(self.span.end);
        let Some(found) = self.found[index] else { return within.len() as u64 };
        // The callback has played the positions before this one, and the packet had not arrived.
        let begins = found as f64 * self.grid.block();
        let position = |time: f64| (time - lag as f64) / self.grid.stretch() - self.grid.given_slip(begin as f64);
        let before = |time: f64| (position(time).ceil() - within.start as f64).clamp(0.0, within.len() as f64);
        let late = before(begins + self.grid.heard_slip(begins));
        // Audio that is due while the receiver plays nothing is not late.
        let first = (within.start as f64 + self.grid.given_slip(begin as f64)) * self.grid.stretch() + lag as f64;
        let unheard: f64 = self.grid.unheard(first, found).map(|gap| before(gap.end) - before(gap.start)).sum();
        (late - unheard) as u64
    }

    /// The smallest constant delay, in ms, that conceals at most `allowed` frames; `None` if more than that were lost.
    pub fn least_delay_ms(&self, allowed: u64) -> Option<f64> {
        let latest = self.found.iter().flatten().max().copied().unwrap_or(0) as f64;
        // At the lower end nothing has arrived yet, at the upper end everything has.
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
    use crate::model::Model;

    /// Plays frame by frame.
    fn brute_force(arrivals: &Arrivals<'_>, lag: i64) -> u64 {
        let missing = |p: &usize| {
            let n = *p as f64 * arrivals.grid.stretch() + lag as f64;
            let callback = (n / arrivals.grid.block()).floor();
            arrivals.found[p / arrivals.packet].is_none_or(|found| callback < found as f64)
        };
        arrivals.span.clone().filter(missing).count() as u64
    }

    /// The oracle's delay is the one that trying all delays finds.
    #[test]
    fn oracle_matches_brute_force() {
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

    /// With hosts that lose frames or call late: audio that is due while the receiver plays nothing is not late, and frames that
    /// the sender never had are not missing.
    #[test]
    fn stalls_are_counted_exactly() {
        for stall in ["both:reset:4:250", "sender:lost:12:300", "receiver:reset:9:200", "both:late:20:300"] {
            let stalls = [stall.parse().unwrap()];
            let trace = Model::Cable.generate_with_stalls(9.0, 2, 64, &stalls, 8.0);
            let grid = Grid::new(&trace, 64, 128, 48_000, 0.0);
            let found: Vec<_> =
                trace.packets.iter().map(|p| p.arrived.first().map(|&a| grid.callback_for(grid.local(a)))).collect();
            let arrivals = Arrivals { grid: &grid, packet: 64, found: &found, span: 270_000..400_000 };
            let callbacks = found.iter().flatten().max().copied().unwrap() as usize + 100;
            // Which callback plays at which frame of the receiver's time.
            let mut plays = Vec::new();
            for k in 0..callbacks {
                let n = (k * 128) as f64;
                let from = n + grid.heard_slip(n);
                plays.resize(from.ceil() as usize, None);
                plays.resize((from + 128.0).ceil() as usize, Some(k as u64));
            }
            assert!(stall.contains("late") || plays.contains(&None) || grid.given_slip(1e9) > 0.0, "{stall}");
            let from = grid.frame_at(0.0).floor() as i64;
            for lag in (from..from + 2000).step_by(397) {
                let missing = |p: &usize| {
                    let time = *p as f64 + grid.given_slip(*p as f64) + lag as f64;
                    match plays.get(time.ceil() as usize) {
                        Some(Some(callback)) => found[p / 64].is_none_or(|found| *callback < found),
                        _ => found[p / 64].is_none(),
                    }
                };
                let expected = arrivals.span.clone().filter(missing).count() as i64;
                let off = arrivals.concealed(lag) as i64 - expected;
                // Slips are not whole frames: one per stall may be counted differently.
                assert!(off.abs() <= 40, "{stall} {lag}: {expected} {off}");
            }
        }
    }

    /// With clock drift the count equals playing frame by frame.
    #[test]
    fn drift_is_counted_exactly() {
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
