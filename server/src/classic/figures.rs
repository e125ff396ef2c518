//! What has become of classic packets, in numbers that any thread may read.

use crate::counter::Counter;

/// Counted by the classic thread.
#[derive(Debug, Default)]
pub struct ClassicFigures {
    /// Musicians who have a seat now.
    pub(super) musicians: Counter,
    /// Packets of those who have a seat.
    pub(super) received: Counter,
    /// Packets sent: forwarded, or headers that go back.
    pub(super) sent: Counter,
    /// Packets of sources that have not proven that they play, for which there is no room, or that are none.
    pub(super) ignored: Counter,
    /// Packets of those who play more than a musician may.
    pub(super) over_rate: Counter,
    /// Packets that the system did not take.
    pub(super) not_sent: Counter,
}

/// As they stood at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassicTotals {
    /// Musicians who have a seat now.
    pub musicians: u64,
    /// Packets of those who have a seat.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that were forgotten.
    pub ignored: u64,
    /// Packets of those who play more than a musician may.
    pub over_rate: u64,
    /// Packets that the system did not take.
    pub not_sent: u64,
}

impl ClassicFigures {
    /// As they stand. Any thread.
    pub fn totals(&self) -> ClassicTotals {
        ClassicTotals {
            musicians: self.musicians.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            ignored: self.ignored.get(),
            over_rate: self.over_rate.get(),
            not_sent: self.not_sent.get(),
        }
    }
}
