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
//! | `config`, `cli`, `failure` | flags, the config file, exit codes, errors, the log | main |
//! | `server` | starts and stops the parts | main (tokio) |
//! | `listen`, `address` | sockets, and the address by which others reach them | main |
//! | `data_dir`, `store` | the data folder and the database | main, rooms |
//! | `reload` | settings that change while the server runs | main |
//! | `identity`, `tls` | the server's key and certificates | main |
//! | `acceptor` | connections, handshakes and requests without a seat | acceptor (tokio) |
//! | `http` | the web page, metrics, and the upgrade to a control connection | acceptor |
//! | `control` | control connections | acceptor, and main once they are seated |
//! | `limits` | limits for each address and for all together | rooms, acceptor |
//! | `statistics` | packet loss, jitter and round-trip times of sessions | all |
//! | `rooms` | the rooms actor and its queries and commands | rooms |
//! | `media` | receives, opens, forwards and mixes datagrams | media-0 …, mixer |
//! | `gateway` | musicians who do not speak RTJam's own protocol | classic |
//! | `real_time`, `failure` | clock, scheduling and supervision of threads | all |
//! | `check`, [`system`] | whether this machine suits a server; random bytes, open files, memory | main |
//! | `platform` | what differs between operating systems | all |
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
mod config;
mod control;
mod data_dir;
mod failure;
mod gateway;
mod http;
mod identity;
mod invite;
mod limits;
mod listen;
mod media;
mod moderation;
mod platform;
mod real_time;
mod reload;
mod rooms;
mod server;
mod statistics;
mod store;
pub mod system;
mod tls;

pub use cli::main;
pub use config::Config;
pub use failure::Failure;
pub use rooms::authority::{Authority, RoomAction};
pub use rooms::messages::{CommandError, RoomSnapshot, RoomsHandle, ServerStatus};
pub use server::Server;
