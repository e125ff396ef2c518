//! A client of RTJam without a user interface: joins a room, carries audio between the engine and the network, rejoins
//! after interruptions, and reports its status.
//!
//! ```no_run
//! use rtjam_client::{Client, ClientOptions, Clock, Identity, Wake};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let wake = Wake::new();
//! let (engine, network, console) = rtjam_engine::engine(0x5EED, wake.closure());
//! let identity = Identity::load_or_create("/home/anna/.config/rtjam".as_ref())?;
//! let client = Client::new(ClientOptions::new(identity, "Anna"), Clock::new(), wake, network, console);
//! client.join("rtjam://jam.example.org/lobby#AQE…".parse()?);
//! println!("{:?}", client.status().condition);
//! # Ok(())
//! # }
//! ```
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `client`, `options`, `status`, `condition` | any | the handle, its options, the status, and what a musician should know |
//! | `snapshot`, `shared`, `voice_counts` | any | what `jam-send` and `jam-recv` publish |
//! | `send`, `loop_guard` | `jam-send` | session, encoding, sealing, sending, loop guard |
//! | `media` | `jam-recv` | sockets, receiving, opening |
//! | `control` | `jam-control` | names, TCP, TLS, WebSocket; files |
//! | `trace` | `jam-trace` | records arrival times on request |
//! | `identity`, `slots`, `files` | any except `jam-send` and `jam-recv` | the files in the config folder |
//! | `threads` | any | clock and wake-up |
//!
//! The audio thread uses only [`Clock::now`] and [`Wake`] of this crate.

#![forbid(unsafe_code)]

mod client;
mod condition;
mod control;
mod files;
mod identity;
mod loop_guard;
mod media;
mod options;
mod send;
mod shared;
mod slots;
mod snapshot;
mod status;
mod threads;
mod trace;
mod voice_counts;

pub use client::Client;
pub use condition::{Condition, RoundedStalls, StatusNotice};
pub use control::ConnectionError;
pub use identity::{Identity, IdentityError};
pub use options::{ClientOptions, IdentitySource};
pub use slots::{Seats, SlotFileError};
pub use snapshot::{SessionState, You};
pub use status::{Delay, MixStream, Musician, Rx, Stalls, Status, Tx};
pub use threads::{Clock, Wake};
pub use trace::TraceFile;
pub use voice_counts::VoiceCounts;

/// Small private files in the config folder, read whole and replaced atomically.
pub mod private_file {
    pub use crate::files::{read, replace};
}

/// TLS of the control connection.
pub mod tls {
    pub use crate::control::pinned;
}
