//! Moderation: kicks, bans and renewed secrets.

use super::origin::AddressKey;
use super::registry::{Connection, Member, Rooms};
use super::types::{Ban, RoomSecrets};
use crate::control::{MemberAccess, Refusal, ResumeToken, SeatRequest, SeatRole};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::time::Micros;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The most tokens of ended sessions that are remembered. They tell a client that resumes why its session ended.
const DISMISSED: usize = 256;

/// Selects members of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberSelector {
    /// The member with this slot or listener number.
    Slot(SourceId),
    /// All sessions of an identity.
    Identity(MusicianId),
    /// All sessions from an address.
    Address(AddressKey),
    /// The member with this display name.
    Name(String),
}

impl From<&str> for MemberSelector {
    /// Digits are a slot, an IP address is an address, and 43 characters of base64url are an identity. Everything else is a
    /// name.
    fn from(text: &str) -> MemberSelector {
        if let Ok(slot) = text.parse() {
            return MemberSelector::Slot(SourceId(slot));
        }
        if let Ok(address) = text.parse() {
            return MemberSelector::Address(address);
        }
        let identity = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        identity
            .map_or_else(|| MemberSelector::Name(text.to_string()), |bytes| MemberSelector::Identity(MusicianId(bytes)))
    }
}

impl fmt::Display for MemberSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberSelector::Slot(slot) => write!(f, "slot {}", slot.0),
            MemberSelector::Identity(musician) => write!(f, "the identity {}", identity_text(musician)),
            MemberSelector::Address(address) => write!(f, "the address {address}"),
            MemberSelector::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl MemberSelector {
    fn selects(&self, member: &Member) -> bool {
        match self {
            MemberSelector::Slot(slot) => member.source == *slot,
            MemberSelector::Identity(musician) => member.musician == *musician,
            MemberSelector::Address(address) => member.origin.is_some_and(|origin| origin.key() == *address),
            MemberSelector::Name(name) => member.name == *name,
        }
    }
}

/// An identity as base64url text.
pub fn identity_text(musician: &MusicianId) -> String {
    URL_SAFE_NO_PAD.encode(musician.0)
}

/// A member of a room, as moderators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatedMember {
    /// Room.
    pub room: RoomName,
    /// Slot, or listener number.
    pub source: SourceId,
    /// Display name.
    pub name: String,
    /// Musician or listener.
    pub seat: SeatRole,
    /// Identity. Members without one have a stand-in.
    pub musician: MusicianId,
    /// Address, if known.
    pub address: Option<AddressKey>,
    /// How the member reaches the room.
    #[serde(rename = "classic")]
    pub via: MemberAccess,
}

impl Member {
    fn seated(&self) -> SeatedMember {
        SeatedMember {
            room: self.room.clone(),
            source: self.source,
            name: self.name.clone(),
            seat: self.seat,
            musician: self.musician,
            address: self.origin.map(|origin| origin.key()),
            via: self.via,
        }
    }
}

impl Rooms {
    /// The members of a room or of all rooms, sorted by room and slot.
    pub fn list(&self, room: Option<&RoomName>) -> Vec<SeatedMember> {
        let members = self.members.values().filter(|m| m.seat != SeatRole::None && room.is_none_or(|r| m.room == *r));
        let mut seated: Vec<SeatedMember> = members.map(Member::seated).collect();
        seated.sort_by(|a, b| (&a.room, a.source).cmp(&(&b.room, b.source)));
        seated
    }

    /// Rooms with members or watching connections.
    pub fn occupied(&self) -> Vec<RoomName> {
        let watched = self.connections.values().filter_map(|c| match c {
            Connection::Watching { room, .. } => Some(room),
            _ => None,
        });
        let mut rooms: Vec<RoomName> = self.members.values().map(|m| &m.room).chain(watched).cloned().collect();
        rooms.sort();
        rooms.dedup();
        rooms
    }

