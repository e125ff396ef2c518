//! `/control`: turns a request into a control connection.

use super::service::{HttpService, RequestSource};
use crate::control::{ControlConnection, PhaseEnd};
use crate::limits::{ConnectionStage, HalfOpenGuard};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rtjam_protocol::control::MAX_TEXT;
use rtjam_protocol::server::rooms::ConnectionId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) async fn control_connection(
    State(http): State<HttpService>,
    Extension(source): Extension<RequestSource>,
    Extension(guard): Extension<Arc<HalfOpenGuard>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !source.over_tls {
        let sentence = "Control connections carry secrets and need TLS: use wss:// instead of ws://.\n";
        return (StatusCode::FORBIDDEN, sentence).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(permit) = http.controls.clone().try_acquire_owned() else {
        let sentence = "The server has too many connections. Try again in a minute.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    };
    let from = http.live().proxies.client(source.peer, &headers);
    if from != source.peer {
        guard.set_client(from);
    }
    guard.advance(ConnectionStage::Control);
    let connection = ConnectionId(http.next_connection.fetch_add(1, Ordering::Relaxed));
    upgrade
        .max_message_size(MAX_TEXT)
        .max_frame_size(MAX_TEXT)
        // The default of 128 KiB would be most of the memory that a musician takes.
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_TEXT)
        .on_upgrade(async move |socket| {
            let Some(mut conversation) = ControlConnection::begin(socket, connection, from, http.rooms).await else {
                return;
            };
            let ended = conversation.until_seated(&guard).await;
            let address = (ended == PhaseEnd::Seated).then(|| http.connection_limit.acquire(from)).flatten();
            let Some(address) = address else { return conversation.end(ended).await };
            http.seated.spawn(async move {
                let ended = conversation.until_ended().await;
                conversation.end(ended).await;
                drop((permit, address));
            });
        })
}
