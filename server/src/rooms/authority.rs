//! What each role may do in a room.
//!
//! | action | listener | musician | moderator | operator |
//! |---|---|---|---|---|
//! | hear the room | yes | yes | yes | no |
//! | play | no | yes | yes | no |
//! | see who is in the room | yes | yes | yes | yes |
//! | see members' addresses | no | no | yes | yes |
//! | kick | no | no | yes | yes |
//! | ban | no | no | yes | yes |
//!
//! A role's secret is valid in one room, and so is its authority. The operator is whoever may write to the data folder and
//! has authority in all rooms; playing takes a room's secret all the same. Rooms, secrets and defaults are changed in the
//! data folder alone.

use rtjam_protocol::RoomName;
use rtjam_protocol::link::Role;

/// What somebody may want to do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomAction {
    /// Receive the room's audio.
    Hear,
    /// Send audio to the room.
    Play,
    /// See who is in the room.
    SeeMembers,
    /// See from which addresses the members come.
    SeeAddresses,
    /// End the sessions of members, who may join again.
    Kick,
    /// End the sessions of members and keep them out.
    Ban,
}

/// On whose authority a query or command is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A role in one room, as its secret proves.
    InRoom(RoomName, Role),
    /// The operator of the server.
    Operator,
}

/// The table of the module's documentation: listener, musician, moderator, operator.
const fn permissions(action: RoomAction) -> [bool; 4] {
    match action {
        RoomAction::Hear => [true, true, true, false],
        RoomAction::Play => [false, true, true, false],
        RoomAction::SeeMembers => [true, true, true, true],
        RoomAction::SeeAddresses | RoomAction::Kick | RoomAction::Ban => [false, false, true, true],
    }
}

impl Authority {
    /// Whether this authority permits `action` in `room`.
    pub fn permits(&self, action: RoomAction, room: &RoomName) -> bool {
        let [listener, musician, moderator, operator] = permissions(action);
        match self {
            Authority::Operator => operator,
            Authority::InRoom(own, _) if own != room => false,
            Authority::InRoom(_, Role::Listener) => listener,
            Authority::InRoom(_, Role::Musician) => musician,
            Authority::InRoom(_, Role::Moderator) => moderator,
        }
    }
}
