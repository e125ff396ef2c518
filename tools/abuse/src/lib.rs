//! Attacks on a room server: what hostile strangers and hostile musicians can do, and what it costs everyone else.
//!
//! The server runs with its default settings. It, the honest musicians, the attackers and the newcomers each have a network
//! namespace, joined by virtual cables: the server's limits exempt loopback.
//!
//! ```text
//! honest 10.78.1.2 ──── 10.78.1.1 ┐
//! attackers 10.78.2.2–17 ─ 10.78.2.1 ┤ server, port 7891
//! newcomers 10.78.3.2–5 ─ 10.78.3.1 ┘
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`town`] | the namespaces, and threads in them |
//! | [`house`] | the server under attack |
//! | [`guest`] | control connections: joining, resuming, being refused |
//! | [`media`] | datagrams by hand, under the keys of a seat |
//! | [`honest`] | the musicians who must not notice: one room with the attacker, one without |
//! | [`pace`] | so many of something a second |
//! | [`outcome`] | figures and their bounds |
//! | [`report`] | the table, and JSON |
//! | [`trouble`] | why an attack could not be carried out |
//! | [`attacks`] | the attacks, a file each |
//! | [`cli`] | the command line |

#[cfg(target_os = "linux")]
pub mod attacks;
#[cfg(target_os = "linux")]
pub mod cli;
#[cfg(target_os = "linux")]
pub mod guest;
#[cfg(target_os = "linux")]
pub mod honest;
#[cfg(target_os = "linux")]
pub mod house;
#[cfg(target_os = "linux")]
pub mod media;
pub mod outcome;
#[cfg(target_os = "linux")]
pub mod pace;
pub mod report;
#[cfg(test)]
mod threats;
#[cfg(target_os = "linux")]
pub mod town;
#[cfg(target_os = "linux")]
pub mod trouble;
