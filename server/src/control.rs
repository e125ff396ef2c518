//! A control connection: JSON texts on a WebSocket, between a client and the rooms actor.

use crate::limits::{Bucket, HalfOpenGuard};
use crate::real_time::ServerClock;
use crate::rooms::messages::{CONNECTION_QUEUE, ControlEvent, OutgoingMessage, RoomsHandle, RoomsInput};
use axum::extract::ws::{Message, WebSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::control::{self, BadMessage, ServerMessage};
use rtjam_protocol::server::rooms::ConnectionId;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

/// A seated connection that sends nothing for this long is closed. Clients ping every few seconds.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that does not accept a message within this time is closed.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a client is pinged, to measure the round-trip time.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long to wait for the client to close its half.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The burst of WebSocket frames that a connection may send, pings included. After it one frame is read every
/// [`FRAME_INTERVAL`], so that no connection keeps the rooms actor or this thread busy.
const FRAME_BURST: u32 = 100;
const FRAME_INTERVAL: Micros = Micros::from_millis(50);

/// A control connection of the server.
pub struct ControlConnection {
    socket: WebSocket,
    id: ConnectionId,
    rooms: RoomsHandle,
    outgoing: mpsc::Receiver<OutgoingMessage>,
    clock: ServerClock,
    rate: Bucket,
    /// Nothing is read before this time.
    reads_from: Instant,
}

/// Why one phase of a connection has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PhaseEnd {
    /// The rooms actor has closed the connection.
    ClosedByServer,
    /// The client has closed the connection or does not read.
    ClosedByClient,
    /// A timeout, or another connection needed its place.
    TimedOut,
    /// The client has a seat or watches a room; the connection goes on.
    Seated,
}

impl ControlConnection {
    /// Reports a new connection to the rooms actor. `None` when the actor has ended.
    pub async fn begin(
        socket: WebSocket,
        id: ConnectionId,
        from: IpAddr,
        rooms: RoomsHandle,
    ) -> Option<ControlConnection> {
        let (outbox, outgoing) = mpsc::channel(CONNECTION_QUEUE);
        rooms.send(RoomsInput::Control(id, ControlEvent::Connected { from, outbox })).await.ok()?;
        Some(ControlConnection {
            socket,
            id,
            rooms,
            outgoing,
            clock: ServerClock::start(),
            rate: Bucket::default(),
            reads_from: Instant::now(),
        })
    }

    /// Serves the connection until the client has a seat and so leaves its place among the half-open connections, or until it
    /// is evicted from that place.
    pub async fn until_seated(&mut self, guard: &HalfOpenGuard) -> PhaseEnd {
        tokio::select! {
            () = guard.evicted() => PhaseEnd::TimedOut,
            end = self.serve_half_open(guard) => end,
        }
    }

    async fn serve_half_open(&mut self, guard: &HalfOpenGuard) -> PhaseEnd {
        loop {
            let done = tokio::select! {
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(outgoing) if has_seat(&outgoing.message) => {
                        guard.release();
                        self.send_message(outgoing).await.and(Err(PhaseEnd::Seated))
                    }
                    outgoing => self.send_if_open(outgoing).await,
                },
                frame = read(&mut self.socket, self.reads_from) => self.handle_frame(frame).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Serves a seated client until the connection ends.
    pub async fn until_ended(&mut self) -> PhaseEnd {
        let mut ping = ping_interval();
        let mut deadline = Instant::now() + SILENCE_TIMEOUT;
        loop {
            let done = tokio::select! {
                outgoing = self.outgoing.recv() => self.send_if_open(outgoing).await,
                frame = read(&mut self.socket, self.reads_from) => {
                    deadline = Instant::now() + SILENCE_TIMEOUT;
                    self.handle_frame(frame).await
                }
                _ = ping.tick() => {
                    self.send(Message::Ping(self.clock.now().0.to_be_bytes().to_vec().into())).await
                }
                () = sleep_until(deadline) => Err(PhaseEnd::TimedOut),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Ends the connection and reports it to the rooms actor.
    pub async fn end(mut self, end: PhaseEnd) {
        if end == PhaseEnd::ClosedByServer {
            close(&mut self.socket).await;
        }
        // Fails only after the actor has ended.
        let _ = self.rooms.send(RoomsInput::Control(self.id, ControlEvent::Disconnected)).await;
    }

    async fn send_if_open(&mut self, outgoing: Option<OutgoingMessage>) -> Result<(), PhaseEnd> {
        match outgoing {
            Some(outgoing) => self.send_message(outgoing).await,
            None => Err(PhaseEnd::ClosedByServer),
        }
    }

    async fn send_message(&mut self, outgoing: OutgoingMessage) -> Result<(), PhaseEnd> {
        if !outgoing.delay.is_zero() {
            sleep(outgoing.delay).await;
        }
        self.send(Message::Text(control::write(&outgoing.message).into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), PhaseEnd> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(PhaseEnd::ClosedByClient),
        }
    }

    async fn handle_frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), PhaseEnd> {
        let wait = self.rate.borrow(self.clock.now(), FRAME_BURST, FRAME_INTERVAL, FRAME_INTERVAL);
        if wait > Micros::ZERO {
            self.reads_from = Instant::now() + Duration::from_micros(wait.0);
        }
        let event = match frame {
            Some(Ok(Message::Text(text))) => ControlEvent::Received(control::read(&text)),
            Some(Ok(Message::Binary(_))) => ControlEvent::Received(Err(BadMessage)),
            Some(Ok(Message::Pong(sent))) => match round_trip(self.clock.now(), &sent) {
                Some(took) => ControlEvent::RoundTrip(took),
                None => return Ok(()),
            },
            Some(Ok(Message::Ping(_))) => return Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(PhaseEnd::ClosedByClient),
        };
        self.rooms.send(RoomsInput::Control(self.id, event)).await.map_err(|_| PhaseEnd::ClosedByServer)
    }
}

fn has_seat(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Joined(_) | ServerMessage::Roster { .. })
}

/// The next frame, read no earlier than `from`. Until then the connection's buffers hold its client back.
async fn read(socket: &mut WebSocket, from: Instant) -> Option<Result<Message, axum::Error>> {
    sleep_until(from).await;
    socket.recv().await
}

fn ping_interval() -> Interval {
    let mut ping = interval_at(Instant::now() + PING_EVERY / 5, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping
}

/// The round-trip time by a pong. A client that makes up a pong falsifies its own statistics only.
fn round_trip(now: Micros, sent: &[u8]) -> Option<Micros> {
    let sent = Micros(u64::from_be_bytes(sent.try_into().ok()?));
    (sent <= now).then(|| now.since(sent))
}

/// Closes so that the last message arrives: if unread data remained, the system would discard it.
async fn close(socket: &mut WebSocket) {
    let farewell = async {
        if socket.send(Message::Close(None)).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(CLOSE_TIMEOUT, farewell).await;
}
