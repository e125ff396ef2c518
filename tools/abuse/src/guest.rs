//! Control connections: joining, resuming, being refused. Messages are written by hand, as an attacker would.

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

/// A dial that is not open has another beside it after this time, as clients do.
const BESIDE: Duration = Duration::from_secs(1);

/// Dials under way at a time.
const MOST_DIALS: usize = 4;

/// A dial is given up after this time.
const GIVE_UP: Duration = Duration::from_secs(4);

/// The pause after a failed dial.
const PAUSE: Duration = Duration::from_millis(200);

/// Someone who wants a seat.
#[derive(Clone)]
pub struct Guest {
    /// Who they are.
    pub identity: Identity,
    /// The link that they have.
    pub link: InviteLink,
    /// The address that they come from.
    pub from: IpAddr,
    /// What they ask for: `musician` or `listener`.
    pub role: &'static str,
    /// What of the others they wish to be sent: `separate` or `one`; `None`: as the room says.
    pub mix: Option<&'static str>,
}

/// Someone with a seat. Dropping it closes the control connection.
pub struct Seated {
    /// What the server said.
    pub joined: Joined,
    socket: Socket,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The server said so.
    Refused(Refusal),
    /// There was no answer, or the connection broke.
    NoAnswer,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Refused(reason) => write!(f, "refused ({})", reason.name()),
            Failed::NoAnswer => f.write_str("no answer"),
        }
    }
}

impl Guest {
    /// A musician with an identity of their own.
    ///
    /// # Panics
    /// When the system has no random numbers.
    #[expect(clippy::expect_used, reason = "without random numbers nothing works")]
    pub fn new(link: &InviteLink, from: IpAddr) -> Guest {
        let identity = Identity::ephemeral().expect("random numbers");
        Guest { identity, link: link.clone(), from, role: "musician", mix: None }
    }

    /// The same with another secret, which opens nothing.
    pub fn with_wrong_secret(mut self) -> Guest {
        if let Some(key) = &mut self.link.key {
            key.secret = Secret([9; 16]);
        }
        self
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no seat.
    pub async fn ask(&self, resume: Option<&ResumeToken>) -> Result<Seated, Failed> {
        timeout(GIVE_UP, self.dial(resume)).await.map_err(|_| Failed::NoAnswer)?
    }

    /// Asks as a client does: again after a failure, and beside a dial that hangs. Returns how long it took.
    ///
    /// # Errors
    /// What was last said, when there is no seat within `limit`.
    pub async fn insist(&self, resume: Option<&ResumeToken>, limit: Duration) -> Result<(Seated, Duration), Failed> {
        let (began, deadline) = (Instant::now(), Instant::now() + limit);
        let (mut dials, mut last) = (tokio::task::JoinSet::new(), Failed::NoAnswer);
        let mut next = began;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return Err(last),
                () = tokio::time::sleep_until(next), if dials.len() < MOST_DIALS => {
                    let (guest, resume) = (self.clone(), resume.cloned());
                    dials.spawn(async move { guest.ask(resume.as_ref()).await });
                    next = Instant::now() + BESIDE;
                }
                Some(dial) = dials.join_next(), if !dials.is_empty() => match dial {
                    Ok(Ok(seated)) => return Ok((seated, began.elapsed())),
                    Ok(Err(failed)) => {
                        last = failed;
                        next = next.min(Instant::now() + PAUSE);
                    }
                    Err(_) => last = Failed::NoAnswer,
                },
            }
        }
    }

    async fn dial(&self, resume: Option<&ResumeToken>) -> Result<Seated, Failed> {
        let (mut socket, pin) = self.connect().await.ok_or(Failed::NoAnswer)?;
        let nonce = loop {
            match hear(&mut socket).await? {
                ServerMessage::Welcome(welcome) => break welcome.nonce,
                ServerMessage::Refused(refused) => return Err(Failed::Refused(refused.reason)),
                _ => {}
            }
        };
        for message in [self.hello(&nonce, &pin), self.seat(resume)] {
            socket.send(Message::text(message.to_string())).await.map_err(|_| Failed::NoAnswer)?;
        }
        loop {
            match hear(&mut socket).await? {
                ServerMessage::Joined(joined) => return Ok(Seated { joined, socket }),
                ServerMessage::Refused(refused) => return Err(Failed::Refused(refused.reason)),
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

impl Seated {
    /// Says a message.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn say(&mut self, message: &Value) -> Result<(), Failed> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|_| Failed::NoAnswer)
    }

    /// Waits at most `limit` for the server to close the connection.
    pub async fn is_closed_within(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while hear(&mut self.socket).await.is_ok() {} }).await.is_ok()
    }
}

/// A connection from one address to another; `None` when it cannot be had.
pub async fn connect_from(from: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind(SocketAddr::new(from, 0)).ok()?;
    let stream = socket.connect(to).await.ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}

async fn hear(socket: &mut Socket) -> Result<ServerMessage, Failed> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return control::read(&text).map_err(|_| Failed::NoAnswer),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Failed::NoAnswer),
            Some(Ok(_)) => {}
        }
    }
}

/// Runs `work` on a runtime of the calling thread.
///
/// # Panics
/// When the machine gives none.
#[expect(clippy::expect_used, reason = "a machine without it runs nothing")]
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(work);
    // Dials that nobody waits for any more.
    runtime.shutdown_background();
    done
}

/// Waits a moment.
pub async fn pause(time: Duration) {
    sleep(time).await;
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
