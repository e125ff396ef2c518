//! Messages to the rooms actor and its replies. Everything that speaks to the actor depends on this module and not on the
//! actor.

use super::authority::Authority;
use crate::limits::LimitSettings;
use crate::statistics::{AudioTotals, SessionCounters};
use crate::store::StoreError;
use mio::Waker;
use rtjam_protocol::control::{BadMessage, ClientMessage, MemberAccess, ServerMessage};
use rtjam_protocol::link::Pin;
use rtjam_protocol::server::rooms::{Ban, Census, ConnectionId, MemberSelector, NewSession, SeatedMember};
use rtjam_protocol::{Micros, MusicianId, RoomName, SessionId, SourceId};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Capacity of the actor's input queue. When it is full, senders wait or try again later.
const INPUT_QUEUE: usize = 1024;

/// Capacity of each connection's queue. The actor closes a connection that reads so slowly that its queue overflows.
pub const CONNECTION_QUEUE: usize = 128;

/// Sends messages to the rooms actor.
#[derive(Clone, Debug)]
pub struct RoomsHandle(mpsc::Sender<RoomsInput>);

/// What reaches the rooms actor.
#[derive(Debug)]
pub enum RoomsInput {
    /// Something happened on a control connection.
    Control(ConnectionId, ControlEvent),
    /// Something happened on the media path.
    Media(MediaEvent),
    /// A gateway needs a session.
    Gateway(GatewayRequest, GatewayMailbox),
    /// A question.
    Query(RoomsQuery),
    /// A command.
    Command(RoomsCommand),
}

/// What happened on a control connection.
#[derive(Debug)]
pub enum ControlEvent {
    /// It was made; its number was never used before.
    Connected {
        /// Address of the other end.
        from: IpAddr,
        /// Where messages for it go. The connection closes when the actor drops this.
        outbox: mpsc::Sender<OutgoingMessage>,
    },
    /// A message arrived, or a text that is not a message.
    Received(Result<ClientMessage, BadMessage>),
    /// A WebSocket ping was answered after this long.
    RoundTrip(Micros),
    /// It ended.
    Disconnected,
}

/// A message for a control connection.
#[derive(Debug)]
pub struct OutgoingMessage {
    /// The message.
    pub message: ServerMessage,
    /// How long the connection waits before it sends the message.
    pub delay: Duration,
}

/// What happened on the media path.
#[derive(Debug)]
pub enum MediaEvent {
    /// A session said goodbye, or has been silent for too long.
    SessionOver(SessionId),
    /// A session's keys have been used for long enough; another session should take over.
    SessionWorn(SessionId),
    /// A session exceeds its rate limit; this many of its datagrams have been dropped so far.
    OverRate(SessionId, u64),
    /// Audio waits this long at the server before it is mixed for a session.
    MixDelay(SessionId, Micros),
    /// The musicians of a crowded room receive these sources.
    SpeakersSelected(RoomName, Arc<[SourceId]>),
}

/// What a gateway asks for.
#[derive(Debug)]
pub enum GatewayRequest {
    /// A seat for a musician. The reply is [`GatewayReply::Seated`] or [`GatewayReply::Refused`].
    Seat {
        /// The room.
        room: RoomName,
        /// The gateway.
        via: MemberAccess,
        /// An identity that the gateway has made up for the musician.
        musician: MusicianId,
        /// The name that others see.
        name: String,
        /// Where the musician's packets come from.
        from: SocketAddr,
    },
    /// A session that receives the room's audio and takes no seat. The reply is [`GatewayReply::Listening`].
    Listen {
        /// The room.
        room: RoomName,
        /// The gateway.
        via: MemberAccess,
    },
}

/// What a gateway is told.
pub enum GatewayReply {
    /// The musician from this address has a seat. The gateway records round-trip times in the counters.
    Seated(SocketAddr, NewSession, Arc<SessionCounters>),
    /// There is no seat for the musician from this address.
    Refused(SocketAddr),
    /// This session receives the room's audio.
    Listening(NewSession),
    /// The server ends.
    Stop,
}

/// Where replies to a gateway go: a queue and a wake.
#[derive(Clone, Debug)]
pub struct GatewayMailbox {
    replies: crossbeam_channel::Sender<GatewayReply>,
    waker: Arc<Waker>,
}

impl GatewayMailbox {
    /// A mailbox, whose receiver the gateway's thread reads when `waker` wakes it.
    pub fn new(waker: Waker) -> (GatewayMailbox, crossbeam_channel::Receiver<GatewayReply>) {
        let (replies, receiver) = crossbeam_channel::unbounded();
        (GatewayMailbox { replies, waker: Arc::new(waker) }, receiver)
    }

    /// Sends a reply.
    pub fn send(&self, reply: GatewayReply) {
        // Either fails only after the gateway's thread has ended.
        let _ = self.replies.send(reply);
        let _ = self.waker.wake();
    }
}

/// A question to the rooms actor, with where the reply goes.
#[derive(Debug)]
pub enum RoomsQuery {
    /// The state of the whole server.
    Status(oneshot::Sender<ServerStatus>),
    /// One room, or all rooms that the authority may see.
    Snapshots(Authority, Option<RoomName>, oneshot::Sender<Vec<RoomSnapshot>>),
}

