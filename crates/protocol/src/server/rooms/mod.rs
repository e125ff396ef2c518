//! The server's rooms: admission, slots, rosters, moderation.
//!
//! [`Rooms`] takes inputs by `handle_*` and returns outputs by [`Rooms::poll_output`]. The driver must
//!
//! * drain [`Rooms::poll_output`] after every input and carry out each [`RoomsOutput`] in order;
//! * answer each [`RoomsOutput::LookUp`] with one call of [`Rooms::handle_room`];
//! * call [`Rooms::handle_timeout`] once the time of [`Rooms::poll_timeout`] has come.
//!
//! A session ends when the media side reports that it said goodbye or timed out, when its control connection says `bye`,
//! or when a moderator ends it. Losing a control connection alone does not end a session.

mod admission;
mod caps;
mod downstream;
mod gateway;
mod moderation;
mod origin;
mod registry;
mod renewal;
mod rosters;
mod slots;
mod stalling;
mod types;

pub use caps::Caps;
pub use gateway::GatewayMusician;
pub use moderation::{MemberSelector, SeatedMember, identity_text};
pub use origin::{AddressKey, BadAddress, Origin};
pub use registry::Rooms;
pub use rosters::COALESCE;
pub use slots::SlotRecord;
pub use stalling::STALL_COALESCE;
pub use types::{
    Ban, Census, ConnectionId, DownstreamChange, Entropy, Grant, MAX_LISTENERS, MAX_MUSICIANS, NewSession, RoleSecret,
    RoomRecord, RoomSecrets, RoomsConfig, RoomsOutput, SeatClaim, Verify,
};
