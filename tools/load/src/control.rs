//! The control connections of all musicians: a thread with a small runtime of its own.

use futures_util::{SinkExt as _, StreamExt as _};
use rtjam_protocol::client::DialId;
use rtjam_protocol::control::{self, ClientMessage, PATH, ServerMessage};
use rtjam_protocol::link::Pin;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;

/// Connections that are being opened at a time: what a server's backlog and one core take.
const OPENING: usize = 16;

/// A connection: whose, and which of theirs.
pub type Connection = (usize, DialId);

/// What happened on a connection.
pub enum Happened {
    /// Open; the server showed the pinned key.
    Opened,
    /// The server said something.
    Said(ServerMessage),
    /// It ended, or could not be opened.
    Closed,
}

enum Command {
    Dial(Connection),
    Say(Connection, ClientMessage),
    HangUp(Connection),
}

/// All control connections to one server.
pub struct Desk {
    commands: Option<UnboundedSender<Command>>,
    reports: mpsc::Receiver<(Connection, Happened)>,
    thread: Option<JoinHandle<()>>,
}

impl Desk {
    /// Connections to the server at `server`, whose key is pinned by `pin`.
    ///
    /// # Panics
    /// When a thread or a runtime cannot be had.
    pub fn open(server: SocketAddr, pin: Pin) -> Desk {
        let (commands, inbox) = unbounded_channel();
        let (tell, reports) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let serve = move || runtime.block_on(serve(inbox, Dialler::new(server, pin), tell));
        let thread = std::thread::Builder::new().name("load-control".to_owned()).spawn(serve).expect("a thread");
        Desk { commands: Some(commands), reports, thread: Some(thread) }
    }

    /// Opens a connection.
    pub fn dial(&self, connection: Connection) {
        self.tell(Command::Dial(connection));
    }

    /// Says something on one that is open.
    pub fn say(&self, connection: Connection, message: ClientMessage) {
        self.tell(Command::Say(connection, message));
    }

    /// Closes one, once what was said has been sent.
    pub fn hang_up(&self, connection: Connection) {
        self.tell(Command::HangUp(connection));
    }

    /// What happened next, if anything.
    pub fn poll(&self) -> Option<(Connection, Happened)> {
        self.reports.try_recv().ok()
    }

    fn tell(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // Fails only when the thread has panicked, which it has printed.
            let _ = commands.send(command);
        }
    }
}

impl Drop for Desk {
    /// Waits until all has been said.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Dialler {
    server: SocketAddr,
    connector: TlsConnector,
    turns: Arc<tokio::sync::Semaphore>,
}

async fn serve(mut inbox: UnboundedReceiver<Command>, dialler: Dialler, tell: mpsc::Sender<(Connection, Happened)>) {
    let mut open: HashMap<Connection, UnboundedSender<ClientMessage>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Dial(connection) => {
                let (say, words) = unbounded_channel();
                open.insert(connection, say);
                let (dialler, tell) = (dialler.clone(), tell.clone());
                tasks.spawn(async move {
                    // The run may have ended meanwhile; then nobody wants to know.
                    let report = |happened| drop(tell.send((connection, happened)));
                    let _: Option<()> = dialler.converse(words, report).await;
                    report(Happened::Closed);
                });
            }
            Command::Say(connection, message) => {
                if let Some(words) = open.get(&connection) {
                    let _ = words.send(message);
                }
            }
            Command::HangUp(connection) => drop(open.remove(&connection)),
        }
        while tasks.try_join_next().is_some() {}
    }
    open.clear();
    let last_words = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), last_words).await;
}

impl Dialler {
    fn new(server: SocketAddr, pin: Pin) -> Dialler {
        let config = rtjam_client::tls::pinned(pin).expect("a TLS version");
        let turns = Arc::new(tokio::sync::Semaphore::new(OPENING));
        Dialler { server, connector: TlsConnector::from(Arc::new(config)), turns }
    }

    /// The whole life of a connection; `None` when it broke.
    async fn converse(&self, mut words: UnboundedReceiver<ClientMessage>, report: impl Fn(Happened)) -> Option<()> {
        let turn = self.turns.acquire().await.ok()?;
        let tcp = TcpStream::connect(self.server).await.ok()?;
        let _ = tcp.set_nodelay(true);
        let tls = self.connector.connect(ServerName::from(self.server.ip()), tcp).await.ok()?;
        let url = format!("ws://{}{PATH}", self.server);
        let (mut socket, _) = tokio_tungstenite::client_async(url, tls).await.ok()?;
        drop(turn);
        report(Happened::Opened);
        loop {
            tokio::select! {
                word = words.recv() => match word {
                    Some(message) => socket.send(Message::text(control::write(&message))).await.ok()?,
                    None => return socket.close(None).await.ok(),
                },
                heard = socket.next() => {
                    if let Message::Text(text) = heard?.ok()?
                        && let Ok(message) = control::read(&text)
                    {
                        report(Happened::Said(message));
                    }
                }
            }
        }
    }
}
