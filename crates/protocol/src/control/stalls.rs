//! Recurring stalls of a musician's computer, which the musician reports to the room.

use crate::ids::SourceId;
use serde::{Deserialize, Serialize};

/// Recurring stalls of a computer: its audio callback waits again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "UncheckedReport")]
pub struct StallReport {
    ms: u16,
    every_ms: u16,
}

#[derive(Deserialize)]
struct UncheckedReport {
    ms: u64,
    every_ms: u64,
}

impl From<UncheckedReport> for StallReport {
    fn from(read: UncheckedReport) -> StallReport {
        StallReport::new(read.ms, read.every_ms)
    }
}

impl StallReport {
    /// Stalls of `ms` ms (1 to 1000), one every `every_ms` ms (100 to 60,000). Values beyond a limit count as the limit.
    pub fn new(ms: u64, every_ms: u64) -> StallReport {
        // Within the range of u16.
        StallReport { ms: ms.clamp(1, 1000) as u16, every_ms: every_ms.clamp(100, 60_000) as u16 }
    }

    /// Typical length of a stall, in ms: 1 to 1000.
    pub fn ms(&self) -> u16 {
        self.ms
    }

    /// Typical time from one stall to the next, in ms: 100 to 60,000.
    pub fn every_ms(&self) -> u16 {
        self.every_ms
    }
}

/// A musician whose computer stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallingMusician {
    /// The musician.
    pub source: SourceId,
    /// The stalls.
    pub stalls: StallReport,
}
