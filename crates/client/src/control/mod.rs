//! The control connection: the thread `jam-control`, a tokio runtime of its own.
//!
//! ```text
//!  jam-send ──Command (unbounded, tokio)──▶ jam-control ──▶ one task a connection
//!           ◀──Report (crossbeam, and a wake)──
//! ```
//! It knows nothing of sessions: it dials where it is told to, and passes messages both ways. What touches files or
//! waits for a name server also runs here, so that `jam-send` never does.

mod conversation;
mod dial;
mod error;
mod resolve;
mod tls;

pub(crate) use error::Trouble;
pub use tls::pinned;

use crate::slots::{SlotFile, SlotMap};
use crate::wake::Wake;
use crossbeam_channel::Sender;
use dial::Place;
use resolve::Resolver;
use rtjam_protocol::client::DialId;
use rtjam_protocol::control::{ClientMessage, ServerMessage};
use rtjam_protocol::link::{Host, Pin, Trust};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tls::Tls;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long last words may take when the client ends.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// A connection: which jam of this client, and which of its dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) jam: u32,
    pub(crate) dial: DialId,
}

/// Where a control connection goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) trust: Trust,
}

/// What `jam-send` asks for.
pub(crate) enum Command {
    /// Open a connection; answered by `Opened` or `Closed`.
    Dial(Connection, Target),
    /// Say this.
    Say(Connection, ClientMessage),
    /// Close, once all has been said. Nothing is reported of the connection afterwards, as far as it is not on its way.
    HangUp(Connection),
    /// Look up the host of a media endpoint.
    LookUp { jam: u32, endpoint: usize, host: Host },
    /// Keep these slots.
    SaveSlots(SlotMap),
    /// End; say what was to be said if that is quick.
    Stop,
}

/// What `jam-send` is told.
pub(crate) enum Report {
    /// The slots of last time. The first report of all, if there is a file.
    Slots(SlotMap),
    /// The slots cannot be kept, and why.
    SlotsNotKept(String),
    Opened {
        connection: Connection,
        server: Pin,
        address: SocketAddr,
    },
    Said(Connection, ServerMessage),
    Closed(Connection, Trouble),
    /// An address of a media endpoint, without its port.
    Found {
        jam: u32,
        endpoint: usize,
        address: SocketAddr,
    },
    /// A media endpoint's host has no address, or no name server answers.
    NotFound {
        jam: u32,
    },
}

/// `jam-control`'s way to `jam-send`.
#[derive(Clone)]
pub(crate) struct Reports {
    pub(crate) channel: Sender<Report>,
    pub(crate) wake: Wake,
}

impl Reports {
    fn tell(&self, report: Report) {
        // Without a receiver the client is ending.
        let _ = self.channel.send(report);
        self.wake.wake();
    }
}

/// The body of `jam-control`.
pub(crate) fn run(mut commands: mpsc::UnboundedReceiver<Command>, reports: Reports, slots: Option<SlotFile>) {
    if let Some(file) = &slots {
        match file.read() {
            Ok(map) => reports.tell(Report::Slots(map)),
            Err(why) => reports.tell(Report::SlotsNotKept(why)),
        }
    }
    match runtime() {
        Ok(runtime) => {
            runtime.block_on(Desk::new(reports, slots).serve(commands));
            // Lookups that hang are left to themselves.
            runtime.shutdown_background();
        }
        Err(why) => {
            while let Some(command) = commands.blocking_recv() {
                match command {
                    Command::Dial(connection, _) => {
                        reports.tell(Report::Closed(connection, Trouble::System(why.to_string())));
                    }
                    Command::Stop => return,
                    _ => {}
                }
            }
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("jam-lookup")
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(1))
        .build()
}

/// What `jam-control` holds.
struct Desk {
    reports: Reports,
    resolver: Resolver,
    slots: Option<SlotFile>,
    /// Links of one client mostly trust the same server; reading the system's roots takes a while.
    tls: Option<(Trust, Tls)>,
    /// Dropping the sender hangs up.
    open: HashMap<Connection, mpsc::UnboundedSender<ClientMessage>>,
    tasks: JoinSet<()>,
}

impl Desk {
    fn new(reports: Reports, slots: Option<SlotFile>) -> Desk {
        let (open, tasks) = (HashMap::new(), JoinSet::new());
        Desk { reports, resolver: Resolver::default(), slots, tls: None, open, tasks }
    }

    async fn serve(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Dial(connection, target) => self.dial(connection, target),
                Command::Say(connection, message) => {
                    if let Some(words) = self.open.get(&connection) {
                        let _ = words.send(message);
                    }
                }
                Command::HangUp(connection) => drop(self.open.remove(&connection)),
                Command::LookUp { jam, endpoint, host } => self.look_up(jam, endpoint, &host),
                Command::SaveSlots(map) => self.save(map),
                Command::Stop => break,
            }
            while self.tasks.try_join_next().is_some() {}
        }
        self.open.clear();
        let _ = timeout(LAST_WORDS, async { while self.tasks.join_next().await.is_some() {} }).await;
    }

    fn dial(&mut self, connection: Connection, target: Target) {
        let tls = match self.tls_for(&target.trust) {
            Ok(tls) => tls,
            Err(e) => return self.reports.tell(Report::Closed(connection, Trouble::System(e.to_string()))),
        };
        let (say, words) = mpsc::unbounded_channel();
        self.open.insert(connection, say);
        let place = Place { host: target.host, port: target.port };
        let (resolver, reports) = (self.resolver.clone(), self.reports.clone());
        self.tasks.spawn(conversation::hold(connection, place, tls, resolver, words, reports));
    }

    fn tls_for(&mut self, trust: &Trust) -> Result<Tls, rustls::Error> {
        if let Some((known, tls)) = &self.tls
            && known == trust
        {
            return Ok(tls.clone());
        }
        let tls = Tls::new(trust)?;
        self.tls = Some((*trust, tls.clone()));
        Ok(tls)
    }

    fn look_up(&mut self, jam: u32, endpoint: usize, host: &Host) {
        let (resolver, reports, host) = (self.resolver.clone(), self.reports.clone(), dial::plain_host(host));
        // Not one of the tasks that are waited for at the end: nobody would profit.
        tokio::spawn(async move {
            let found = resolver.resolve(&host).await.ok().and_then(|found| found.first().copied());
            reports.tell(found.map_or(Report::NotFound { jam }, |address| Report::Found { jam, endpoint, address }));
        });
    }

    fn save(&mut self, map: SlotMap) {
        let Some(file) = self.slots.clone() else { return };
        let reports = self.reports.clone();
        self.tasks.spawn(async move {
            let kept = tokio::task::spawn_blocking(move || file.merge(&map)).await;
            if let Ok(Err(why)) = kept {
                reports.tell(Report::SlotsNotKept(why));
            }
        });
    }
}
