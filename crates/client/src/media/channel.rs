//! What `jam-recv` works with and what it tells `jam-send`.

use crate::shared::ClientShared;
use crate::threads::{Clock, Wake};
use crate::trace::PacketArrival;
use crossbeam_channel::Sender;
use rtjam_engine::{Console, Incoming};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::{Frame, MixedMusician};
use rtjam_protocol::retransmit::Feedback;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The ends of the channels that `jam-recv` holds, and what it shares with other threads.
pub(crate) struct Channels {
    pub(crate) clock: Clock,
    pub(crate) incoming: Incoming,
    /// Tells how long the voices wait for late packets.
    pub(crate) console: Console,
    pub(crate) shared: Arc<ClientShared>,
    /// Bounded: events that do not fit are dropped, as the network might have done.
    pub(crate) events: Sender<RecvEvent>,
    /// Bounded likewise; present while a trace is recorded.
    pub(crate) trace: Option<Sender<PacketArrival>>,
    pub(crate) wake: Wake,
}

/// When a datagram of a session was last opened. `jam-send` reads it when it is awake anyway.
#[derive(Debug, Default)]
pub(crate) struct LastHeard(AtomicU64);

impl LastHeard {
    /// The time, once a datagram was opened.
    pub(crate) fn get(&self) -> Option<Micros> {
        // A session takes time to start, so no datagram opens at time 0.
        Some(self.0.load(Relaxed)).filter(|t| *t != 0).map(Micros)
    }

    pub(super) fn set(&self, now: Micros) {
        self.0.store(now.0, Relaxed);
    }
}

/// Something that concerns the session rather than the engine.
pub(crate) struct RecvEvent {
    /// Identifies the session.
    pub(crate) session: Arc<LastHeard>,
    pub(crate) arrived: Micros,
    pub(crate) kind: RecvEventKind,
}

pub(crate) enum RecvEventKind {
    /// A frame without audio arrived.
    Frame(Frame<'static>),
    /// The server reports on the musicians in the mix.
    MixReport(Vec<MixedMusician>),
    /// The receive key has failed to open as many datagrams as it may, and opens no more.
    KeyExhausted,
    /// Feedback about missing datagrams, to be sent to the server.
    Feedback(Feedback),
}
