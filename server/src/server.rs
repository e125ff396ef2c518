//! A server: its parts put together, and taken apart again.

use crate::acceptor::{self, AcceptorThread};
use crate::address::{ServerAddress, advertised_address};
use crate::classic::{self, ClassicSettings};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, FIRST_ROOM};
use crate::data_dir::{self, ServerLock};
use crate::http::{HttpService, MetricsSources};
use crate::identity::ServerIdentity;
use crate::limits::{HalfOpenConnections, LimitSettings, Limits, Network, SeatedAddresses};
use crate::listen::{self, BoundAddress};
use crate::lobby::{self, Input, Lobby};
use crate::media::{MOST_THREADS, Media, Totals};
use crate::reload::{self, Reloader};
use crate::store::Store;
use crate::system::Random;
use crate::thread_exit::{ExitGuard, ExitNotifier, ThreadExits};
use crate::{Failure, invite};
use rtjam_protocol::control::{MediaEndpoint, TransportKind};
use rtjam_protocol::link::{Host, Role};
use rtjam_protocol::room::{self, Rooms};
use rtjam_protocol::seal::ring::{preferred_suites, verify};
use rtjam_protocol::{Micros, RoomName};
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};

/// Going down must end within a second; farewells get these parts of it.
const MEDIA_FAREWELL: Duration = Duration::from_millis(400);
const CONTROL_FAREWELL: Duration = Duration::from_millis(400);

const COUNTERS_EVERY: Duration = Duration::from_secs(60);

/// A server whose sockets are open, and that does not serve yet.
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
    gather: Micros,
    classic: Option<(UdpSocket, ClassicSettings)>,
    lock: ServerLock,
}

impl Server {
    /// Takes the data folder and the sockets. Blocks.
    ///
    /// # Errors
    /// When one of them cannot be had.
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
        let classic = match &config.classic {
            Some(settings) => {
                store.ensure_room(&settings.room, &mut Random::new())?;
                Some((classic::bind(settings.listen)?, settings.clone()))
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
        let rooms = Rooms::new(room::Config {
            pins,
            suites: preferred_suites().to_vec(),
            media: media_endpoints(address.port, &bound),
            media_threads: u8::try_from(threads).unwrap_or(MOST_THREADS),
            max_musicians: config.max_musicians,
            max_listeners: config.max_listeners,
            caps: config.caps,
            verify,
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
            gather: Micros(config.gather_us.into()),
            classic,
            lock,
        })
    }

    /// The web page's URL.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// A musician's link to the first room. It is a secret.
    pub fn invite(&self) -> &str {
        &self.invite
    }

    /// What to tell the operator when link and page do not work from everywhere.
    pub fn address_warning(&self) -> Option<&str> {
        self.address_warning.as_deref()
    }

    /// Where it listens, with the real ports.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|b| b.address).collect()
    }

    /// Where classic packets are taken, with the real port, and in which room they play.
    pub fn classic(&self) -> Option<(SocketAddr, &RoomName)> {
        let (socket, settings) = self.classic.as_ref()?;
        Some((socket.local_addr().unwrap_or(settings.listen), &settings.room))
    }

    /// Serves until `shutdown` comes, then says farewell to everyone, within a second. New settings come by `reloads`.
    ///
    /// # Errors
    /// When a thread or a socket cannot be set up.
    pub async fn run(self, shutdown: impl Future<Output = ()>, reloads: mpsc::Receiver<Config>) -> Result<(), Failure> {
        let (notices, ends) = ExitNotifier::new();
        self.run_noticing(shutdown, reloads, &notices, ends).await
    }

