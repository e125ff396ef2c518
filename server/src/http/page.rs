//! The web page.

use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse};

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

pub(super) async fn page() -> impl IntoResponse {
    (SECURITY_HEADERS, Html(PAGE))
}

pub(super) async fn style() -> impl IntoResponse {
    (SECURITY_HEADERS, [(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}
