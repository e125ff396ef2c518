//! One TCP port for HTTP, plain or over TLS, and for control connections, only over TLS.
//!
//! `serve` sends the web page and its style sheet, and routes other requests to `status` (`/health` and `/metrics`) and
//! `control` (`/control`, which becomes a control connection). All handlers share an [`HttpService`].

mod control;
mod metrics;
mod serve;
mod service;
mod status;
mod token;

pub use service::{HttpService, LiveSettings, MetricsSources};
pub use token::MetricsToken;
