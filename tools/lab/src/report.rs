//! Figures of one replay.

use super::aftermath::Aftermath;
use super::statistics::{DelayStatistics, round};
use rtjam_engine::VoiceReading;
use serde_json::{Value, json};

/// Figures of a replay. Counts and fractions refer to the measured part.
#[derive(Clone, Debug)]
pub struct Report {
    /// Packets sent.
    pub packets: usize,
    /// Packets that never arrived.
    pub lost: usize,
    /// Packets that arrived after their first frame was due.
    pub late: usize,
    /// Packets that arrived only by retransmission.
    pub recovered: u64,
    /// Retransmitted volume, in % of the original volume.
    pub extra_pct: f64,
    /// Delay from given to heard, in ms.
    pub playout: DelayStatistics,
    /// Concealed audio.
    pub concealed_ms_per_min: f64,
    /// Longest stretch of concealed audio.
    pub longest_gap_ms: f64,
    /// Smallest constant delay that conceals no more.
    pub oracle_delay_ms: Option<f64>,
    /// What that delay plus one packet would conceal, in ms per minute, if each packet carried a copy of an earlier one.
    pub oracle_with_copies: Option<f64>,
    /// Effects of stalls, if the trace has any.
    pub aftermath: Option<Aftermath>,
    /// Fraction of damaged blocks.
    pub damaged_pct: f64,
    /// Measured seconds.
    pub measured_s: f64,
    /// The engine's own figures, when measuring began and at the end.
    pub engine: [Option<VoiceReading>; 2],
}

impl Report {
    /// Mean delay relative to the oracle's.
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
        let DelayStatistics { mean, p50, p95, max } = self.playout;
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

    /// The engine's own counters over the same time, for comparison.
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

/// A report's JSON as text, one line per figure.
pub fn text(report: &Value) -> String {
    let lines = report.as_object().into_iter().flatten();
    lines.map(|(name, value)| format!("{name:<22} {}\n", value.to_string().replace(['{', '}', '"'], ""))).collect()
}
