//! Attacks of hostile strangers and hostile musicians on a room server, and their effect on everyone else.
//!
//! The server runs with its default settings. The server, the honest musicians, the attackers and the newcomers each have a
//! network namespace, because the server's limits exempt loopback. Virtual cables connect them.
//!
//! ```text
//! honest 10.78.1.2 ──── 10.78.1.1 ┐
//! attackers 10.78.2.2–17 ─ 10.78.2.1 ┤ server, port 7891
//! newcomers 10.78.3.2–5 ─ 10.78.3.1 ┘
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`testbed`] | the network namespaces, and threads in them |
//! | [`target_server`] | the server under attack |
//! | [`raw_client`] | control connections: joining, resuming, refusals |
//! | [`raw_media`] | datagrams made without a client |
//! | [`honest`] | the honest musicians in two rooms |
//! | [`pacing`] | repeats an action at a constant rate |
//! | [`outcome`] | figures and their bounds |
//! | [`report`] | results as a table and as JSON |
//! | [`error`] | why an attack could not be run |
//! | [`attacks`] | the attacks, one file each |
//! | [`cli`] | the command line |
//! | `threats` | tests: the threat table of docs/SECURITY.md |

#[cfg(target_os = "linux")]
pub mod attacks;
#[cfg(target_os = "linux")]
pub mod cli;
#[cfg(target_os = "linux")]
pub mod error;
#[cfg(target_os = "linux")]
pub mod honest;
pub mod outcome;
#[cfg(target_os = "linux")]
pub mod pacing;
#[cfg(target_os = "linux")]
pub mod raw_client;
#[cfg(target_os = "linux")]
pub mod raw_media;
pub mod report;
#[cfg(target_os = "linux")]
pub mod target_server;
#[cfg(target_os = "linux")]
pub mod testbed;
#[cfg(test)]
mod threats;
