//! The state that all handlers share.

use super::token::MetricsToken;
use crate::gateway::legacy::LegacyCounters;
use crate::limits::{ConnectionLimit, ProxySettings};
use crate::media::MediaTotals;
use crate::real_time::ServerClock;
use crate::rooms::messages::{RoomsHandle, ServerStatus};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The most control connections, seated or not.
const MAX_CONTROLS: usize = 4096;

/// The most control connections of one address that are seated or watch a room: more than it can have sessions.
const MAX_PER_ADDRESS: u32 = 600;

/// How long the rooms actor can take to answer.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The part of the server that speaks HTTP. Clones share their state.
#[derive(Clone)]
pub struct HttpService {
    pub(super) rooms: RoomsHandle,
    live: Arc<ArcSwap<LiveSettings>>,
    pub(super) connection_limit: ConnectionLimit,
    pub(super) metrics: Arc<MetricsSources>,
    pub(super) controls: Arc<Semaphore>,
    pub(super) next_connection: Arc<AtomicU64>,
    /// The last answer to `/health`, and when the rooms actor gave it.
    pub(super) health: Arc<tokio::sync::Mutex<Option<(Instant, Health)>>>,
    /// The runtime for seated control connections.
    pub(super) seated: Handle,
}

/// The settings for connections that can change while the server runs.
pub struct LiveSettings {
    /// The TLS configuration of new connections.
    pub tls: Arc<ServerConfig>,
    /// How proxies tell where a request came from.
    pub proxies: ProxySettings,
    /// Lets other machines read `/metrics`.
    pub metrics_token: Option<MetricsToken>,
}

/// What `/metrics` reads besides the rooms actor's figures.
#[derive(Clone, Debug)]
pub struct MetricsSources {
    /// The counters of the media threads.
    pub media: MediaTotals,
    /// Counters of the legacy gateway, if it runs.
    pub legacy: Option<Arc<LegacyCounters>>,
    /// The server's clock, which began at its start.
    pub clock: ServerClock,
    /// The ports of the media sockets.
    pub ports: Vec<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    StoreFails,
    NoAnswer,
}

/// How a request arrived.
#[derive(Clone, Copy)]
pub(super) struct RequestSource {
    pub(super) peer: IpAddr,
    pub(super) over_tls: bool,
}

impl HttpService {
    /// Control connections talk to `rooms`, and run on the runtime `seated` once they are seated.
    pub fn new(
        rooms: RoomsHandle,
        live: Arc<ArcSwap<LiveSettings>>,
        limit_loopback: bool,
        metrics: MetricsSources,
        seated: Handle,
    ) -> HttpService {
        HttpService {
            rooms,
            live,
            connection_limit: ConnectionLimit::new(MAX_PER_ADDRESS, limit_loopback),
            metrics: Arc::new(metrics),
            controls: Arc::new(Semaphore::new(MAX_CONTROLS)),
            next_connection: Arc::new(AtomicU64::new(1)),
            health: Arc::default(),
            seated,
        }
    }

    /// The server's clock.
    pub fn clock(&self) -> ServerClock {
        self.metrics.clock
    }

    /// The TLS configuration for a new connection.
    pub fn tls(&self) -> Arc<ServerConfig> {
        self.live.load().tls.clone()
    }

    /// Whether `peer` is a trusted proxy.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.live.load().proxies.trusted.trusts(peer)
    }

    /// Refuses new control connections, and returns when the last one has closed.
    pub async fn controls_closed(&self) {
        // Fails only on a closed semaphore, which this one never is.
        let _ = self.controls.acquire_many(MAX_CONTROLS as u32).await;
    }

    pub(super) fn live(&self) -> arc_swap::Guard<Arc<LiveSettings>> {
        self.live.load()
    }

    /// The rooms actor's figures; `None` if it does not answer in time.
    pub(super) async fn describe(&self) -> Option<ServerStatus> {
        timeout(DESCRIBE_TIMEOUT, self.rooms.status()).await.ok().flatten()
    }
}
