//! One TCP port for the web page, plain or over TLS, and for control connections, over TLS alone.

use crate::acceptor::Place;
use crate::control::{ControlConnection, PhaseEnd};
use crate::gateway::legacy::LegacyCounters;
use crate::limits::{Bucket, Doors, Stage, TrustedProxies};
use crate::media::MediaTotals;
use crate::metrics;
use crate::real_time::ServerClock;
use crate::rooms::messages::{RoomsHandle, ServerStatus};
use crate::token::Token;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rtjam_protocol::Micros;
use rtjam_protocol::control::{MAX_TEXT, PATH};
use rtjam_protocol::server::rooms::ConnectionId;
use rustls::ServerConfig;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const PAGE: &str = include_str!("page/join.html");
const STYLE: &str = include_str!("page/style.css");

/// A request's head must be there within this.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// Control connections, seated or not yet.
const MAX_CONTROLS: usize = 4096;

/// Control connections of one address that are seated or watch a room: more than the sessions that it may have.
const MAX_PER_ADDRESS: u32 = 600;

/// Requests that a connection may make at once; after that one is answered each of [`A_REQUEST_EVERY`].
const REQUESTS_AT_ONCE: u32 = 50;
const A_REQUEST_EVERY: Micros = Micros::from_millis(50);

/// For how long an answer of the lobby about its health is good.
const HEALTH_IS_GOOD_FOR: Duration = Duration::from_millis(250);

/// The part of the server that speaks HTTP.
#[derive(Clone)]
pub struct Http {
    rooms: RoomsHandle,
    live: Arc<ArcSwap<Live>>,
    doors: Doors,
    figures: Arc<FiguresAt>,
    controls: Arc<Semaphore>,
    next_connection: Arc<AtomicU64>,
    health: Arc<tokio::sync::Mutex<Option<(Instant, Health)>>>,
    /// Where seated control connections are served.
    seated: Handle,
}

/// What can change while the server runs.
pub struct Live {
    /// For each new connection.
    pub tls: Arc<ServerConfig>,
    /// Whose word is taken for where a request came from.
    pub proxies: Proxies,
    /// Other machines that send this are shown `/metrics`.
    pub metrics_token: Option<Token>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    CannotStore,
    NoAnswer,
}

/// Whose word is taken for where a request came from.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Who.
    pub trusted: TrustedProxies,
    /// In which header they say it.
    pub header: HeaderName,
}

/// What `/metrics` tells besides what the lobby knows.
#[derive(Clone, Debug)]
pub struct FiguresAt {
    /// Totals of the media threads and the mixer.
    pub media: MediaTotals,
    /// Counters of the legacy gateway, if it runs.
    pub legacy: Option<Arc<LegacyCounters>>,
    /// Began with the server.
    pub clock: ServerClock,
    /// Of the media sockets.
    pub ports: Vec<u16>,
}

/// How a request came.
#[derive(Clone, Copy)]
struct Came {
    peer: IpAddr,
    over_tls: bool,
}

impl Proxies {
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        // A line that is no text is no address either.
        let lines = headers.get_all(&self.header).iter().map(|value| value.to_str().unwrap_or_default());
        self.trusted.client(peer, lines.collect::<Vec<_>>().into_iter())
    }
}

impl Http {
    /// Control connections speak to `lobby`; those that are seated are served by the runtime `seated`.
    pub fn new(
        rooms: RoomsHandle,
        live: Arc<ArcSwap<Live>>,
        limit_loopback: bool,
        figures: FiguresAt,
        seated: Handle,
    ) -> Http {
        Http {
            rooms,
            live,
            doors: Doors::new(MAX_PER_ADDRESS, limit_loopback),
            figures: Arc::new(figures),
            controls: Arc::new(Semaphore::new(MAX_CONTROLS)),
            next_connection: Arc::new(AtomicU64::new(1)),
            health: Arc::default(),
            seated,
        }
    }

    /// The server's clock.
    pub fn clock(&self) -> ServerClock {
        self.figures.clock
    }

    /// How TLS is spoken on a connection that begins now.
    pub fn tls(&self) -> Arc<ServerConfig> {
        self.live.load().tls.clone()
    }

