//! `GET /health` and `GET /metrics`.

use super::metrics;
use super::service::{Health, HttpService, RequestSource};
use crate::platform;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long an answer of the rooms actor is reused.
const HEALTH_LIFETIME: Duration = Duration::from_millis(250);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Asks the rooms actor only a few times a second, however many clients ask.
pub(super) async fn health(State(http): State<HttpService>) -> Response {
    let mut known = http.health.lock().await;
    let health = match *known {
        Some((asked, health)) if asked.elapsed() < HEALTH_LIFETIME => health,
        _ => {
            let health = match http.describe().await {
                Some(described) if !described.store_fails => Health::Good,
                Some(_) => Health::StoreFails,
                None => Health::NoAnswer,
            };
            *known = Some((Instant::now(), health));
            health
        }
    };
    drop(known);
    let sentence = match health {
        Health::Good => return "ok".into_response(),
        Health::StoreFails => "The database cannot be read or written; the log says why.\n",
        Health::NoAnswer => "The server is running, but its rooms do not answer.\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}

pub(super) async fn metrics(
    State(http): State<HttpService>,
    Extension(source): Extension<RequestSource>,
    headers: HeaderMap,
) -> Response {
    if !may_read_metrics(&http, source.peer, &headers) {
        let sentence = "Only this machine can read the metrics, and clients that send the token of \
                        --metrics-token-file: Authorization: Bearer TOKEN.\n";
        return (StatusCode::FORBIDDEN, sentence).into_response();
    }
    let Some(described) = http.describe().await else {
        let sentence = "The server's rooms do not answer. Try again in a minute.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    };
    let sources = &http.metrics;
    let drops = platform::kernel_drops(&sources.ports);
    let media = &sources.media;
    let legacy = sources.legacy.as_deref();
    let text = metrics::render(&described, &media.threads(), &media.mixer(), legacy, drops, sources.clock.now());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Whether a request comes from this machine or shows the token. A proxy on this machine also connects from a loopback
/// address, but adds a header.
fn may_read_metrics(http: &HttpService, peer: IpAddr, headers: &HeaderMap) -> bool {
    let live = http.live();
    let proxied = [&live.proxies.header, &header::FORWARDED, &X_FORWARDED_FOR].iter().any(|h| headers.contains_key(*h));
    let is_local = !proxied && peer.to_canonical().is_loopback();
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    is_local || live.metrics_token.as_ref().zip(shown).is_some_and(|(token, shown)| token.matches(shown))
}
