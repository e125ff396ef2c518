//! The client's end of a session.
//!
//! [`ClientSession`] joins a room, keeps the media path open, measures it, and rejoins after interruptions. It owns neither
//! connections nor sockets. The driver must
//!
//! * drain [`ClientSession::poll_event`], [`ClientSession::poll_control`] and [`ClientSession::poll_transmit`] after every
//!   `handle_*`, and after [`ClientSession::handle_timeout`] once the time of [`ClientSession::poll_timeout`] has come;
//! * answer a [`ClientEvent::Dial`] with [`ClientSession::handle_control_open`] or
//!   [`ClientSession::handle_control_closed`] for the same [`DialId`];
//! * hand the receive key of a [`ClientEvent::Joined`] to the thread that opens datagrams, and report every datagram that
//!   opened by [`ClientSession::handle_heard`] and each of its frames that is not audio by [`ClientSession::handle_frame`].
//!
//! A session lives as long as its media. The control connection may be lost and reopened meanwhile.

mod dial;
mod media;
mod path_probe;
mod room_clock;
mod roster;
mod session;
mod types;

pub use dial::DialId;
pub use media::MediaHealth;
pub use room_clock::RoomClock;
pub use session::ClientSession;
pub use types::{ClientConfig, ClientEvent, ClientState, OwnSeat, Signer};
