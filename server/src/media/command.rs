//! What the lobby tells a media thread.

use super::crowd::Crowd;
use super::route::Recipient;
use super::session::Session;
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::sync::Arc;

/// A room's number at the media side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoomKey(pub(super) u32);

/// Changes of a thread's world.
pub(super) enum Command {
    /// To every thread: what is played in this room goes to this one too.
    AddRecipient {
        /// Where they are.
        room: RoomKey,
        /// Who.
        recipient: Box<Recipient>,
    },
    /// To the thread that owns the session: receive from it.
    AddSession(Box<Session>),
    /// To every thread: forget it.
    Remove {
        /// Where it was.
        room: RoomKey,
        /// Who.
        session: SessionId,
    },
    /// To the thread whose lane it is about: what a musician misses.
    Feedback {
        /// Where they are.
        room: RoomKey,
        /// Who.
        session: SessionId,
        /// What they say.
        feedback: Feedback,
    },
    /// To every thread: the mixer wants the packets of this room, or no more.
    Feed {
        /// Which room.
        room: RoomKey,
        /// Whether.
        on: bool,
    },
    /// To every thread: this one is sent everyone's packets, or a mix instead.
    Separate {
        /// Where they are.
        room: RoomKey,
        /// Who.
        session: SessionId,
        /// Whether.
        on: bool,
    },
    /// To every thread: the room has more musicians than one is sent; or not any more.
    Crowd {
        /// Which room.
        room: RoomKey,
        /// What its threads share.
        crowd: Option<Arc<Crowd>>,
    },
    /// To every thread: this one is sent these musicians in any case.
    Pin {
        /// Where they are.
        room: RoomKey,
        /// Who.
        session: SessionId,
        /// Whom.
        pinned: Vec<SourceId>,
    },
    /// To the thread that owns the session: the mixer waits so long for what is late of it.
    DeskWaits {
        /// Whose packets.
        session: SessionId,
        /// How much later than usual they are still heard.
        wait: Micros,
    },
    /// Say goodbye to everyone and end.
    ShutDown,
}
