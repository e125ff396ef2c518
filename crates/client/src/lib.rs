//! The musician's end of RTJam without a face: joins a room, carries audio between the engine and the network, comes
//! back by itself, and says how it stands.
//!
//! ```no_run
//! use rtjam_client::{Client, ClientOptions, Clock, Identity, Wake};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let wake = Wake::new();
//! let (engine, network, console) = rtjam_engine::engine(0x5EED, wake.closure());
//! let identity = Identity::load_or_create("/home/anna/.config/rtjam".as_ref())?;
//! let client = Client::new(ClientOptions::new(identity, "Anna"), Clock::new(), wake, network, console);
//! client.join("rtjam://jam.example.org/lobby#AQE…".parse()?);
//! println!("{:?}", client.status().sentence);
//! # Ok(())
//! # }
//! ```
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `client`, `status`, `sentences` | any | the handle, the snapshot, and what a musician is told |
//! | `send` | `jam-send` | session, encoding, sealing, sending, loop guard |
//! | `media` | `jam-recv` | sockets, receiving, opening |
//! | `control` | `jam-control` | names, TCP, TLS, WebSocket; files |
//! | `trace` | `jam-trace` | writes when packets arrived, where that was asked for |
//! | `identity`, `slots`, `files` | any but the above two media threads | what is kept in the config folder |
//!
//! The audio thread meets this crate in [`Clock::now`] and [`Wake`] only.

#![deny(unsafe_code)]

mod client;
mod clock;
mod control;
mod files;
mod identity;
mod loop_guard;
mod media;
mod priority;
mod send;
mod sentences;
mod shared;
mod slots;
mod status;
mod trace;
mod wake;

pub use client::{Client, ClientOptions, IdentitySource};
pub use clock::Clock;
pub use identity::{Identity, IdentityError};
pub use slots::Seats;
pub use status::{Delay, MixStream, Musician, Rx, Stalls, State, Status, Tx, You};
pub use trace::TraceFile;
pub use wake::Wake;

/// Small private files in the config folder: read whole, written so that a reader sees all of it or nothing.
pub mod private_file {
    pub use crate::files::{read, replace};
}

/// TLS as the control connection speaks it.
pub mod tls {
    pub use crate::control::pinned;
}
