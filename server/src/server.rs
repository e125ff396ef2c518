//! Starts and stops the parts of a server.

use crate::acceptor::{self, AcceptorThread};
use crate::address::{ServerAddress, advertised_address};
use crate::config::{Config, ConfigError, FIRST_ROOM};
use crate::data_dir::{self, ServerLock};
use crate::failure::Failure;
use crate::failure::{ExitGuard, ExitNotifier, ThreadExits};
use crate::gateway::legacy::{self, LegacySettings};
use crate::http::{HttpService, MetricsSources};
use crate::identity::ServerIdentity;
use crate::invite;
use crate::limits::{AddressCounts, HalfOpenConnections, LimitSettings, Limits, Network};
use crate::listen::{self, BoundAddress};
use crate::media::{MAX_THREADS, MediaThreads, MediaTotals};
use crate::platform::{ReloadRequests, shutdown_requested};
use crate::real_time::ServerClock;
use crate::reload::{self, Reloader};
use crate::rooms::actor::RoomsActor;
use crate::rooms::messages::{RoomsCommand, RoomsHandle, RoomsInput};
use crate::store::Store;
use crate::system::Random;
use rtjam_protocol::control::{MediaEndpoint, Release, TransportKind};
use rtjam_protocol::link::{Host, Role};
use rtjam_protocol::seal::ring::{preferred_suites, verify};
use rtjam_protocol::server::rooms::{self, Rooms};
use rtjam_protocol::{Micros, RoomName};
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};

/// The parts of the second in which the server shuts down: for goodbyes on the media path and on control connections.
const MEDIA_GOODBYE: Duration = Duration::from_millis(400);
const CONTROL_GOODBYE: Duration = Duration::from_millis(400);

const LOG_TOTALS_EVERY: Duration = Duration::from_secs(60);

/// A server whose sockets are open. It does not serve until [`Server::run`].
pub struct Server {
    bound: Vec<BoundAddress>,
    rooms: Rooms,
    store: Store,
    page: String,
    invite: String,
    address_warning: Option<String>,
    limits: LimitSettings,
    exempt_networks: Vec<Network>,
    reloader: Reloader,
    batch_wait: Micros,
    legacy: Option<(UdpSocket, LegacySettings)>,
    actor: (RoomsHandle, mpsc::Receiver<RoomsInput>),
    lock: ServerLock,
}

impl Server {
    /// Locks the data folder and opens the sockets. Blocks.
    ///
    /// # Errors
    /// When one of them is not available.
    pub fn bind(config: &Config) -> Result<Server, Failure> {
        data_dir::create(&config.data)?;
        let lock = data_dir::lock(&config.data)?;
        let mut store = Store::open(&config.data)?;
        let identity = ServerIdentity::load(&mut store)?;
        let (live, pins) = reload::load(&identity, config)?;
        let lobby = RoomName::new(FIRST_ROOM).map_err(|e| Failure::new(e.to_string()))?;
        store.ensure_room(&lobby, &mut Random::new())?;

        let threads = config.media_threads.unwrap_or_else(processors);
        let bound = listen::bind(config.listen.as_deref(), threads)?;
        let threads = bound.first().map_or(1, |b| b.udp.len());
        let legacy = match &config.classic {
            Some(settings) => {
                store.ensure_room(&settings.room, &mut Random::new())?;
                Some((legacy::bind(settings.listen)?, settings.clone()))
            }
            None => None,
        };
        let reachable = ServerAddress {
            public: config.public_address.clone(),
            listen_ip: listen::specific_ip(&bound),
            listen_port: bound.first().map(|b| b.address.port()),
        };
        if store.server_address()? != reachable {
            store.set_server_address(&reachable)?;
        }
        store.clear_commands()?;
        store.relax_durability()?;
        let address = advertised_address(&reachable);
        let link = invite::link(&store, &lobby, Role::Musician, identity.pin, &address)?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let rooms = Rooms::new(rooms::RoomsConfig {
            pins,
            suites: preferred_suites().to_vec(),
            media: media_endpoints(address.port, &bound),
            media_threads: u8::try_from(threads).unwrap_or(MAX_THREADS),
            max_musicians: config.max_musicians,
            max_listeners: config.max_listeners,
            caps: config.caps,
            verify,
            release: Release::OWN,
        });
        Ok(Server {
            page: page_url(scheme, &address.host, address.port),
            invite: link.to_string(),
            address_warning: address.warning,
            limits: config.limits,
            exempt_networks: config.exempt_networks.clone(),
            reloader: Reloader::new(config.clone(), identity, live),
            bound,
            rooms,
            store,
            batch_wait: Micros(config.gather_us.into()),
            legacy,
            actor: RoomsHandle::channel(),
            lock,
        })
    }

