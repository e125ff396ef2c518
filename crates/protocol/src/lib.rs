//! What is said between a musician's end and a room server, and the rules by which both ends say it.
//!
//! Everything here is *sans-IO*: there is no clock, socket, thread or random number generator. Time
//! ([`Micros`]) and entropy are arguments; what must be sent is handed out by `poll_*` functions.
//! The crate is `no_std` with `alloc`; the `std` feature adds [`seal::ring`], the cipher that the
//! programs use.
//!
//! | module | what lives there |
//! |---|---|
//! | [`ids`], [`time`] | numbers that must not be mixed up, with their wrapping arithmetic |
//! | [`link`] | invite links `rtjam://HOST[:PORT]/ROOM#KEY` |
//! | [`control`] | JSON messages on the control connection |
//! | [`datagram`] | the sealed datagram and the frames inside it |
//! | [`audio`] | the audio frame's header and the codecs of its payload |
//! | [`classic`] | the packet of rtjam units older than this protocol |
//! | [`seal`] | the `Sealer` trait, nonces, lanes, the replay window |
//! | [`recovery`] | what is lost on a hop and sent again, both ends, as state machines |
//! | [`client`] | the musician's end of a session, as a state machine |
//! | [`room`] | the server's rooms: admission, slots, roster, as a state machine |
//! | [`peer`] | the server's end of one musician's media, as a state machine |
//!
//! `docs/PROTOCOL.md` has the byte tables; its hex examples are read by a test of this crate.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod audio;
mod bits;
pub mod classic;
pub mod client;
pub mod control;
pub mod datagram;
#[cfg(any(feature = "fuzzing", all(test, feature = "std")))]
pub mod fuzzing;
pub mod ids;
pub mod link;
pub mod peer;
pub mod recovery;
pub mod room;
pub mod seal;
pub mod time;

pub use ids::{FramePosition, MusicianId, RoomName, Sequence, SessionId, SourceId, StreamId};
pub use time::Micros;
