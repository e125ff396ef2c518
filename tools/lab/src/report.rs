//! The figures of one replay.

use super::aftermath::Aftermath;
use rtjam_engine::VoiceReading;
use serde_json::{Value, json};

/// What a replay showed. Counts and shares are of the part that was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Packets sent.
    pub packets: usize,
    /// Packets that never came.
    pub lost: usize,
    /// Packets that came after their first frame was due.
    pub late: usize,
    /// Packets that only recovery brought.
    pub recovered: u64,
    /// What recovery sent again, in % of what is sent without.
    pub extra_pct: f64,
    /// From given to heard, in ms.
    pub playout: Delay,
    /// Sound that was made up.
    pub concealed_ms_per_min: f64,
    /// The longest stretch of it.
    pub longest_gap_ms: f64,
    /// The smallest constant delay that conceals no more.
    pub oracle_delay_ms: Option<f64>,
    /// What that delay and one packet more would conceal, in ms a minute, if every packet carried a copy of an earlier
    /// one.
    pub oracle_with_copies: Option<f64>,
    /// What stalls left behind, where the trace has any.
    pub aftermath: Option<Aftermath>,
    /// Share of damaged blocks.
    pub damaged_pct: f64,
    /// Seconds measured.
    pub measured_s: f64,
    /// What the engine says itself: when measuring began, and in the end.
    pub engine: [Option<VoiceReading>; 2],
}

/// How a delay was distributed over the time, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delay {
    /// Arithmetic mean.
    pub mean: f64,
    /// Half of the time it was no more.
    pub p50: f64,
    /// 95 % of the time it was no more.
    pub p95: f64,
    /// It was never more.
    pub max: f64,
}

impl Delay {
    /// Of values that stand for equal stretches of time.
    pub fn of(values: impl Iterator<Item = f64>) -> Delay {
        let mut all: Vec<f64> = values.collect();
        all.sort_unstable_by(f64::total_cmp);
        let Some((&least, &max)) = all.first().zip(all.last()) else { return Delay::default() };
        let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
        // Summed as differences: a constant's mean is the constant.
        let mean = least + all.iter().map(|v| v - least).sum::<f64>() / all.len() as f64;
        Delay { mean, p50: at(0.5), p95: at(0.95), max }
    }
}

impl Report {
    /// Mean delay over the oracle's.
    pub fn delay_over_oracle(&self) -> Option<f64> {
        self.oracle_delay_ms.map(|oracle| self.playout.mean / oracle)
    }

    /// Late packets, in % of all.
    pub fn late_pct(&self) -> f64 {
        self.late as f64 * 100.0 / self.packets.max(1) as f64
    }

    /// Lost packets, in % of all.
    pub fn lost_pct(&self) -> f64 {
        self.lost as f64 * 100.0 / self.packets.max(1) as f64
    }

    /// The figures as a JSON object.
    pub fn json(&self) -> Value {
        let Delay { mean, p50, p95, max } = self.playout;
        json!({
            "packets": self.packets,
            "lost": self.lost,
            "late": self.late,
            "recovered": self.recovered,
            "extra_pct": round(self.extra_pct),
            "playout_delay_ms": {"mean": round(mean), "p50": round(p50), "p95": round(p95), "max": round(max)},
            "concealed_ms_per_min": round(self.concealed_ms_per_min),
            "longest_gap_ms": round(self.longest_gap_ms),
            "oracle_delay_ms": self.oracle_delay_ms.map(round),
            "delay_over_oracle": self.delay_over_oracle().map(round),
            "damaged_pct": round(self.damaged_pct),
            "measured_s": round(self.measured_s),
            "stalls": self.aftermath.map(|a| a.json()),
            "engine": self.engine_json(),
        })
    }

    /// The engine's own counters over the same time, to compare.
    fn engine_json(&self) -> Value {
        let [Some(begin), Some(end)] = self.engine else { return Value::Null };
        json!({
            "lost": end.lost - begin.lost,
            "late": end.late - begin.late,
            "concealed_frames": end.concealed_frames - begin.concealed_frames,
            "delay_changes": end.delay_changes - begin.delay_changes,
            "playout_delay_ms": round(f64::from(end.playout_delay_ms)),
            "drift_ppm": round(f64::from(end.drift_ppm)),
        })
    }
}

/// A report's JSON as lines for people.
pub fn text(report: &Value) -> String {
    let lines = report.as_object().into_iter().flatten();
    lines.map(|(name, value)| format!("{name:<22} {}\n", value.to_string().replace(['{', '}', '"'], ""))).collect()
}

/// To three decimals: a microsecond of a millisecond.
pub fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delays_figures_are_those_of_its_distribution() {
        let delay = Delay::of((0..=100).rev().map(f64::from));
        assert_eq!(delay, Delay { mean: 50.0, p50: 50.0, p95: 95.0, max: 100.0 });
        let constant = Delay::of(std::iter::repeat_n(10.0 / 3.0, 999));
        assert_eq!((constant.mean, constant.max), (10.0 / 3.0, 10.0 / 3.0));
        assert_eq!(Delay::of(std::iter::empty()), Delay::default());
    }
}
