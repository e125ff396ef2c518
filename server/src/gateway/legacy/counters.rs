//! Counters of the gateway, which any thread may read.

use crate::statistics::counters::Counter;

/// The counters of the gateway, whose thread alone writes them. See [`LegacyTotals`] for their meaning.
#[derive(Debug, Default)]
pub struct LegacyCounters {
    pub(super) musicians: Counter,
    pub(super) received: Counter,
    pub(super) sent: Counter,
    pub(super) ignored: Counter,
    pub(super) over_rate: Counter,
    pub(super) not_sent: Counter,
}

/// What the gateway has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegacyTotals {
    /// Musicians who have a seat at present.
    pub musicians: u64,
    /// Packets of seated musicians.
    pub received: u64,
    /// Packets sent: audio, or headers that return to their sender.
    pub sent: u64,
    /// Datagrams that are not packets, or that come from sources without a seat.
    pub ignored: u64,
    /// Packets dropped because their musician exceeds the rate limit.
    pub over_rate: u64,
    /// Packets that the system refused to send.
    pub not_sent: u64,
}

impl LegacyCounters {
    /// The present totals. Any thread.
    pub fn totals(&self) -> LegacyTotals {
        LegacyTotals {
            musicians: self.musicians.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            ignored: self.ignored.get(),
            over_rate: self.over_rate.get(),
            not_sent: self.not_sent.get(),
        }
    }
}
