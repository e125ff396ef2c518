//! The control connections of all musicians, on a thread with its own runtime.

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

/// The most connections being opened at a time, which the server's backlog and one core can handle.
const OPENING: usize = 16;

/// A connection: the index of its musician, and its dial.
pub type LoadConnection = (usize, DialId);

/// An event of a connection.
pub enum ConnectionEvent {
    /// It is open, and the server has the pinned key.
    Opened,
    /// The server has sent a message.
    Said(ServerMessage),
    /// It has ended or could not be opened.
    Closed,
}

enum Command {
    Dial(LoadConnection),
    Say(LoadConnection, ClientMessage),
    HangUp(LoadConnection),
}

/// All control connections to one server.
pub struct ControlConnections {
    commands: Option<UnboundedSender<Command>>,
    reports: mpsc::Receiver<(LoadConnection, ConnectionEvent)>,
    thread: Option<JoinHandle<()>>,
}

impl ControlConnections {
    /// Starts a thread for connections to the server at `server`, whose key must match `pin`.
    ///
    /// # Panics
    /// When the system gives no thread or no runtime.
    pub fn open(server: SocketAddr, pin: Pin) -> ControlConnections {
        let (commands, inbox) = unbounded_channel();
        let (tell, reports) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let serve = move || runtime.block_on(serve(inbox, Dialler::new(server, pin), tell));
        let thread = std::thread::Builder::new().name("load-control".to_owned()).spawn(serve).expect("a thread");
        ControlConnections { commands: Some(commands), reports, thread: Some(thread) }
    }

    /// Opens a connection.
    pub fn dial(&self, connection: LoadConnection) {
        self.tell(Command::Dial(connection));
    }

    /// Sends a message on an open connection.
    pub fn say(&self, connection: LoadConnection, message: ClientMessage) {
        self.tell(Command::Say(connection, message));
    }

    /// Closes a connection after its messages have been sent.
    pub fn hang_up(&self, connection: LoadConnection) {
        self.tell(Command::HangUp(connection));
    }

    /// The next event, if there is one.
    pub fn poll(&self) -> Option<(LoadConnection, ConnectionEvent)> {
        self.reports.try_recv().ok()
    }

    fn tell(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // Fails only when the thread has panicked, which it has already printed.
            let _ = commands.send(command);
        }
    }
}

impl Drop for ControlConnections {
    /// Waits until all messages have been sent.
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
    opening: Arc<tokio::sync::Semaphore>,
}

async fn serve(
    mut inbox: UnboundedReceiver<Command>,
    dialler: Dialler,
    tell: mpsc::Sender<(LoadConnection, ConnectionEvent)>,
) {
    let mut open: HashMap<LoadConnection, UnboundedSender<ClientMessage>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Dial(connection) => {
                let (say, messages) = unbounded_channel();
                open.insert(connection, say);
                let (dialler, tell) = (dialler.clone(), tell.clone());
                tasks.spawn(async move {
                    // Fails when the run has ended.
                    let report = |event| drop(tell.send((connection, event)));
                    let _: Option<()> = dialler.converse(messages, report).await;
                    report(ConnectionEvent::Closed);
                });
            }
            Command::Say(connection, message) => {
                if let Some(messages) = open.get(&connection) {
                    let _ = messages.send(message);
                }
            }
            Command::HangUp(connection) => drop(open.remove(&connection)),
        }
        while tasks.try_join_next().is_some() {}
    }
    open.clear();
    let flushed = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), flushed).await;
}

impl Dialler {
    fn new(server: SocketAddr, pin: Pin) -> Dialler {
        let config = rtjam_client::tls::pinned(pin).expect("a TLS version");
        let opening = Arc::new(tokio::sync::Semaphore::new(OPENING));
        Dialler { server, connector: TlsConnector::from(Arc::new(config)), opening }
    }

    /// Serves a connection until it ends; `None` if it failed.
    async fn converse(
        &self,
        mut messages: UnboundedReceiver<ClientMessage>,
        report: impl Fn(ConnectionEvent),
    ) -> Option<()> {
        let permit = self.opening.acquire().await.ok()?;
        let tcp = TcpStream::connect(self.server).await.ok()?;
        let _ = tcp.set_nodelay(true);
        let tls = self.connector.connect(ServerName::from(self.server.ip()), tcp).await.ok()?;
        let url = format!("ws://{}{PATH}", self.server);
        let (mut socket, _) = tokio_tungstenite::client_async(url, tls).await.ok()?;
        drop(permit);
        report(ConnectionEvent::Opened);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => socket.send(Message::text(control::write(&message))).await.ok()?,
                    None => return socket.close(None).await.ok(),
                },
                received = socket.next() => {
                    if let Message::Text(text) = received?.ok()?
                        && let Ok(message) = control::read(&text)
                    {
                        report(ConnectionEvent::Said(message));
                    }
                }
            }
        }
    }
}