    /// Whether connections from there are a trusted proxy's.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.live.load().proxies.trusted.trusts(peer)
    }

    /// Returns when no control connection is left. No new ones are accepted meanwhile.
    pub async fn controls_closed(&self) {
        // Fails only on a closed semaphore, which this one never is.
        let _ = self.controls.acquire_many(MAX_CONTROLS as u32).await;
    }

    /// Answers the requests of a connection until it ends or becomes a control connection.
    pub async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: IpAddr,
        over_tls: bool,
        place: &Arc<Place>,
    ) {
        let clock = self.clock();
        let came = Came { peer, over_tls };
        let router = TowerToHyperService::new(router(self).layer(Extension(came)).layer(Extension(place.clone())));
        let pace = Mutex::new(Bucket::default());
        let paced = service_fn(|request: Request<Incoming>| {
            place.advance(Stage::Secured);
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = pace.borrow(clock.now(), REQUESTS_AT_ONCE, A_REQUEST_EVERY, A_REQUEST_EVERY);
            let router = router.clone();
            async move {
                if wait > Micros::ZERO {
                    sleep(Duration::from_micros(wait.0)).await;
                }
                router.call(request).await
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), paced)
            .with_upgrades();
        if let Err(e) = connection.await {
            tracing::debug!("a connection ended badly: {e}");
        }
    }

    fn may_read_metrics(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        // Whatever passed through a proxy on this machine comes from this machine, too; but a proxy says so.
        let live = self.live.load();
        let by_proxy =
            [&live.proxies.header, &header::FORWARDED, &X_FORWARDED_FOR].iter().any(|h| headers.contains_key(*h));
        let is_local = !by_proxy && peer.to_canonical().is_loopback();
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        is_local || live.metrics_token.as_ref().zip(shown).is_some_and(|(token, shown)| token.is(shown))
    }
}

fn router(http: Http) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/style.css", get(style))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route(PATH, any(control_connection))
        .with_state(http)
}

async fn page() -> impl IntoResponse {
    (SAFE, Html(PAGE))
}

/// How long the lobby may take to say how things are.
const STATUS_WITHIN: Duration = Duration::from_secs(1);

async fn status(http: &Http) -> Option<ServerStatus> {
    timeout(STATUS_WITHIN, http.rooms.status()).await.ok().flatten()
}

/// Asks the lobby a few times a second at most, however many want to know.
async fn health(State(http): State<Http>) -> Response {
    let mut known = http.health.lock().await;
    let health = match *known {
        Some((asked, health)) if asked.elapsed() < HEALTH_IS_GOOD_FOR => health,
        _ => {
            let health = match status(&http).await {
                Some(status) if !status.store_fails => Health::Well,
                Some(_) => Health::CannotStore,
                None => Health::NoAnswer,
            };
            *known = Some((Instant::now(), health));
            health
        }
    };
    drop(known);
    let sentence = match health {
        Health::Well => return "ok".into_response(),
        Health::CannotStore => "The database cannot be written; the log says why.\n",
        Health::NoAnswer => "The server is there, but its lobby does not answer.\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}

async fn metrics(State(http): State<Http>, Extension(came): Extension<Came>, headers: HeaderMap) -> Response {
    if !http.may_read_metrics(came.peer, &headers) {
        let sentence = "Figures are shown to this machine itself, and elsewhere to whoever sends the token of \
                        --metrics-token-file: Authorization: Bearer TOKEN.\n";
        return (StatusCode::FORBIDDEN, sentence).into_response();
    }
    let Some(status) = status(&http).await else {
        let sentence = "The server's lobby does not answer just now.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    };
    let figures = &http.figures;
    let drops = metrics::kernel_drops(&figures.ports);
    let legacy = figures.legacy.as_ref().map(|counters| counters.totals());
    let media = &figures.media;
    let text = metrics::render(&status, &media.threads(), &media.mixer(), legacy.as_ref(), drops, figures.clock.now());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn style() -> impl IntoResponse {
    (SAFE, [(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const SAFE: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

async fn control_connection(
    State(http): State<Http>,
    Extension(came): Extension<Came>,
    Extension(place): Extension<Arc<Place>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if !came.over_tls {
        let sentence = "Control connections carry secrets and need TLS: use wss:// instead of ws://.\n";
        return (StatusCode::FORBIDDEN, sentence).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(permit) = http.controls.clone().try_acquire_owned() else {
        let sentence = "The server has too many connections just now. Try again in a minute.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    };
    let from = http.live.load().proxies.client(came.peer, &headers);
    if from != came.peer {
        place.is_of(from);
    }
    place.advance(Stage::Control);
    let connection = ConnectionId(http.next_connection.fetch_add(1, Ordering::Relaxed));
    upgrade
        .max_message_size(MAX_TEXT)
        .max_frame_size(MAX_TEXT)
        // The default of 128 KiB a connection would be most of what a musician costs.
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_TEXT)
        .on_upgrade(async move |socket| {
            let Some(mut talk) = ControlConnection::begin(socket, connection, from, http.rooms).await else { return };
            let ended = talk.until_seated(&place).await;
            let door = (ended == PhaseEnd::Seated).then(|| http.doors.enter(from)).flatten();
            let Some(door) = door else { return talk.end(ended).await };
            http.seated.spawn(async move {
                let ended = talk.until_ended().await;
                talk.end(ended).await;
                drop((permit, door));
            });
        })
}
