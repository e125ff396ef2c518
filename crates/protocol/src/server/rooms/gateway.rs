//! Members that a gateway brings into a room. They have no secret and no control connection.

use super::admission::{fresh_keys, random};
use super::origin::Origin;
use super::registry::{Member, Rooms};
use super::slots::{self, SlotRecord};
use super::types::{Ban, Entropy, NewSession};
use crate::control::{DownstreamMode, Features, MemberAccess, Refusal, ResumeToken, SeatRole};
use crate::ids::{MusicianId, RoomName, SourceId};
use crate::link::Role;
use crate::seal::Suite;
use crate::time::Micros;
use alloc::string::String;
use alloc::vec::Vec;

/// A musician for whom a gateway asks for a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayMusician {
    /// Room to enter.
    pub room: RoomName,
    /// The gateway.
    pub via: MemberAccess,
    /// Stand-in identity.
    pub musician: MusicianId,
    /// Display name.
    pub name: String,
    /// The room's default downstream mode.
    pub mix: DownstreamMode,
    /// Origin of the musician's packets.
    pub origin: Origin,
    /// The room's bans.
    pub bans: Vec<Ban>,
}

impl Rooms {
    /// Seats a musician who comes through a gateway. The driver opens the returned session, and reports its end by
    /// [`Rooms::handle_session_over`]. `slots` are the room's slot records; the musician's slot is not stored.
    ///
    /// # Errors
    /// When the musician is banned, the room is full or the server stops.
    pub fn handle_gateway_musician(
        &mut self,
        now: Micros,
        newcomer: &GatewayMusician,
        slots: &[SlotRecord],
        entropy: &mut dyn Entropy,
    ) -> Result<NewSession, Refusal> {
        if self.going_down {
            return Err(Refusal::ServerUnable);
        }
        let GatewayMusician { room, via, musician, name, mix, origin, bans } = newcomer;
        if bans.iter().any(|ban| ban.hits(musician, Some(origin.key()))) {
            return Err(Refusal::Banned);
        }
        let here = || self.members.values().filter(|m| m.room == *room);
        let instance = (0..=u8::MAX)
            .find(|i| !here().any(|m| m.musician == *musician && m.instance == *i))
            .ok_or(Refusal::TooManySessions)?;
        let occupied = |slot| here().any(|m| m.source == slot);
        let slot = slots::choose(musician, instance, slots, self.config.max_musicians, occupied);
        let source = slot.ok_or(Refusal::RoomFull)?;
        let suite = *self.config.suites.first().ok_or(Refusal::Version)?;
        let member = Member {
            musician: *musician,
            instance,
            name: self.free_name(room, SeatRole::Musician, name, instance),
            role: Role::Musician,
            origin: Some(*origin),
            seat: SeatRole::Musician,
            source,
            mix: *mix,
            room_mix: *mix,
            ..gateway_member(room, *via, suite, entropy)
        };
        let new = self.open(member, entropy);
        self.roster_changed(now, room, SeatRole::Musician, source);
        Ok(new)
    }

    /// Opens a session by which a gateway receives a room. It takes no seat, appears in no roster, and ends by
    /// [`Rooms::handle_session_over`]. `None` if the server offers no cipher suite.
    pub fn handle_gateway_listener(
        &mut self,
        room: &RoomName,
        via: MemberAccess,
        entropy: &mut dyn Entropy,
    ) -> Option<NewSession> {
        let suite = *self.config.suites.first()?;
        let member = gateway_member(room, via, suite, entropy);
        Some(self.open(member, entropy))
    }

    fn open(&mut self, member: Member, entropy: &mut dyn Entropy) -> NewSession {
        let new = member.new_session(self.fresh_session(entropy), None);
        self.members.insert(new.session, member);
        new
    }
}

/// A member without a seat, whose client is the gateway.
fn gateway_member(room: &RoomName, via: MemberAccess, suite: Suite, entropy: &mut dyn Entropy) -> Member {
    Member {
        room: room.clone(),
        musician: MusicianId([0; 32]),
        instance: 0,
        name: String::new(),
        role: Role::Listener,
        admitted: None,
        origin: None,
        seat: SeatRole::None,
        source: SourceId(0),
        keys: fresh_keys(suite, entropy),
        resume: ResumeToken(random(entropy)),
        former: None,
        keys_expired: false,
        features: Features::SUPPORTED,
        connection: None,
        via,
        mix: DownstreamMode::Forwarded,
        room_mix: DownstreamMode::Forwarded,
        stalls: None,
    }
}
