//! The media path: forwards the sealed datagrams of each musician to all others in the room, and mixes for those who ask.
//!
//! A media thread owns its sockets, the replay windows of its sessions, and a [lane](rtjam_protocol::seal::Lane) to every member of the
//! server. It receives a datagram, opens it, seals it anew for each recipient and sends it, without touching anything
//! that another thread writes. The threads share only each member's [`Route`](route::Route), which changes when the
//! member's address does. Changes of rooms and sessions arrive by a queue, between two rounds.
//!
//! [`MediaThreads`] distributes sessions by a byte of their number; on Linux, `platform/linux/reuseport.rs` makes the kernel
//! distribute datagrams in the same way.
//!
//! ```text
//!  socket ▶ inbound ▶ forward_queue ▶ forwarder ▶ seal ▶ socket
//!                                         └─▶ tap ▶ mixer ▶ seal ▶ socket
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`threads`] | [`MediaThreads`], by which the rooms actor controls the threads |
//! | `thread` | the loop of a media thread |
//! | `command` | what media threads are told, and by what |
//! | `inbound` | the only place that sees opened datagrams |
//! | `forward_queue`, `forwarder` | packets on their way out; who receives them |
//! | `tap` | bounded rings by which other threads receive the audio of a room |
//! | `retransmit_buffer` | the last 250 ms of each musician, for NACKs |
//! | [`speaker_selection`] | whose audio the musicians of a crowded room receive |
//! | `policer`, [`rate_limit`] | how much one session may send |
//! | `batching`, `overload` | behaviour under load |
//! | `session`, `route` | a session at its thread; where a member's media goes |
//! | [`socket`] | many datagrams in one system call |
//! | [`mixer`] | mixes for those who ask, on a thread of its own |
//! | [`counters`] | what the threads count |
//!
//! `docs/ARCHITECTURE.md` says how much memory a thread, a musician and a mix take.

pub(crate) mod batching;
mod command;
pub(crate) mod counters;
mod forward_queue;
mod forwarder;
mod inbound;
mod mixer;
mod overload;
mod policer;
pub(crate) mod rate_limit;
mod retransmit_buffer;
mod route;
mod session;
pub(crate) mod socket;
pub(crate) mod speaker_selection;
mod tap;
mod thread;
mod threads;

pub use counters::{Dropped, FORWARDING_BOUNDS_US, MediaTotals, ThreadTotals};
pub use mixer::command::MixerRequest;
pub use mixer::counters::MixerTotals;
pub(crate) use route::{LocalEndpoint, MediaPath};
pub use threads::{MAX_BATCH_WAIT_US, MAX_THREADS, MediaThreads};