    /// URL of the web page.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// A musician's link to the first room, which is a secret.
    pub fn invite(&self) -> &str {
        &self.invite
    }

    /// A hint for the operator when link and page do not work from everywhere.
    pub fn address_warning(&self) -> Option<&str> {
        self.address_warning.as_deref()
    }

    /// The addresses on which it listens, with the real ports.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|b| b.address).collect()
    }

    /// The address for legacy rtjam packets, with the real port, and the room in which their senders play.
    pub fn legacy(&self) -> Option<(SocketAddr, &RoomName)> {
        let (socket, settings) = self.legacy.as_ref()?;
        Some((socket.local_addr().unwrap_or(settings.listen), &settings.room))
    }

    /// Queries and commands to the rooms. They are answered while the server runs.
    pub fn rooms(&self) -> RoomsHandle {
        self.actor.0.clone()
    }

    /// Serves until `shutdown` resolves, then says goodbye to all clients, within a second. `reloads` brings new settings.
    ///
    /// # Errors
    /// When a thread or a socket cannot be set up, or a thread ends by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()>, reloads: mpsc::Receiver<Config>) -> Result<(), Failure> {
        let (notices, ends) = ExitNotifier::new();
        self.run_watched(shutdown, reloads, &notices, ends).await
    }

    /// The same. A thread that ends by itself is reported by `ends` and ends the server.
    async fn run_watched(
        mut self,
        shutdown: impl Future<Output = ()>,
        mut reloads: mpsc::Receiver<Config>,
        notices: &ExitNotifier,
        mut ends: ThreadExits,
    ) -> Result<(), Failure> {
        let (rooms, inputs) = self.actor;
        let ports = self.bound.iter().map(|b| b.address.port()).collect();
        let clock = ServerClock::start();
        let limit_loopback = self.limits.limit_loopback;
        let legacy = self.legacy.map(|(socket, settings)| {
            let notice = notices.guard("classic");
            legacy::start(socket, settings.room, &self.bound, clock, rooms.clone(), limit_loopback, notice)
        });
        let (legacy_thread, legacy) = legacy.transpose().map_err(Failure::at_start)?.unzip();
        let mut listeners = Vec::new();
        let threads = self.bound.first().map_or(1, |b| b.udp.len());
        let mut media_sockets: Vec<Vec<UdpSocket>> = (0..threads).map(|_| Vec::new()).collect();
        for BoundAddress { address, tcp, udp } in self.bound {
            tracing::info!("listening on {address}, TCP and UDP");
            listeners.push(tcp);
            media_sockets.iter_mut().zip(udp).for_each(|(of_thread, socket)| of_thread.push(socket));
        }
        tracing::info!("media threads: {threads}");
        let started = MediaThreads::start(media_sockets, clock, self.batch_wait, &rooms, notices);
        let (media, totals) = started.map_err(Failure::at_start)?;
        let seated = AddressCounts::default();
        let limits = Limits::new(self.limits, seated.clone()).exempting(self.exempt_networks);
        let actor = RoomsActor::new(self.rooms, self.store, media, limits, clock);
        let mut actor_done = start_actor(actor, inputs, notices.guard("rooms")).map_err(Failure::at_start)?;

        let figures = MetricsSources { media: totals.clone(), legacy, clock, ports };
        let main = tokio::runtime::Handle::current();
        let http = HttpService::new(rooms.clone(), self.reloader.live(), limit_loopback, figures, main.clone());
        let (strangers, known) = acceptor::half_open_capacity();
        let places = HalfOpenConnections::new(clock, seated, strangers, known);
        let notice = notices.guard("acceptor");
        let mut acceptor =
            AcceptorThread::start(listeners, http.clone(), places, main, notice).map_err(Failure::at_start)?;
        let logging = tokio::spawn(log_totals(totals.clone()));
        let mut shutdown = pin!(shutdown);
        let outcome = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                // Only a panic ends a thread early. A supervisor restarts the server.
                Some(thread) = ends.recv() => break Err(Failure::ended_by_itself(thread)),
                Some(config) = reloads.recv() => self.reloader.apply(config, &rooms).await,
            }
        };

        acceptor.stop();
        logging.abort();
        if outcome.is_ok() {
            let goodbye = async {
                // Both fail only if the actor has ended already.
                let _ = rooms.send(RoomsInput::Command(RoomsCommand::ShutDown)).await;
                let _ = (&mut actor_done).await;
            };
            if timeout(MEDIA_GOODBYE, goodbye).await.is_err() {
                tracing::warn!("the disk does not respond; some musicians were not told that the server is going down");
            }
        }
        drop(legacy_thread);
        let _ = timeout(CONTROL_GOODBYE, http.controls_closed()).await;
        drop(acceptor);
        tracing::info!("{totals}");
        drop(self.lock);
        outcome
    }

    /// Serves in a runtime of its own until SIGTERM, SIGINT or Ctrl-C. Calls `announce` once the sockets are open. On SIGHUP it
    /// applies the settings that `reread` returns.
    ///
    /// # Errors
    /// When the server cannot start.
    pub fn run_until_signal(
        config: &Config,
        announce: impl FnOnce(&Server),
        reread: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
    ) -> Result<(), Failure> {
        // One thread suffices: the media path and the store have their own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::at_start)?;
        let result = runtime.block_on(async {
            // Signals are caught before anybody can see the server.
            let shutdown = shutdown_requested().map_err(Failure::at_start)?;
            let reloads = reloads(reread).map_err(Failure::at_start)?;
            let server = Server::bind(config)?;
            announce(&server);
            server.run(shutdown, reloads).await
        });
        runtime.shutdown_background();
        result
    }
}