/// A command to the rooms actor.
#[derive(Debug)]
pub enum RoomsCommand {
    /// End the sessions of the members whom the target means. They may join again.
    Kick(Authority, RoomName, MemberSelector, oneshot::Sender<Result<Vec<SeatedMember>, CommandError>>),
    /// End the sessions of the members whom the target means, and keep them out.
    Ban(Authority, RoomName, MemberSelector, oneshot::Sender<Result<Ban, CommandError>>),
    /// The operator has changed settings or the keys that the server shows.
    Configure {
        /// New limits.
        limits: LimitSettings,
        /// Pins of the keys.
        pins: Vec<Pin>,
    },
    /// The server stops. The actor accepts nothing more.
    ShutDown,
}

/// The state of the server, as far as the rooms actor knows it.
#[derive(Debug)]
pub struct ServerStatus {
    /// Numbers of rooms, members and connections.
    pub census: Census,
    /// Audio of all musicians since the start.
    pub audio: AudioTotals,
    /// Live sessions that exceed their rate limit, with the number of dropped datagrams.
    pub over_rate: Vec<(SessionId, u64)>,
    /// Refused joins by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Sessions that have begun since the start.
    pub sessions_begun: u64,
    /// Whether the last attempt to read or write the database failed.
    pub store_fails: bool,
}

/// A room at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSnapshot {
    /// The room.
    pub room: RoomName,
    /// Whether it has more musicians than one musician receives.
    pub crowded: bool,
    /// Its musicians and listeners, in order of their slots. Addresses are left out unless the authority may see them.
    pub members: Vec<SeatedMember>,
}

/// Why the rooms actor did not carry out a command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The authority does not permit it.
    #[error("Your link does not permit this. Ask a moderator of the room.")]
    Forbidden,
    /// No member of the room matches the target.
    #[error("Nobody in the room matches.")]
    NoMatch,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rooms actor has ended.
    #[error("The server is going down.")]
    Ended,
}

/// The input queue is full, or the rooms actor has ended.
#[derive(Debug)]
pub struct NotSent;

impl RoomsHandle {
    /// A handle, and the queue that the actor reads.
    pub(crate) fn channel() -> (RoomsHandle, mpsc::Receiver<RoomsInput>) {
        let (inputs, receiver) = mpsc::channel(INPUT_QUEUE);
        (RoomsHandle(inputs), receiver)
    }

    /// Sends an input; waits while the queue is full.
    ///
    /// # Errors
    /// When the actor has ended.
    pub(crate) async fn send(&self, input: RoomsInput) -> Result<(), NotSent> {
        self.0.send(input).await.map_err(|_| NotSent)
    }

    /// Sends an event of the media path. Neither waits nor blocks.
    ///
    /// # Errors
    /// When the queue is full or the actor has ended.
    pub(crate) fn try_media(&self, event: MediaEvent) -> Result<(), NotSent> {
        self.0.try_send(RoomsInput::Media(event)).map_err(|_| NotSent)
    }

    /// Sends a gateway's request; the reply goes to `mailbox`. Neither waits nor blocks.
    ///
    /// # Errors
    /// When the queue is full or the actor has ended.
    pub(crate) fn try_gateway(&self, request: GatewayRequest, mailbox: &GatewayMailbox) -> Result<(), NotSent> {
        self.0.try_send(RoomsInput::Gateway(request, mailbox.clone())).map_err(|_| NotSent)
    }

    /// Sends a query or command; `None` after the actor has ended.
    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> RoomsInput) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(input(reply)).await.ok()?;
        answer.await.ok()
    }

    /// The state of the server; `None` after the actor has ended.
    pub async fn status(&self) -> Option<ServerStatus> {
        self.ask(|reply| RoomsInput::Query(RoomsQuery::Status(reply))).await
    }

    /// One room, or all rooms that `authority` may see; empty where there is none.
    pub async fn snapshots(&self, authority: Authority, room: Option<RoomName>) -> Vec<RoomSnapshot> {
        let query = |reply| RoomsInput::Query(RoomsQuery::Snapshots(authority, room, reply));
        self.ask(query).await.unwrap_or_default()
    }

    /// Ends the sessions of the members whom `target` means. Returns who they were; they may join again.
    ///
    /// # Errors
    /// When `authority` does not permit it or nobody matches.
    pub async fn kick(
        &self,
        authority: Authority,
        room: RoomName,
        target: MemberSelector,
    ) -> Result<Vec<SeatedMember>, CommandError> {
        let command = |reply| RoomsInput::Command(RoomsCommand::Kick(authority, room, target, reply));
        self.ask(command).await.unwrap_or(Err(CommandError::Ended))
    }

    /// Ends the sessions of the members whom `target` means and keeps them out. Returns the ban.
    ///
    /// # Errors
    /// When `authority` does not permit it, nobody matches, or the database fails.
    pub async fn ban(&self, authority: Authority, room: RoomName, target: MemberSelector) -> Result<Ban, CommandError> {
        let command = |reply| RoomsInput::Command(RoomsCommand::Ban(authority, room, target, reply));
        self.ask(command).await.unwrap_or(Err(CommandError::Ended))
    }
}
