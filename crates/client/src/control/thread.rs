//! The thread `jam-control`: dials, resolves names and writes the slot file.

use super::channel::{ControlCommand, ControlReport, ControlReports, JamConnection, ServerTarget};
use super::conversation;
use super::dial;
use super::error::ConnectionError;
use super::resolve::Resolver;
use super::tls::TlsClient;
use crate::slots::{SlotFile, SlotMap};
use rtjam_protocol::control::ClientMessage;
use rtjam_protocol::link::{Host, Trust};
use std::collections::HashMap;
use std::io;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long pending messages may take to be sent when the client ends.
const CLOSING_TIME: Duration = Duration::from_millis(150);

/// The body of `jam-control`.
pub(crate) fn run(
    mut commands: mpsc::UnboundedReceiver<ControlCommand>,
    reports: ControlReports,
    slots: Option<SlotFile>,
) {
    if let Some(file) = &slots {
        match file.read() {
            Ok(map) => reports.send(ControlReport::Slots(map)),
            Err(error) => reports.send(ControlReport::SlotsNotSaved(error)),
        }
    }
    match runtime() {
        Ok(runtime) => {
            runtime.block_on(ControlThread::new(reports, slots).serve(commands));
            // Does not wait for name lookups that hang.
            runtime.shutdown_background();
        }
        Err(why) => {
            while let Some(command) = commands.blocking_recv() {
                match command {
                    ControlCommand::Dial(connection, _) => {
                        reports.send(ControlReport::Closed(connection, ConnectionError::System(why.to_string())));
                    }
                    ControlCommand::Stop => return,
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

struct ControlThread {
    reports: ControlReports,
    resolver: Resolver,
    slots: Option<SlotFile>,
    /// The last TLS configuration: reading the system's root certificates takes a while, and most links of one client
    /// trust the same server.
    tls: Option<(Trust, TlsClient)>,
    /// Dropping the sender closes the connection.
    open: HashMap<JamConnection, mpsc::UnboundedSender<ClientMessage>>,
    tasks: JoinSet<()>,
}

impl ControlThread {
    fn new(reports: ControlReports, slots: Option<SlotFile>) -> ControlThread {
        let (open, tasks) = (HashMap::new(), JoinSet::new());
        ControlThread { reports, resolver: Resolver::default(), slots, tls: None, open, tasks }
    }

    async fn serve(mut self, mut commands: mpsc::UnboundedReceiver<ControlCommand>) {
        while let Some(command) = commands.recv().await {
            match command {
                ControlCommand::Dial(connection, target) => self.dial(connection, target),
                ControlCommand::Send(connection, message) => {
                    if let Some(messages) = self.open.get(&connection) {
                        let _ = messages.send(message);
                    }
                }
                ControlCommand::HangUp(connection) => drop(self.open.remove(&connection)),
                ControlCommand::Resolve { jam, endpoint, host } => self.resolve(jam, endpoint, &host),
                ControlCommand::SaveSlots(map) => self.save(map),
                ControlCommand::Stop => break,
            }
            while self.tasks.try_join_next().is_some() {}
        }
        self.open.clear();
        let _ = timeout(CLOSING_TIME, async { while self.tasks.join_next().await.is_some() {} }).await;
    }

    fn dial(&mut self, connection: JamConnection, target: ServerTarget) {
        let tls = match self.tls_for(&target.trust) {
            Ok(tls) => tls,
            Err(e) => {
                return self.reports.send(ControlReport::Closed(connection, ConnectionError::System(e.to_string())));
            }
        };
        let (sender, messages) = mpsc::unbounded_channel();
        self.open.insert(connection, sender);
        let (resolver, reports) = (self.resolver.clone(), self.reports.clone());
        self.tasks.spawn(conversation::run(connection, target, tls, resolver, messages, reports));
    }

    fn tls_for(&mut self, trust: &Trust) -> Result<TlsClient, rustls::Error> {
        if let Some((known, tls)) = &self.tls
            && known == trust
        {
            return Ok(tls.clone());
        }
        let tls = TlsClient::new(trust)?;
        self.tls = Some((*trust, tls.clone()));
        Ok(tls)
    }

    fn resolve(&mut self, jam: u32, endpoint: usize, host: &Host) {
        let (resolver, reports, host) = (self.resolver.clone(), self.reports.clone(), dial::plain_host(host));
        // Not in `tasks`: nothing waits for a lookup when the client ends.
        tokio::spawn(async move {
            let found = resolver.resolve(&host).await.ok().and_then(|found| found.first().copied());
            let report = found.map_or(ControlReport::NotResolved { jam }, |address| ControlReport::Resolved {
                jam,
                endpoint,
                address,
            });
            reports.send(report);
        });
    }

    fn save(&mut self, map: SlotMap) {
        let Some(file) = self.slots.clone() else { return };
        let reports = self.reports.clone();
        self.tasks.spawn(async move {
            let saved = tokio::task::spawn_blocking(move || file.merge(&map)).await;
            if let Ok(Err(error)) = saved {
                reports.send(ControlReport::SlotsNotSaved(error));
            }
        });
    }
}
