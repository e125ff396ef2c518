//! The RTJam room server: an SFU for playing music together over UDP.
//!
//! ```text
//!            TCP ▶ acceptor ▶ control ◀─▶ ┌───────┐ ◀─▶ store
//!                  http, metrics ───────▶ │ rooms │
//!  legacy rtjam ◀▶ gateway ◀────────────▶ └───────┘
//!                     │ loopback            │ commands
//!            UDP ◀────┴───────▶ media threads ──taps──▶ mixer
//! ```
//!
//! | module | contents | thread |
//! |---|---|---|
//! | [`config`], `cli` | flags, the config file, exit codes | main |
//! | `server` | starts and stops the parts | main (tokio) |
//! | `listen`, `reuseport`, `address` | sockets, and the address by which others reach them | main |
//! | `data_dir`, `store` | the data folder and the database | main, rooms |
//! | `reload` | settings that change while the server runs | main |
//! | `identity`, `tls` | the server's key and certificates | main |
//! | `acceptor` | connections, handshakes and requests without a seat | acceptor (tokio) |
//! | `http` | the web page and the upgrade to a control connection | acceptor |
//! | `control` | control connections | acceptor, and main once they are seated |
//! | `limits` | limits for each address and for all together | rooms, acceptor |
//! | `metrics`, `token` | metrics for Prometheus, and who may read them | acceptor |
//! | `statistics` | packet loss, jitter and round-trip times of sessions | all |
//! | `rooms` | the rooms actor and its queries and commands | rooms |
//! | `media` | receives, opens, forwards and mixes datagrams | media-0 …, mixer |
//! | `gateway` | musicians who do not speak RTJam's own protocol | classic |
//! | `real_time`, `thread_end` | clock, scheduling and supervision of threads | all |
//! | `check`, [`open_files`] | whether this machine suits a server | main |
//! | `invite`, `moderation` | the commands `invite`, `list`, `kick`, `ban` | main |
//!
//! Control connections, media threads and gateways send events to the rooms actor by a bounded queue. It sends messages to
//! each connection by another; a connection that does not read overflows its queue and is closed. It commands the media
//! threads by a queue and a wake each.
//!
//! ```no_run
//! use rtjam_server::{Config, Server};
//!
//! # async fn example(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind(config)?;
//! println!("{}", server.invite());
//! let (_settings, reloads) = tokio::sync::mpsc::channel(1);
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }, reloads).await?;
//! # Ok(())
//! # }
//! ```

// Modules are private; in them, `pub` marks what a module offers to the others.
#![allow(unreachable_pub)]

mod acceptor;
mod address;
mod check;
mod cli;
pub mod config;
mod control;
mod data_dir;
mod gateway;
mod http;
mod identity;
mod invite;
mod limits;
mod listen;
mod media;
mod metrics;
mod moderation;
pub mod open_files;
mod random;
mod real_time;
mod reload;
mod reuseport;
mod rooms;
mod server;
mod statistics;
mod store;
mod thread_end;
mod tls;
mod token;

pub use cli::main;
pub use config::Config;
pub use rooms::authority::{Authority, RoomAction};
pub use rooms::messages::{CommandError, RoomSnapshot, RoomsHandle, ServerStatus};
pub use server::Server;

use std::fmt;

/// Why the server cannot do what it was asked for, as a sentence that tells the operator what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with this sentence.
    pub fn new(sentence: impl Into<String>) -> Failure {
        Failure(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
