//! The server's end of the protocol.
//!
//! | part | what it does |
//! |---|---|
//! | [`rooms::Rooms`] | admits clients, assigns slots, announces rosters; driven by control messages |
//! | [`ServerSession`] | opens one client's datagrams, validates its network path, replies to its session frames |
//! | [`forwardable_frames`] | selects the frames of a client's datagram that the room receives |

mod forward;
pub mod rooms;
mod session;

pub use forward::{ForwardSummary, SHORTEST_PACKET, forwardable_frames};
pub use session::{KEEP_ALIVE_EVERY, ReceivedDatagram, ServerSession};
