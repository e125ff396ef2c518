//! Serves the requests of one connection; the web page and its style sheet.

use super::service::{HttpService, RequestSource};
use super::{control, status};
use crate::limits::{Bucket, ConnectionStage, HalfOpenGuard};
use axum::Router;
use axum::extract::Extension;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse};
use axum::routing::{any, get};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rtjam_protocol::Micros;
use rtjam_protocol::control::PATH;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

/// How long the head of a request can take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The requests that a connection can make at once; after that, one per [`REQUEST_INTERVAL`].
const REQUEST_BURST: u32 = 50;
const REQUEST_INTERVAL: Micros = Micros::from_millis(50);

impl HttpService {
    /// Answers the requests of a connection until it ends or becomes a control connection.
    pub async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: IpAddr,
        over_tls: bool,
        guard: &Arc<HalfOpenGuard>,
    ) {
        let clock = self.clock();
        let source = RequestSource { peer, over_tls };
        let router = TowerToHyperService::new(router(self).layer(Extension(source)).layer(Extension(guard.clone())));
        let rate = Mutex::new(Bucket::default());
        let limited = service_fn(|request: Request<Incoming>| {
            guard.advance(ConnectionStage::Secured);
            let mut rate = rate.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = rate.borrow(clock.now(), REQUEST_BURST, REQUEST_INTERVAL, REQUEST_INTERVAL);
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
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), limited)
            .with_upgrades();
        if let Err(e) = connection.await {
            tracing::debug!("a connection failed: {e}");
        }
    }
}

fn router(http: HttpService) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/style.css", get(style))
        .route("/health", get(status::health))
        .route("/metrics", get(status::metrics))
        .route(PATH, any(control::control_connection))
        .with_state(http)
}

const PAGE: &str = include_str!("join.html");
const STYLE: &str = include_str!("style.css");

/// Headers that let the page load nothing but its own style sheet.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

async fn page() -> impl IntoResponse {
    (SECURITY_HEADERS, Html(PAGE))
}

async fn style() -> impl IntoResponse {
    (SECURITY_HEADERS, [(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}
