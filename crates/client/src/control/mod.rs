//! The control connection: the thread `jam-control`, with a tokio runtime of its own.
//!
//! ```text
//!  jam-send ──ControlCommand (unbounded, tokio)──▶ jam-control ──▶ one task per connection
//!           ◀──ControlReport (crossbeam, and a wake)──
//! ```
//! It knows nothing of sessions: it dials on command and passes messages both ways. File access and name lookups run
//! here too, so that `jam-send` never waits for them.

mod channel;
mod conversation;
mod dial;
mod error;
mod resolve;
mod thread;
mod tls;

pub(crate) use channel::{ControlCommand, ControlReport, ControlReports, JamConnection, ServerTarget};
pub use error::ConnectionError;
pub(crate) use thread::run;
pub use tls::pinned;