/// Starts the rooms actor on a thread of its own, because it blocks on the store. The receiver resolves when it has ended.
fn start_actor(
    actor: RoomsActor,
    inputs: mpsc::Receiver<RoomsInput>,
    notice: ExitGuard,
) -> std::io::Result<oneshot::Receiver<()>> {
    let (done, ended) = oneshot::channel();
    let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("rooms".to_owned()).stack_size(512 * 1024).spawn(move || {
        let _notice = notice;
        actor.run(inputs, &timer);
        // Fails when the server did not wait for the goodbyes.
        let _ = done.send(());
    })?;
    Ok(ended)
}

/// How many processors this process may use.
fn processors() -> u8 {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    u8::try_from(available).unwrap_or(MAX_THREADS).min(MAX_THREADS)
}

async fn log_totals(totals: MediaTotals) {
    let mut minute = interval(LOG_TOTALS_EVERY);
    minute.tick().await;
    loop {
        minute.tick().await;
        tracing::debug!("{totals}");
    }
}

/// Endpoints for media: the port that links state, which a router may forward to the server, then the server's own ports.
fn media_endpoints(advertised_port: u16, bound: &[BoundAddress]) -> Vec<MediaEndpoint> {
    let mut ports = vec![advertised_port];
    for port in bound.iter().map(|b| b.address.port()) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports.into_iter().map(|port| MediaEndpoint { host: None, port, kind: TransportKind::Udp }).collect()
}

fn page_url(scheme: &str, host: &Host, port: u16) -> String {
    match (scheme, port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}/"),
        _ => format!("{scheme}://{host}:{port}/"),
    }
}

/// Reads the settings again on each request.
fn reloads(
    reread: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> std::io::Result<mpsc::Receiver<Config>> {
    let mut requests = ReloadRequests::new()?;
    let (configs, reloads) = mpsc::channel(1);
    tokio::spawn(async move {
        while requests.next().await.is_some() {
            match reread() {
                // Fails when the server ends.
                Ok(config) => drop(configs.send(config).await),
                Err(sentence) => tracing::error!("{sentence} All settings stay as they are."),
            }
        }
    });
    Ok(reloads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerSettings;
    use crate::store::tests::TempDir;
    use std::path::Path;

    /// When any thread panics, the server ends with an error that names the thread.
    #[test]
    fn panicking_thread_ends_server() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for thread in ["classic", "mixer", "media", "rooms", "acceptor"] {
            let dir = TempDir::new();
            let settings =
                ServerSettings::parse("listen = \"127.0.0.1:0\"\nclassic = \"127.0.0.1:0\"", Path::new("test"))
                    .expect("keys");
            let config = Config::new(settings, dir.0.clone()).expect("complete");
            let server = Server::bind(&config).expect("bound");
            let (notices, ends) = ExitNotifier::new();
            let notice = notices.guard(thread);
            let outcome = runtime.block_on(async {
                let panics = async {
                    let _ = tokio::task::spawn_blocking(move || {
                        let _notice = notice;
                        panic!("on purpose");
                    })
                    .await;
                    std::future::pending::<()>().await;
                };
                server.run_watched(panics, mpsc::channel(1).1, &notices, ends).await
            });
            let sentence = outcome.expect_err("an end").to_string();
            assert!(sentence.contains(&format!("The {thread} thread ended unexpectedly")), "{sentence}");
        }
    }
}