    /// Ends the sessions that `target` selects. They may join again. Returns their members.
    pub fn handle_kick(&mut self, now: Micros, room: &RoomName, target: &MemberSelector) -> Vec<SeatedMember> {
        let kicked: Vec<(SessionId, SeatedMember)> = self
            .members
            .iter()
            .filter(|(_, m)| m.room == *room && m.seat != SeatRole::None && target.selects(m))
            .map(|(id, m)| (*id, m.seated()))
            .collect();
        for (session, _) in &kicked {
            self.dismiss(now, *session, Refusal::Kicked);
        }
        kicked.into_iter().map(|(_, seated)| seated).collect()
    }

    /// The ban of the members that `target` selects. For a slot or a name, the ban covers both identity and address of the
    /// member; an [exempt](super::Origin::exempt) address is left out because others share it. `None` if there is no such
    /// member.
    pub fn ban_against(&self, room: &RoomName, target: &MemberSelector) -> Option<Ban> {
        let member = self.members.values().find(|m| m.room == *room && m.seat != SeatRole::None && target.selects(m));
        let name = member.map(|m| m.name.clone()).unwrap_or_default();
        match target {
            MemberSelector::Identity(musician) => Some(Ban { name, musician: Some(*musician), address: None }),
            MemberSelector::Address(address) => Some(Ban { name, musician: None, address: Some(*address) }),
            MemberSelector::Slot(_) | MemberSelector::Name(_) => member.map(|m| Ban {
                name,
                musician: m.via.has_identity().then_some(m.musician),
                address: m.origin.filter(|origin| !origin.exempt || !m.via.has_identity()).map(|origin| origin.key()),
            }),
        }
    }

    /// Applies changed secrets and bans: ends the sessions that they no longer admit, and sends the reason.
    pub fn handle_rules(&mut self, now: Micros, room: &RoomName, secrets: &RoomSecrets, bans: &[Ban]) {
        let why = |m: &Member| {
            let address = m.origin.map(|origin| origin.key());
            if m.admitted.is_some_and(|grant| !secrets.admits(grant)) {
                Some(Refusal::SecretRenewed)
            } else {
                bans.iter().any(|ban| ban.hits(&m.musician, address)).then_some(Refusal::Banned)
            }
        };
        let is_here = |m: &Member| m.room == *room && m.seat != SeatRole::None;
        let over = self.members.iter().filter(|(_, m)| is_here(m)).filter_map(|(id, m)| Some((*id, why(m)?)));
        for (session, refusal) in over.collect::<Vec<_>>() {
            self.dismiss(now, session, refusal);
        }
        let watchers = self.connections.iter().filter_map(|(id, c)| match c {
            Connection::Watching { room: watched, admitted, .. } if watched == room && !secrets.admits(*admitted) => {
                Some(*id)
            }
            _ => None,
        });
        for connection in watchers.collect::<Vec<_>>() {
            self.refuse(connection, Refusal::SecretRenewed);
        }
    }

    /// Why a moderator ended the session that a seat request resumes or replaces; `None` if none did.
    pub(super) fn dismissal(&self, seat: &SeatRequest) -> Option<Refusal> {
        let of = |token: &ResumeToken| self.dismissed.iter().find(|(dismissed, _)| dismissed.matches(token));
        seat.resume.iter().chain(&seat.replaces).find_map(of).map(|(_, refusal)| *refusal)
    }

    /// Ends a session. Its client is told the reason now, or when it tries to resume.
    pub(super) fn dismiss(&mut self, now: Micros, session: SessionId, why: Refusal) {
        let Some(member) = self.members.get(&session) else { return };
        let connection = member.connection;
        if self.dismissed.len() == DISMISSED {
            self.dismissed.pop_front();
        }
        self.dismissed.push_back((member.resume.clone(), why));
        if let Some(connection) = connection {
            self.refuse(connection, why);
        }
        self.end_session(now, session);
    }
}
