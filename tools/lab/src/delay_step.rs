//! Response to a step of the network delay, up and back down.

use super::measure::{Measurement, seconds};
use super::position_path::ChunkPosition;
use super::statistics::round;
use serde_json::{Value, json};

/// Audio may be missing for this long after a step, in s.
const FOLLOWED: f64 = 0.2;

/// The delay counts as recovered when it is at most this much above the one before, in ms.
const BACK: f64 = 1.0;

/// Response to the two steps of the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResponse {
    /// Time after the step up until which audio was missing, in ms.
    pub late_ms: f64,
    /// Time after the step down until the delay was the previous one, in s.
    pub back_s: f64,
    /// Gaps from 200 ms after the step up until the step down.
    pub gaps_up: usize,
    /// Gaps after the step down.
    pub gaps_down: usize,
}

impl StepResponse {
    /// For a trace of `length` seconds with a larger delay in its middle third.
    pub fn of(got: &Measurement, length: f64) -> StepResponse {
        let (up, down) = (length / 3.0, length * 2.0 / 3.0);
        let sent = |n: usize, place: ChunkPosition| (n as f64 - place.lag) * seconds(1);
        let (mut late, mut back) = (up, down);
        let mut before = 0.0_f64;
        for (n, place) in got.path.iter() {
            let at = sent(n, place);
            let delay = got.playback.grid.delay_ms(n as f64, n as f64 - place.lag);
            if at < up && at > up - 1.0 && place.heard {
                before = before.max(delay);
            } else if at >= down && place.heard && delay > before + BACK {
                back = at;
            }
        }
        let (mut gaps_up, mut gaps_down) = (0, 0);
        for run in &got.gaps.runs {
            let lag = got.path.iter().take_while(|(n, _)| *n < run.end).last().map_or(0.0, |(_, place)| place.lag);
            let at = (run.end as f64 - lag) * seconds(1);
            if (up..down).contains(&at) {
                late = at;
                gaps_up += usize::from(at > up + FOLLOWED);
            }
            gaps_down += usize::from(at >= down);
        }
        StepResponse { late_ms: (late - up) * 1000.0, back_s: back - down, gaps_up, gaps_down }
    }

    /// The response as JSON.
    pub fn json(&self) -> Value {
        json!({
            "late_ms": round(self.late_ms),
            "back_s": round(self.back_s),
            "gaps_up": self.gaps_up,
            "gaps_down": self.gaps_down,
        })
    }
}
