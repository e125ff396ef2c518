//! A control connection: JSON texts on a WebSocket, between its client and the lobby.

use crate::clock::Clock;
use crate::limits::Bucket;
use crate::lobby::{Input, OUTBOX, Word};
use axum::extract::ws::{Message, WebSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::control::{self, BadMessage, ServerMessage};
use rtjam_protocol::room::ConnectionId;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

/// A connection that has no seat after this long is closed.
const SEATED_WITHIN: Duration = Duration::from_secs(10);

/// A connection that says nothing for this long is closed; clients ping every few seconds.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// A client that does not take a message for this long is closed.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// How often a client is asked for a sign of life, which tells the round trip.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How long the client's half of closing is waited for.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// Messages that a connection may bring at once; after that one is read each of [`A_MESSAGE_EVERY`], so that nobody
/// keeps the lobby from the others.
const MESSAGES_AT_ONCE: u32 = 100;
const A_MESSAGE_EVERY: Micros = Micros::from_millis(50);

/// Serves one connection until it ends.
pub async fn converse(mut socket: WebSocket, connection: ConnectionId, from: IpAddr, lobby: mpsc::Sender<Input>) {
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    if lobby.send(Input::Connected { connection, from, outbox }).await.is_ok() {
        if carry(&mut socket, connection, &lobby, inbox).await == Ended::Lobby {
            close(&mut socket).await;
        }
        // Fails when the lobby is gone; then there is nobody to tell.
        let _ = lobby.send(Input::Disconnected(connection)).await;
    }
}

/// Who ended a connection.
#[derive(PartialEq)]
enum Ended {
    Lobby,
    Client,
    Clock,
}

async fn carry(
    socket: &mut WebSocket,
    connection: ConnectionId,
    lobby: &mpsc::Sender<Input>,
    mut inbox: mpsc::Receiver<Word>,
) -> Ended {
    let (clock, mut pace) = (Clock::start(), Bucket::default());
    let mut asking = interval_at(Instant::now() + ASK_EVERY / 5, ASK_EVERY);
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seated = false;
    let mut deadline = Instant::now() + SEATED_WITHIN;
    loop {
        tokio::select! {
            message = inbox.recv() => {
                let Some(Word { message, hold }) = message else { return Ended::Lobby };
                if !hold.is_zero() {
                    sleep(hold).await;
                }
                let has_seat = matches!(message, ServerMessage::Joined(_) | ServerMessage::Roster { .. });
                if has_seat && !seated {
                    seated = true;
                    deadline = Instant::now() + SILENT_FOR;
                }
                let text = Message::Text(control::write(&message).into());
                if !matches!(timeout(TAKEN_WITHIN, socket.send(text)).await, Ok(Ok(()))) {
                    return Ended::Client;
                }
            }
            heard = socket.recv() => {
                if seated {
                    deadline = Instant::now() + SILENT_FOR;
                }
                let said = match heard {
                    Some(Ok(Message::Text(text))) => control::read(&text),
                    Some(Ok(Message::Binary(_))) => Err(BadMessage),
                    Some(Ok(Message::Pong(sent))) => {
                        if let Some(took) = round_trip(clock.now(), &sent)
                            && lobby.send(Input::RoundTrip(connection, took)).await.is_err()
                        {
                            return Ended::Lobby;
                        }
                        continue;
                    }
                    Some(Ok(Message::Ping(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ended::Client,
                };
                let wait = pace.borrow(clock.now(), MESSAGES_AT_ONCE, A_MESSAGE_EVERY, A_MESSAGE_EVERY);
                if wait > Micros::ZERO {
                    sleep(Duration::from_micros(wait.0)).await;
                }
                if lobby.send(Input::Said(connection, said)).await.is_err() {
                    return Ended::Lobby;
                }
            }
            _ = asking.tick(), if seated => {
                let now = Message::Ping(clock.now().0.to_be_bytes().to_vec().into());
                if !matches!(timeout(TAKEN_WITHIN, socket.send(now)).await, Ok(Ok(()))) {
                    return Ended::Client;
                }
            }
            () = sleep_until(deadline) => return Ended::Clock,
        }
    }
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
