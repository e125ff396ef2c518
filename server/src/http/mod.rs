//! One TCP port for HTTP, plain or over TLS, and for control connections, only over TLS.
//!
//! `serve` routes the requests of a connection: to `page` (the web page and its style sheet), `status` (`/health` and
//! `/metrics`), and `control` (`/control`, which becomes a control connection). All handlers share an [`HttpService`].

mod control;
mod metrics;
mod page;
mod serve;
mod service;
mod status;
mod token;

pub use service::{HttpService, LiveSettings, MetricsSources};
pub use token::MetricsToken;
