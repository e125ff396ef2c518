//! Counters of the mixer, which any thread may read.

use crate::statistics::counters::Counter;

/// The counters of the mixer, which alone writes them. See [`MixerTotals`] for their meaning.
#[derive(Debug, Default)]
pub(in super::super) struct MixerCounters {
    pub(super) mixes: Counter,
    pub(super) packets: Counter,
    pub(super) skipped: Counter,
    pub(super) not_sent: Counter,
    pub(super) cpu_us: Counter,
}

/// What the mixer has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixerTotals {
    /// Mixes that are made at present.
    pub mixes: u64,
    /// Packets of mixes sent, including reports of levels and retransmissions.
    pub packets: u64,
    /// Ticks that were left out because the thread could not keep up.
    pub skipped: u64,
    /// Packets of mixes that the system refused to send.
    pub not_sent: u64,
    /// Processor time used, in µs.
    pub cpu_us: u64,
}

impl MixerCounters {
    pub(in super::super) fn totals(&self) -> MixerTotals {
        MixerTotals {
            mixes: self.mixes.get(),
            packets: self.packets.get(),
            skipped: self.skipped.get(),
            not_sent: self.not_sent.get(),
            cpu_us: self.cpu_us.get(),
        }
    }
}
