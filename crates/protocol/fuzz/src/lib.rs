//! The bodies of the fuzz targets.
//!
//! Each body accepts any bytes, and panics if the protocol breaks one of its guarantees. State machines are driven by the
//! bytes read as a script of inputs and times. The test `fuzz_bodies` of the protocol crate runs the same bodies on
//! pseudo-random bytes and on the corpus.

mod client_session;
mod retransmit;
mod rooms;
mod script;
mod wire;

pub use client_session::client_session;
pub use retransmit::retransmit;
pub use rooms::room;
pub use wire::{control, datagram, legacy, link};
