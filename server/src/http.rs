//! One TCP port for the web page, plain or over TLS, and for control connections, over TLS alone.

use crate::clock::Clock;
use crate::control;
use crate::limits::{Door, Doors, TrustedProxies};
use crate::lobby::{Described, Input};
use crate::media::Totals;
use crate::metrics;
use crate::token::Token;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rtjam_protocol::control::{MAX_TEXT, PATH};
use rtjam_protocol::room::ConnectionId;
use rustls::ServerConfig;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

const PAGE: &str = include_str!("page/join.html");
const STYLE: &str = include_str!("page/style.css");

/// TLS's first byte: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection must have said its first byte, ended its handshake, and sent a request's head, each within this.
const HALF_OPEN: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// Connections that are not (yet) control connections.
const MAX_VISITS: usize = 1024;

/// Control connections.
const MAX_CONTROLS: usize = 2048;

/// Connections of one address, of either kind: a burst of joins beside all the sessions that it may have.
const MAX_PER_ADDRESS: u32 = 600;

/// The part of the server that speaks HTTP.
#[derive(Clone)]
pub struct Http {
    lobby: mpsc::Sender<Input>,
    tls: Arc<ServerConfig>,
    doors: Doors,
    proxies: Arc<Proxies>,
    figures: Arc<FiguresAt>,
    visits: Arc<Semaphore>,
    controls: Arc<Semaphore>,
    next_connection: Arc<AtomicU64>,
}

/// Whose word is taken for where a request came from.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Who.
    pub trusted: TrustedProxies,
    /// In which header they say it.
    pub header: HeaderName,
}

/// What `/metrics` tells besides what the lobby knows, and to whom.
#[derive(Clone, Debug)]
pub struct FiguresAt {
    /// The media threads'.
    pub media: Totals,
    /// Began with the server.
    pub clock: Clock,
    /// Of the media sockets.
    pub ports: Vec<u16>,
    /// Shown to other machines that send this.
    pub token: Option<Token>,
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
    /// Control connections speak to `lobby`.
    pub fn new(
        lobby: mpsc::Sender<Input>,
        tls: Arc<ServerConfig>,
        proxies: Proxies,
        limit_loopback: bool,
        figures: FiguresAt,
    ) -> Http {
        Http {
            lobby,
            tls,
            doors: Doors::new(MAX_PER_ADDRESS, limit_loopback),
            proxies: Arc::new(proxies),
            figures: Arc::new(figures),
            visits: Arc::new(Semaphore::new(MAX_VISITS)),
            controls: Arc::new(Semaphore::new(MAX_CONTROLS)),
            next_connection: Arc::new(AtomicU64::new(1)),
        }
    }

    fn may_read_metrics(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        // Whatever passed through a proxy on this machine comes from this machine, too; but a proxy says so.
        let by_proxy =
            [&self.proxies.header, &header::FORWARDED, &X_FORWARDED_FOR].iter().any(|h| headers.contains_key(*h));
        let is_local = !by_proxy && peer.to_canonical().is_loopback();
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        is_local || self.figures.token.as_ref().zip(shown).is_some_and(|(token, shown)| token.is(shown))
    }

    /// Accepts and serves connections, for ever.
    pub async fn accept(self, listener: TcpListener) {
        let mut failing = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    failing = false;
                    self.let_in(stream, peer.ip());
                }
                Err(e) => {
                    if !failing {
                        tracing::warn!("connections cannot be accepted ({e}); raise the limit of open files");
                    }
                    failing = true;
                    // Out of file descriptors, most likely; some will be free again soon.
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Above the limits the connection is dropped here.
    fn let_in(&self, stream: TcpStream, peer: IpAddr) {
        let Some(door) = self.doors.enter(peer, self.proxies.trusted.trusts(peer)) else { return };
        let Ok(visit) = self.visits.clone().try_acquire_owned() else { return };
        let http = self.clone();
        tokio::spawn(async move {
            http.serve(stream, peer, Arc::new(door)).await;
            drop(visit);
        });
    }

    /// Returns when no control connection is left. No new ones are accepted meanwhile.
    pub async fn controls_closed(&self) {
        // Fails only on a closed semaphore, which this one never is.
        let _ = self.controls.acquire_many(MAX_CONTROLS as u32).await;
    }

    /// `door` is kept as long as the connection lives.
    async fn serve(self, stream: TcpStream, peer: IpAddr, door: Arc<Door>) {
        // Control messages are small and each is awaited.
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        let Ok(Ok(1)) = timeout(HALF_OPEN, stream.peek(&mut first)).await else { return };
        if first[0] == TLS_HANDSHAKE {
            let handshake = TlsAcceptor::from(self.tls.clone()).accept(stream);
            if let Ok(Ok(stream)) = timeout(HALF_OPEN, handshake).await {
                self.speak(stream, Came { peer, over_tls: true }, door).await;
            }
        } else {
            self.speak(stream, Came { peer, over_tls: false }, door).await;
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, came: Came, door: Arc<Door>) {
        let service = TowerToHyperService::new(router(self).layer(Extension(came)).layer(Extension(door)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HALF_OPEN)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(e) = connection.await {
            tracing::debug!("a connection ended badly: {e}");
        }
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
const DESCRIBED_WITHIN: Duration = Duration::from_secs(1);

async fn describe(http: &Http) -> Option<Described> {
    let (answer, described) = oneshot::channel();
    let asked = async {
        http.lobby.send(Input::Describe(answer)).await.ok()?;
        described.await.ok()
    };
    timeout(DESCRIBED_WITHIN, asked).await.ok().flatten()
}

async fn health(State(http): State<Http>) -> Response {
    let sentence = match describe(&http).await {
        Some(described) if !described.store_fails => return "ok".into_response(),
        Some(_) => "The database cannot be written; the log says why.\n",
        None => "The server is there, but its lobby does not answer.\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}

async fn metrics(State(http): State<Http>, Extension(came): Extension<Came>, headers: HeaderMap) -> Response {
    if !http.may_read_metrics(came.peer, &headers) {
        let sentence = "Figures are shown to this machine itself, and elsewhere to whoever sends the token of \
                        --metrics-token-file: Authorization: Bearer TOKEN.\n";
        return (StatusCode::FORBIDDEN, sentence).into_response();
    }
    let Some(described) = describe(&http).await else {
        let sentence = "The server's lobby does not answer just now.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    };
    let figures = &http.figures;
    let drops = metrics::kernel_drops(&figures.ports);
    let text =
        metrics::render(&described, &figures.media.threads(), &figures.media.mixes(), drops, figures.clock.now());
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
    Extension(door): Extension<Arc<Door>>,
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
    let Ok(place) = http.controls.clone().try_acquire_owned() else {
        let sentence = "The server has too many connections just now. Try again in a minute.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    };
    let from = http.proxies.client(came.peer, &headers);
    let connection = ConnectionId(http.next_connection.fetch_add(1, Ordering::Relaxed));
    upgrade
        .max_message_size(MAX_TEXT)
        .max_frame_size(MAX_TEXT)
        // The default of 128 KiB a connection would be most of what a musician costs.
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_TEXT)
        .on_upgrade(async move |socket| {
            control::converse(socket, connection, from, http.lobby).await;
            drop((place, door));
        })
}
