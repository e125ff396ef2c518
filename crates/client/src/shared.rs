//! What the client's handle and its threads share. The audio thread never sees it, and nobody waits for anybody.

use crate::slots::Seats;
use crate::snapshot::{SendCounts, Snapshot};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Shared state: each field has one writer, and the latest value wins.
#[derive(Default)]
pub(crate) struct ClientShared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Audio datagrams that were sent.
    pub(crate) sent: AtomicU64,
    /// Audio packets of a joined session that were not sent.
    pub(crate) not_sent: AtomicU64,
    /// The seats of the last room.
    pub(crate) seats: ArcSwap<Seats>,
    /// Why the trace stopped.
    pub(crate) trace_error: ArcSwapOption<String>,
    /// Datagrams of the server that were lost in this session.
    lost: AtomicU64,
    /// Bytes that the server has retransmitted in this session.
    retransmitted: AtomicU64,
}

impl ClientShared {
    /// The counts of sending since the client was made; `ring_dropped` is what the engine dropped.
    pub(crate) fn counts(&self, ring_dropped: u64) -> SendCounts {
        let dropped = self.not_sent.load(Relaxed).saturating_add(ring_dropped);
        SendCounts { packets: self.sent.load(Relaxed), dropped }
    }

    /// `jam-recv`: a session begins.
    pub(crate) fn reset_session_counts(&self) {
        self.lost.store(0, Relaxed);
        self.retransmitted.store(0, Relaxed);
    }

    /// `jam-recv`: this many retransmitted bytes arrived.
    pub(crate) fn add_retransmitted(&self, bytes: usize) {
        self.retransmitted.fetch_add(bytes as u64, Relaxed);
    }

    /// `jam-recv`: this many datagrams of the session were lost so far.
    pub(crate) fn set_lost(&self, datagrams: u64) {
        self.lost.store(datagrams, Relaxed);
    }

    /// Datagrams lost and bytes retransmitted in this session.
    pub(crate) fn session_counts(&self) -> (u64, u64) {
        (self.lost.load(Relaxed), self.retransmitted.load(Relaxed))
    }
}
