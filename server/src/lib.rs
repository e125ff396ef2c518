//! The RTJam room server.
//!
//! | module | what lives there | thread |
//! |---|---|---|
//! | [`cli`], [`config`] | flags, the config file, exit codes | main |
//! | [`server`] | puts the parts together, and takes them apart again | main (tokio) |
//! | [`listen`], [`address`] | the sockets, and under which address others reach them | main |
//! | [`data_dir`], [`store`] | the data folder, and what outlives the process in it | main, lobby |
//! | [`reload`] | what changes while the server runs | main |
//! | [`identity`], [`tls`] | the server's key, and who is shown which certificate | main |
//! | [`acceptor`] | connections, handshakes, and requests: everyone who has no seat yet | acceptor (tokio) |
//! | [`http`] | the web page, health, metrics, and how a request becomes a control connection | acceptor |
//! | [`control`] | control connections | acceptor until they are seated, then main |
//! | [`limits`] | what one address may ask for, and all together | lobby, acceptor |
//! | [`thread_exit`] | detects threads that end on their own | all |
//! | [`statistics`] | how a session went | media-0 …, lobby |
//! | [`check`], [`system`] | whether this machine suits a server; random bytes, open files, memory | main |
//! | [`lobby`] | who is let in: owns the rooms of `rtjam_protocol` | lobby |
//! | [`media`] | receives, opens, forwards datagrams | media-0 … |
//! | [`classic`] | rtjam units of before, in one room | classic |
//! | [`invite`] | `rtjam-server invite` | main |
//!
//! Connections speak to the lobby by a bounded queue, and it to each of them by another; a connection that does
//! not read loses its queue and is closed. The lobby commands the media threads by a queue and a wake; they tell
//! it which sessions are over.

pub mod acceptor;
pub mod address;
pub mod check;
pub mod classic;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
mod counter;
pub mod crowds;
pub mod data_dir;
mod failure;
pub mod http;
pub mod identity;
pub mod invite;
pub mod limits;
pub mod listen;
pub mod lobby;
mod logging;
pub mod media;
pub mod moderation;
pub mod reload;
pub mod server;
pub mod statistics;
pub mod store;
pub mod system;
pub mod thread_exit;
pub mod tls;

pub use config::Config;
pub use failure::Failure;
pub use server::Server;