    /// The same; a thread that ends by itself, which `ends` tells, ends the server.
    async fn run_noticing(
        mut self,
        shutdown: impl Future<Output = ()>,
        mut reloads: mpsc::Receiver<Config>,
        notices: &ExitNotifier,
        mut ends: ThreadExits,
    ) -> Result<(), Failure> {
        let cannot = |e: std::io::Error| Failure::new(format!("The server could not start: {e}. Try again."));
        let (lobby_in, inputs) = mpsc::channel(lobby::QUEUE);
        let ports = self.bound.iter().map(|b| b.address.port()).collect();
        let clock = Clock::start();
        let limit_loopback = self.limits.limit_loopback;
        let classic = self.classic.map(|(socket, settings)| {
            let notice = notices.guard("classic");
            classic::start(socket, settings.room, &self.bound, clock, lobby_in.clone(), limit_loopback, notice)
        });
        let (classic, desk) = classic.transpose().map_err(cannot)?.unzip();
        let mut listeners = Vec::new();
        let threads = self.bound.first().map_or(1, |b| b.udp.len());
        let mut media_sockets: Vec<Vec<UdpSocket>> = (0..threads).map(|_| Vec::new()).collect();
        for BoundAddress { address, tcp, udp } in self.bound {
            tracing::info!("listening on {address}, TCP and UDP");
            listeners.push(tcp);
            media_sockets.iter_mut().zip(udp).for_each(|(of_thread, socket)| of_thread.push(socket));
        }
        tracing::info!("media threads: {threads}");
        let (media, totals) = Media::start(media_sockets, clock, self.gather, &lobby_in, notices).map_err(cannot)?;
        let seated = SeatedAddresses::default();
        let limits = Limits::new(self.limits, seated.clone()).exempting(self.exempt_networks);
        let lobby = Lobby::new(self.rooms, self.store, media, limits, clock, desk);
        let mut lobby_done = start_lobby(lobby, inputs, notices.guard("lobby")).map_err(cannot)?;

        let figures = MetricsSources { media: totals.clone(), clock, ports };
        let main = tokio::runtime::Handle::current();
        let http = HttpService::new(lobby_in.clone(), self.reloader.live(), limit_loopback, figures, main.clone());
        let (strangers, known) = acceptor::half_open_capacity();
        let places = HalfOpenConnections::new(clock, seated, strangers, known);
        let notice = notices.guard("acceptor");
        let mut acceptor = AcceptorThread::start(listeners, http.clone(), places, main, notice).map_err(cannot)?;
        let logging = tokio::spawn(log_counters(totals.clone()));
        let mut shutdown = pin!(shutdown);
        let outcome = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                // Only a panic ends a thread before it is told to. Whoever supervises the server starts it anew.
                Some(thread) = ends.recv() => break Err(ended_by_itself(thread)),
                Some(config) = reloads.recv() => self.reloader.apply(config, &lobby_in).await,
            }
        };

        acceptor.stop();
        logging.abort();
        if outcome.is_ok() {
            let farewell = async {
                // Neither fails but by the lobby's having ended already.
                let _ = lobby_in.send(Input::GoingDown).await;
                let _ = (&mut lobby_done).await;
            };
            if timeout(MEDIA_FAREWELL, farewell).await.is_err() {
                tracing::warn!("the disk does not answer; some musicians were not told that the server goes down");
            }
        }
        drop(classic);
        let _ = timeout(CONTROL_FAREWELL, http.controls_closed()).await;
        drop(acceptor);
        tracing::info!("{totals}");
        drop(self.lock);
        outcome
    }

    /// Serves in a runtime of its own until SIGTERM, SIGINT or Ctrl-C; calls `announce` once connections are taken. On
    /// SIGHUP it takes over the settings that `reread` gives.
    ///
    /// # Errors
    /// When the server cannot start.
    pub fn run_until_signal(
        config: &Config,
        announce: impl FnOnce(&Server),
        reread: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
    ) -> Result<(), Failure> {
        let cannot = |e: std::io::Error| Failure::new(format!("The server could not start: {e}. Try again."));
        // One thread is plenty: media have their own, and so does the store.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let result = runtime.block_on(async {
            // Before anyone can see that the server is there.
            let shutdown = signals().map_err(cannot)?;
            let reloads = reloads(reread).map_err(cannot)?;
            let server = Server::bind(config)?;
            announce(&server);
            server.run(shutdown, reloads).await
        });
        runtime.shutdown_background();
        result
    }
}

fn ended_by_itself(thread: &str) -> Failure {
    Failure::new(format!(
        "The {thread} thread ended by itself, and nobody can play without it. Start the server again."
    ))
}

/// The lobby blocks on the store; it has a thread of its own. What is returned resolves when it has ended.
fn start_lobby(
    lobby: Lobby,
    inputs: mpsc::Receiver<Input>,
    notice: ExitGuard,
) -> std::io::Result<oneshot::Receiver<()>> {
    let (done, ended) = oneshot::channel();
    let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("lobby".to_owned()).stack_size(512 * 1024).spawn(move || {
        let _notice = notice;
        lobby.run(inputs, &timer);
        // Fails when the server did not wait for the farewells to end.
        let _ = done.send(());
    })?;
    Ok(ended)
}

/// Processors that this process may use.
fn processors() -> u8 {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    u8::try_from(available).unwrap_or(MOST_THREADS).min(MOST_THREADS)
}

async fn log_counters(totals: Totals) {
    let mut minute = interval(COUNTERS_EVERY);
    minute.tick().await;
    loop {
        minute.tick().await;
        tracing::debug!("{totals}");
    }
}

/// The port that links say first, for it may be forwarded to ours; then our own.
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

/// The settings as they are after each SIGHUP.
#[cfg(unix)]
fn reloads(
    reread: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> std::io::Result<mpsc::Receiver<Config>> {
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    let (configs, reloads) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match reread() {
                // Fails when the server ends.
                Ok(config) => drop(configs.send(config).await),
                Err(e) => tracing::error!("{e} All settings stay as they are."),
            }
        }
    });
    Ok(reloads)
}

/// Elsewhere settings are read once.
#[cfg(not(unix))]
fn reloads(_: impl Fn() -> Result<Config, ConfigError>) -> std::io::Result<mpsc::Receiver<Config>> {
    Ok(mpsc::channel(1).1)
}

#[cfg(unix)]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // An error means that there is no such signal here; then nobody can send it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::store::tests::TempDir;

    /// Whichever thread it is: the process ends with an error that names it.
    #[test]
    fn a_panic_of_any_thread_ends_the_server() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for thread in ["classic", "mixer", "media", "lobby", "acceptor"] {
            let dir = TempDir::new();
            let settings = Settings::parse("listen = \"127.0.0.1:0\"\nclassic = \"127.0.0.1:0\"").expect("keys");
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
                server.run_noticing(panics, mpsc::channel(1).1, &notices, ends).await
            });
            let sentence = outcome.expect_err("an end").to_string();
            assert!(sentence.contains(&format!("The {thread} thread ended by itself")), "{sentence}");
        }
    }
}
