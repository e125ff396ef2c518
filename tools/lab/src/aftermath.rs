//! Effects of stalls of the hosts and the server on the playout delay.

use super::oracle::Arrivals;
use super::position_path::{CHUNK, PositionPath};
use super::replay::Playback;
use super::statistics::{DelayStatistics, round};
use super::trace::Trace;
use serde_json::{Value, json};

/// Price of late packets, in frames of delay if all packets were late: that of the normal playout bias.
const PRICE: f64 = 19_200.0;

/// The delay counts as recovered when it is at most this much above the best one for the rest of the trace, or above what it
/// was before the stalls if that was more, in ms.
const BACK_MS: f64 = 1.0;

/// The delay before the stalls is the mean of this long, in s.
const BEFORE_S: f64 = 2.0;

/// The best delay after the stalls is computed from this long after the last stall on, in s.
const AFTER_S: f64 = 1.0;

/// Results for a trace with stalls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aftermath {
    /// Number of stalls; simultaneous ones count once.
    pub stalls: usize,
    /// Mean delay from the first stall to the last, in ms.
    pub mean_ms: f64,
    /// Best constant delay in hindsight for that time, at the price of late packets, in ms.
    pub oracle_ms: f64,
    /// Cost of the playout relative to the oracle's at that price, late packets included.
    pub cost_over_oracle: f64,
    /// Best constant delay in hindsight, at the same price, after the last stall, in ms.
    pub after_ms: f64,
    /// Mean delay before the first stall, in ms.
    pub before_ms: f64,
    /// Time from the last stall until the delay stays within a millisecond of the longer of these two, in s.
    pub back_s: f64,
}

impl Aftermath {
    /// Computes the results; `None` if the trace contains no stalls.
    pub(super) fn of(
        trace: &Trace,
        playback: &Playback,
        path: &PositionPath,
        arrivals: &Arrivals<'_>,
    ) -> Option<Aftermath> {
        let mut begins: Vec<u64> = trace.stalls.iter().map(|stall| stall.from).collect();
        begins.sort_unstable();
        begins.dedup();
        let given = |position: f64| playback.grid.frame_at(position) / 48_000.0;
        let end = trace.stalls.iter().map(|stall| stall.to).max()?;
        let last = playback.grid.seconds_at(playback.grid.local(end));
        let delays: Vec<(f64, f64)> = path
            .iter()
            .filter(|(_, place)| place.heard)
            .map(|(n, place)| (n as f64 / 48_000.0, playback.grid.delay_ms(n as f64, n as f64 - place.lag)))
            .filter(|(at, _)| *at < given(arrivals.span.end as f64))
            .collect();
        let position = |at: f64| playback.grid.position_at(at * 48_000.0).max(0.0) as usize;
        let span = position(last + AFTER_S).clamp(arrivals.span.start, arrivals.span.end)..arrivals.span.end;
        let (after_ms, _) = Arrivals { grid: &playback.grid, packet: arrivals.packet, found: &playback.found, span }
            .best_by_price(PRICE);
        let first = trace.stalls.iter().map(|stall| stall.from).min()?;
        let first = playback.grid.seconds_at(playback.grid.local(first));
        let mean_of = |span: std::ops::RangeInclusive<f64>| {
            DelayStatistics::of(delays.iter().filter(|(at, _)| span.contains(at)).map(|(_, ms)| *ms)).mean
        };
        let before_ms = mean_of(first - BEFORE_S..=first);
        let mean_ms = mean_of(first..=last);
        let enough = after_ms.max(before_ms) + BACK_MS;
        let away = delays.iter().rev().find(|(at, ms)| *at > last && *ms > enough);
        let during = position(first).max(arrivals.span.start)..position(last).min(arrivals.span.end);
        let during = Arrivals { grid: &playback.grid, packet: arrivals.packet, found: &playback.found, span: during };
        let (oracle_ms, least) = during.best_by_price(PRICE);
        let concealed = super::gaps::find(path, &during).concealed as f64 / during.span.len().max(1) as f64;
        Some(Aftermath {
            stalls: begins.len(),
            mean_ms,
            oracle_ms,
            cost_over_oracle: (mean_ms * 48.0 + PRICE * concealed) / least,
            back_s: away.map_or(0.0, |(at, _)| at + CHUNK as f64 / 48_000.0 - last),
            after_ms,
            before_ms,
        })
    }

    /// The results as JSON.
    pub fn json(&self) -> Value {
        json!({
            "stalls": self.stalls,
            "mean_ms": round(self.mean_ms),
            "priced_oracle_ms": round(self.oracle_ms),
            "cost_over_oracle": round(self.cost_over_oracle),
            "back_s": round(self.back_s),
            "after_ms": round(self.after_ms),
            "before_ms": round(self.before_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::measure::measure;
    use crate::model::Model;
    use crate::replay::Settings;
    use crate::report::Report;
    use crate::sound::chord;

    fn heard(stall: &str) -> Report {
        let trace = Model::Lan.generate_with_stalls(20.0, 1, 64, &[stall.parse().unwrap()], 15.0);
        let settings = Settings { packet: 64, block: 64, ..Settings::default() };
        measure(&trace, &chord(20 * 48_000), &settings).unwrap().report
    }

    /// A host that calls late but loses no callback does no harm: the calls that catch up find the packets.
    #[test]
    fn late_receiver_calls_cost_nothing() {
        let report = heard("receiver:late:8:500");
        let aftermath = report.aftermath.unwrap();
        assert!((16..=18).contains(&aftermath.stalls), "{aftermath:?}");
        assert_eq!((report.late, report.concealed_ms_per_min), (0, 0.0), "{report:?}");
        assert!((aftermath.oracle_ms - report.playout.mean).abs() < 0.05, "{report:?}");
        assert!((aftermath.cost_over_oracle - 1.0).abs() < 0.05 && aftermath.back_s < 0.01, "{report:?}");
    }

    /// Packets that are held back for longer than the playout delay are late, as many as the stall covers.
    #[test]
    fn held_packets_are_late_once() {
        let report = heard("server:late:20:1000");
        let late = report.late as f64 / report.aftermath.unwrap().stalls as f64;
        assert!((10.0..=16.0).contains(&late), "{late} a stall: {report:?}");
    }
}
