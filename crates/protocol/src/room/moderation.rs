//! Whoever runs a room decides who stays: secrets are renewed, musicians are kicked and banned.

use super::{AddressKey, Connection, Member, Rooms, Secrets};
use crate::control::{Refusal, Seat, SeatRole, Token};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::link::Role;
use crate::time::Micros;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Tokens of dismissed sessions that are remembered, so that an end that did not hear why learns it when it comes back.
const DISMISSED: usize = 256;

/// Which members of a room a moderator means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Whoever has this slot or listener's number.
    Slot(SourceId),
    /// All sessions of an identity.
    Identity(MusicianId),
    /// All sessions from an address.
    Address(AddressKey),
    /// Whoever is shown by this name.
    Name(String),
}

impl From<&str> for Target {
    /// Digits are a slot, an IP address is an address, 43 characters of base64url are an identity; everything else is a
    /// name.
    fn from(text: &str) -> Target {
        if let Ok(slot) = text.parse() {
            return Target::Slot(SourceId(slot));
        }
        if let Ok(address) = text.parse() {
            return Target::Address(address);
        }
        let identity = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        identity.map_or_else(|| Target::Name(text.to_string()), |bytes| Target::Identity(MusicianId(bytes)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Slot(slot) => write!(f, "slot {}", slot.0),
            Target::Identity(musician) => write!(f, "the identity {}", identity_text(musician)),
            Target::Address(address) => write!(f, "the address {address}"),
            Target::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl Target {
    fn is(&self, member: &Member) -> bool {
        match self {
            Target::Slot(slot) => member.source == *slot,
            Target::Identity(musician) => member.musician == *musician,
            Target::Address(address) => member.origin.is_some_and(|origin| origin.key() == *address),
            Target::Name(name) => member.name == *name,
        }
    }
}

/// An identity as people write it: base64url, as in messages.
pub fn identity_text(musician: &MusicianId) -> String {
    URL_SAFE_NO_PAD.encode(musician.0)
}

/// Who may not enter a room: an identity, an address, or whoever has either of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The name by which they were known, for people.
    pub name: String,
    /// Their identity.
    pub musician: Option<MusicianId>,
    /// Where they came from.
    pub address: Option<AddressKey>,
}

impl Ban {
    /// Whether it concerns somebody with this identity, from this address.
    pub fn hits(&self, musician: &MusicianId, address: Option<AddressKey>) -> bool {
        self.musician.as_ref() == Some(musician) || (self.address.is_some() && self.address == address)
    }
}

/// A member of a room, as a moderator sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
    /// In which room.
    pub room: RoomName,
    /// Their slot, or a listener's number.
    pub source: SourceId,
    /// Their name.
    pub name: String,
    /// Whether they play or listen.
    pub seat: SeatRole,
    /// Their identity; made up for musicians of the classic packet.
    pub musician: MusicianId,
    /// Where they come from, where that is known.
    pub address: Option<AddressKey>,
    /// They come by the classic packet.
    pub classic: bool,
}

impl Member {
    fn seated(&self) -> Seated {
        Seated {
            room: self.room.clone(),
            source: self.source,
            name: self.name.clone(),
            seat: self.seat,
            musician: self.musician,
            address: self.origin.map(|origin| origin.key()),
            classic: !self.via.has_identity(),
        }
    }
}

impl Rooms {
    /// Everyone in a room, or in all rooms, in order of rooms and slots.
    pub fn list(&self, room: Option<&RoomName>) -> Vec<Seated> {
        let members = self.members.values().filter(|m| m.seat != SeatRole::None && room.is_none_or(|r| m.room == *r));
        let mut seated: Vec<Seated> = members.map(Member::seated).collect();
        seated.sort_by(|a, b| (&a.room, a.source).cmp(&(&b.room, b.source)));
        seated
    }

    /// Rooms that somebody is in or watches.
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

    /// Ends the sessions of those whom `target` means, and tells them. They may join again. Returns who they were.
    pub fn handle_kick(&mut self, now: Micros, room: &RoomName, target: &Target) -> Vec<Seated> {
        let kicked: Vec<(SessionId, Seated)> = self
            .members
            .iter()
            .filter(|(_, m)| m.room == *room && m.seat != SeatRole::None && target.is(m))
            .map(|(id, m)| (*id, m.seated()))
            .collect();
        for (session, _) in &kicked {
            self.dismiss(now, *session, Refusal::Kicked);
        }
        kicked.into_iter().map(|(_, seated)| seated).collect()
    }

    /// The ban of whom `target` means. A slot or a name stands for a member who is there: both their identity and their
    /// address are banned, the address only where it is not [exempt](super::Origin::exempt), for others have it, too.
    /// `None` when nobody fits.
    pub fn ban_against(&self, room: &RoomName, target: &Target) -> Option<Ban> {
        let member = self.members.values().find(|m| m.room == *room && m.seat != SeatRole::None && target.is(m));
        let name = member.map(|m| m.name.clone());
        match target {
            Target::Identity(musician) => {
                Some(Ban { name: name.unwrap_or_default(), musician: Some(*musician), address: None })
            }
            Target::Address(address) => {
                Some(Ban { name: name.unwrap_or_default(), musician: None, address: Some(*address) })
            }
            Target::Slot(_) | Target::Name(_) => member.map(|m| Ban {
                name: m.name.clone(),
                // The identity of an anonymous member is made up.
                musician: m.via.has_identity().then_some(m.musician),
                address: m.origin.filter(|origin| !origin.exempt || !m.via.has_identity()).map(|origin| origin.key()),
            }),
        }
    }

    /// A room's secrets or bans may have changed: ends the sessions that they no longer admit, and tells them why.
    pub fn handle_rules(&mut self, now: Micros, room: &RoomName, secrets: &Secrets, bans: &[Ban]) {
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

    /// Why a moderator ended the session that a seat wants to resume or replace, if one did.
    pub(super) fn dismissal(&self, seat: &Seat) -> Option<Refusal> {
        let of = |token: &Token| self.dismissed.iter().find(|(dismissed, _)| dismissed.matches(token));
        seat.resume.iter().chain(&seat.replaces).find_map(of).map(|(_, refusal)| *refusal)
    }

    /// Ends a session and tells its musician why, now or when their end comes back.
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

/// By which secret somebody was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role that the secret opens.
    pub role: Role,
    /// How many secrets that role had had in the room, this one included.
    pub generation: u32,
}
