//! What the mixer has done, in numbers that any thread may read.

use crate::counter::Counter;
use std::sync::Arc;

/// The mixer's numbers. It alone writes.
#[derive(Debug, Default)]
pub struct MixFigures {
    pub(super) mixes: Counter,
    pub(super) packets: Counter,
    pub(super) skipped: Counter,
    pub(super) not_sent: Counter,
    pub(super) cpu_us: Counter,
}

/// The mixer's numbers at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixTotals {
    /// Mixes that are made now.
    pub mixes: u64,
    /// Packets of mixes sent, what is told about them among these.
    pub packets: u64,
    /// Ticks left out because the thread could not keep up.
    pub skipped: u64,
    /// Packets of mixes that the system did not take.
    pub not_sent: u64,
    /// Processor time used, in µs.
    pub cpu_us: u64,
}

impl MixFigures {
    /// How they stand.
    pub fn totals(self: &Arc<MixFigures>) -> MixTotals {
        MixTotals {
            mixes: self.mixes.get(),
            packets: self.packets.get(),
            skipped: self.skipped.get(),
            not_sent: self.not_sent.get(),
            cpu_us: self.cpu_us.get(),
        }
    }
}
