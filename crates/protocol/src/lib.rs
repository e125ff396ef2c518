//! The RTJam protocol: what clients and room servers exchange, and the state machines of both ends.
//!
//! The crate is *sans-IO*: it has no clocks, sockets, threads or random number generators. Time ([`Micros`]) and entropy
//! are arguments, and `poll_*` functions return what is to be sent. It is `no_std` with `alloc`. The feature `std` adds
//! [`seal::ring`], the ciphers that the programs use.
//!
//! | module | contents |
//! |---|---|
//! | [`ids`], [`time`] | newtypes for identifiers, counters and times |
//! | [`link`] | links to rooms, `rtjam://HOST[:PORT]/ROOM#KEY`, and to legacy servers, `classic://HOST[:PORT]` |
//! | [`control`] | JSON messages of the control connection |
//! | [`datagram`] | datagrams and the frames in them |
//! | [`audio`] | audio frames and their codecs |
//! | [`seal`] | encryption, nonces, lanes, key changes, replay protection |
//! | [`retransmit`] | loss detection and retransmission on one hop, both ends |
//! | [`client`] | the client's end of a session |
//! | [`server`] | the server's end: rooms and media sessions |
//! | [`legacy`] | the packets of legacy rtjam units |
//! | `features`, `lane` | optional features; lane numbers (in [`control`] and [`seal`]) |
//! | `reader`, `bits`, `secret_bytes` | helpers: reading bytes, rings of bits, secrets as byte arrays |
//!
//! `docs/PROTOCOL.md` specifies the wire format. A test of this crate reads its examples.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod audio;
mod bits;
pub mod client;
pub mod control;
pub mod datagram;
mod features;
pub mod ids;
mod lane;
pub mod legacy;
pub mod link;
mod reader;
pub mod retransmit;
pub mod seal;
mod secret_bytes;
pub mod server;
pub mod time;

pub use ids::{FramePosition, MusicianId, RoomName, Sequence, SessionId, SourceId, StreamId};
pub use time::Micros;
