//! A control connection: JSON texts on a WebSocket, between its client and the lobby.

use crate::clock::Clock;
use crate::limits::Bucket;
use crate::limits::HalfOpenGuard;
use crate::lobby::{Input, OUTBOX, Word};
use axum::extract::ws::{Message, WebSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::control::{self, BadMessage, ServerMessage};
use rtjam_protocol::room::ConnectionId;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

/// A seated connection that says nothing for this long is closed; clients ping every few seconds.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// A client that does not take a message for this long is closed.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// How often a client is asked for a sign of life, which tells the round trip.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How long the client's half of closing is waited for.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// What a connection may bring at once, WebSocket's own pings included; after that one frame is read each of
/// [`A_FRAME_EVERY`], so that nobody keeps the lobby, or this thread, from the others.
const FRAMES_AT_ONCE: u32 = 100;
const A_FRAME_EVERY: Micros = Micros::from_millis(50);

/// A connection's conversation with the lobby.
pub struct Conversation {
    socket: WebSocket,
    connection: ConnectionId,
    lobby: mpsc::Sender<Input>,
    inbox: mpsc::Receiver<Word>,
    clock: Clock,
    pace: Bucket,
    /// Nothing is read before.
    reads_from: Instant,
}

/// Why a conversation does not go on as it did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The lobby has closed it.
    Lobby,
    /// The client has closed it, or does not read.
    Client,
    /// It took too long, or others needed its place.
    Clock,
    /// It goes on: the client has a seat, or watches a room.
    Seated,
}

impl Conversation {
    /// Begins one; `None` when the lobby has ended.
    pub async fn begin(
        socket: WebSocket,
        connection: ConnectionId,
        from: IpAddr,
        lobby: mpsc::Sender<Input>,
    ) -> Option<Conversation> {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        lobby.send(Input::Connected { connection, from, outbox }).await.ok()?;
        let clock = Clock::start();
        Some(Conversation {
            socket,
            connection,
            lobby,
            inbox,
            clock,
            pace: Bucket::default(),
            reads_from: Instant::now(),
        })
    }

    /// Talks until the client has a seat, with which it leaves its place among the half-open connections, or until
    /// it is evicted from that.
    pub async fn until_seated(&mut self, guard: &HalfOpenGuard) -> Ended {
        tokio::select! {
            () = guard.evicted() => Ended::Clock,
            ended = self.greet(guard) => ended,
        }
    }

    async fn greet(&mut self, guard: &HalfOpenGuard) -> Ended {
        loop {
            let done = tokio::select! {
                word = self.inbox.recv() => match word {
                    Some(word) if has_seat(&word.message) => {
                        guard.release();
                        self.say(word).await.and(Err(Ended::Seated))
                    }
                    word => self.say_if_any(word).await,
                },
                heard = read(&mut self.socket, self.reads_from) => self.hear(heard).await,
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    /// Talks with a client that is seated.
    pub async fn until_ended(&mut self) -> Ended {
        let mut asking = asking();
        let mut deadline = Instant::now() + SILENT_FOR;
        loop {
            let done = tokio::select! {
                word = self.inbox.recv() => self.say_if_any(word).await,
                heard = read(&mut self.socket, self.reads_from) => {
                    deadline = Instant::now() + SILENT_FOR;
                    self.hear(heard).await
                }
                _ = asking.tick() => {
                    self.send(Message::Ping(self.clock.now().0.to_be_bytes().to_vec().into())).await
                }
                () = sleep_until(deadline) => Err(Ended::Clock),
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    /// Tells the lobby, and closes so that the last message arrives.
    pub async fn end(mut self, ended: Ended) {
        if ended == Ended::Lobby {
            close(&mut self.socket).await;
        }
        // Fails when the lobby is gone; then there is nobody to tell.
        let _ = self.lobby.send(Input::Disconnected(self.connection)).await;
    }

    async fn say_if_any(&mut self, word: Option<Word>) -> Result<(), Ended> {
        match word {
            Some(word) => self.say(word).await,
            None => Err(Ended::Lobby),
        }
    }

    async fn say(&mut self, word: Word) -> Result<(), Ended> {
        if !word.hold.is_zero() {
            sleep(word.hold).await;
        }
        self.send(Message::Text(control::write(&word.message).into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(TAKEN_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ended::Client),
        }
    }

    async fn hear(&mut self, heard: Option<Result<Message, axum::Error>>) -> Result<(), Ended> {
        let wait = self.pace.borrow(self.clock.now(), FRAMES_AT_ONCE, A_FRAME_EVERY, A_FRAME_EVERY);
        if wait > Micros::ZERO {
            self.reads_from = Instant::now() + Duration::from_micros(wait.0);
        }
        let input = match heard {
            Some(Ok(Message::Text(text))) => Input::Said(self.connection, control::read(&text)),
            Some(Ok(Message::Binary(_))) => Input::Said(self.connection, Err(BadMessage)),
            Some(Ok(Message::Pong(sent))) => match round_trip(self.clock.now(), &sent) {
                Some(took) => Input::RoundTrip(self.connection, took),
                None => return Ok(()),
            },
            Some(Ok(Message::Ping(_))) => return Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Ended::Client),
        };
        self.lobby.send(input).await.map_err(|_| Ended::Lobby)
    }
}

fn has_seat(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Joined(_) | ServerMessage::Roster { .. })
}

/// The next frame, not before `from`. Until then the connection's own buffers hold its client back.
async fn read(socket: &mut WebSocket, from: Instant) -> Option<Result<Message, axum::Error>> {
    sleep_until(from).await;
    socket.recv().await
}

fn asking() -> Interval {
    let mut asking = interval_at(Instant::now() + ASK_EVERY / 5, ASK_EVERY);
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    asking
}

/// How long ago it was asked what it answers now. A client that makes up an answer spoils its own figures alone.
fn round_trip(now: Micros, sent: &[u8]) -> Option<Micros> {
    let sent = Micros(u64::from_be_bytes(sent.try_into().ok()?));
    (sent <= now).then(|| now.since(sent))
}

/// Closes so that the last message arrives: data that we have not read would make the system discard it.
async fn close(socket: &mut WebSocket) {
    let farewell = async {
        if socket.send(Message::Close(None)).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(CLOSED_WITHIN, farewell).await;
}
