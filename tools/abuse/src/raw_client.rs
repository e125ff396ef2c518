//! Control connections for attackers: they write the messages themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use rtjam_client::Identity;
use rtjam_protocol::client::Signer as _;
use rtjam_protocol::control::{self, Joined, PATH, Refusal, ResumeToken, ServerMessage, signed_text};
use rtjam_protocol::link::{InviteLink, Pin, Secret, Trust};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// After this time a client dials again in parallel.
const REDIAL_INTERVAL: Duration = Duration::from_secs(1);

/// The most dials in parallel.
const MOST_DIALS: usize = 4;

/// The timeout of a dial.
const DIAL_TIMEOUT: Duration = Duration::from_secs(4);

/// The pause after a failed dial.
const PAUSE: Duration = Duration::from_millis(200);

/// A client that wants a seat.
#[derive(Clone)]
pub struct RawClient {
    /// Its identity.
    pub identity: Identity,
    /// The link that it uses.
    pub link: InviteLink,
    /// The address that it connects from.
    pub from: IpAddr,
    /// The role that it asks for: `musician` or `listener`.
    pub role: &'static str,
    /// What it asks to receive: `separate` or `one`; `None` leaves the choice to the room.
    pub mix: Option<&'static str>,
}

/// A client with a seat. Dropping it closes the control connection.
pub struct RawSession {
    /// The server's answer.
    pub joined: Joined,
    socket: Socket,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Why a client has no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The server refused.
    Refused(Refusal),
    /// There was no answer, or the connection failed.
    NoAnswer,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Refused(reason) => write!(f, "refused ({})", reason.name()),
            JoinError::NoAnswer => f.write_str("no answer"),
        }
    }
}

impl RawClient {
    /// A musician with a new identity.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    #[expect(clippy::expect_used, reason = "nothing works without random numbers")]
    pub fn new(link: &InviteLink, from: IpAddr) -> RawClient {
        let identity = Identity::ephemeral().expect("random numbers");
        RawClient { identity, link: link.clone(), from, role: "musician", mix: None }
    }

    /// This client with a wrong secret.
    pub fn with_wrong_secret(mut self) -> RawClient {
        if let Some(key) = &mut self.link.key {
            key.secret = Secret([9; 16]);
        }
        self
    }

    /// Tries once to join.
    ///
    /// # Errors
    /// When there is no seat.
    pub async fn join_once(&self, resume: Option<&ResumeToken>) -> Result<RawSession, JoinError> {
        timeout(DIAL_TIMEOUT, self.dial(resume)).await.map_err(|_| JoinError::NoAnswer)?
    }

    /// Joins as real clients do: dials again after a failure, and in parallel to a dial that hangs. Returns how long it took.
    ///
    /// # Errors
    /// The last error, when there is no seat within `limit`.
    pub async fn join(
        &self,
        resume: Option<&ResumeToken>,
        limit: Duration,
    ) -> Result<(RawSession, Duration), JoinError> {
        let (began, deadline) = (Instant::now(), Instant::now() + limit);
        let (mut dials, mut last) = (tokio::task::JoinSet::new(), JoinError::NoAnswer);
        let mut next = began;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return Err(last),
                () = tokio::time::sleep_until(next), if dials.len() < MOST_DIALS => {
                    let (client, resume) = (self.clone(), resume.cloned());
                    dials.spawn(async move { client.join_once(resume.as_ref()).await });
                    next = Instant::now() + REDIAL_INTERVAL;
                }
                Some(dial) = dials.join_next(), if !dials.is_empty() => match dial {
                    Ok(Ok(seated)) => return Ok((seated, began.elapsed())),
                    Ok(Err(failed)) => {
                        last = failed;
                        next = next.min(Instant::now() + PAUSE);
                    }
                    Err(_) => last = JoinError::NoAnswer,
                },
            }
        }
    }

    async fn dial(&self, resume: Option<&ResumeToken>) -> Result<RawSession, JoinError> {
        let (mut socket, pin) = self.connect().await.ok_or(JoinError::NoAnswer)?;
        let nonce = loop {
            match receive(&mut socket).await? {
                ServerMessage::Welcome(welcome) => break welcome.nonce,
                ServerMessage::Refused(refused) => return Err(JoinError::Refused(refused.reason)),
                _ => {}
            }
        };
        for message in [self.hello(&nonce, &pin), self.seat(resume)] {
            socket.send(Message::text(message.to_string())).await.map_err(|_| JoinError::NoAnswer)?;
        }
        loop {
            match receive(&mut socket).await? {
                ServerMessage::Joined(joined) => return Ok(RawSession { joined, socket }),
                ServerMessage::Refused(refused) => return Err(JoinError::Refused(refused.reason)),
                _ => {}
            }
        }
    }

    async fn connect(&self) -> Option<(Socket, Pin)> {
        let Trust::Pinned(pin) = self.link.key.as_ref()?.trust else { return None };
        let host: IpAddr = self.link.host.to_string().parse().ok()?;
        let tcp = connect_from(self.from, SocketAddr::new(host, self.link.port)).await?;
        let config = rtjam_client::tls::pinned(pin).ok()?;
        let tls = TlsConnector::from(Arc::new(config)).connect(ServerName::from(host), tcp).await.ok()?;
        let (socket, _) = tokio_tungstenite::client_async(format!("ws://{host}{PATH}"), tls).await.ok()?;
        Some((socket, pin))
    }

    fn hello(&self, nonce: &[u8; 32], pin: &Pin) -> Value {
        json!({
            "type": "hello",
            "version": control::VERSION,
            "musician": b64(&self.identity.musician().0),
            "signature": b64(&self.identity.sign(&signed_text(nonce, pin))),
            "name": "Guest",
            "suites": ["aes-128-gcm"],
        })
    }

    fn seat(&self, resume: Option<&ResumeToken>) -> Value {
        let mut seat = json!({ "type": "seat", "room": self.link.room.as_str(), "role": self.role });
        if let Some(mix) = self.mix {
            seat["mix"] = mix.into();
        }
        if let Some(token) = resume {
            seat["resume"] = b64(&token.0).into();
        } else if let Some(key) = &self.link.key {
            seat["secret"] = b64(&key.secret.0).into();
        }
        seat
    }
}

impl RawSession {
    /// Sends a message.
    ///
    /// # Errors
    /// When the connection has failed.
    pub async fn send(&mut self, message: &Value) -> Result<(), JoinError> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|_| JoinError::NoAnswer)
    }

    /// Waits at most `limit` for the server to close the connection.
    pub async fn is_closed_within(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while receive(&mut self.socket).await.is_ok() {} }).await.is_ok()
    }
}

/// Connects from one address to another; `None` if that fails.
pub async fn connect_from(from: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind(SocketAddr::new(from, 0)).ok()?;
    let stream = socket.connect(to).await.ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}

async fn receive(socket: &mut Socket) -> Result<ServerMessage, JoinError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return control::read(&text).map_err(|_| JoinError::NoAnswer),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(JoinError::NoAnswer),
            Some(Ok(_)) => {}
        }
    }
}

/// Runs `work` on a runtime of the calling thread.
///
/// # Panics
/// When the system gives no runtime.
#[expect(clippy::expect_used, reason = "no attack works without a runtime")]
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(work);
    // Cancels dials that nobody waits for.
    runtime.shutdown_background();
    done
}

/// Sleeps.
pub async fn pause(time: Duration) {
    sleep(time).await;
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
