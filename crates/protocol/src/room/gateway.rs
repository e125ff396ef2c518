//! Members who come through a gateway: they have no identity, no secret and no control connection of their own. The
//! rooms know the gateway by [`MemberAccess`] alone.

use super::admission::{fresh_keys, random};
use super::{Ban, Entropy, Member, NewSession, Origin, Rooms, SlotRecord, slots};
use crate::control::{Features, MemberAccess, MixChoice, Refusal, SeatRole, Token};
use crate::ids::{MusicianId, RoomName, SourceId};
use crate::link::Role;
use crate::time::Micros;
use alloc::string::String;
use alloc::vec::Vec;

/// A musician for whom a gateway asks for a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayMusician {
    /// The room.
    pub room: RoomName,
    /// The gateway.
    pub via: MemberAccess,
    /// An identity that the gateway has made up.
    pub musician: MusicianId,
    /// The name that others see.
    pub name: String,
    /// The room's default of what its members are sent.
    pub mix: MixChoice,
    /// Where the musician's packets come from.
    pub origin: Origin,
    /// The bans of the room.
    pub bans: Vec<Ban>,
}

impl Rooms {
    /// Seats a musician who comes through a gateway. The driver opens the session, and calls
    /// [`Rooms::handle_session_over`] when the musician is silent. `slots` are those of the room; the musician's is not
    /// remembered.
    ///
    /// # Errors
    /// When there is no seat.
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
        let musician = newcomer.musician;
        if newcomer.bans.iter().any(|ban| ban.hits(&musician, Some(newcomer.origin.key()))) {
            return Err(Refusal::Banned);
        }
        let room = &newcomer.room;
        let here = || self.members.values().filter(|m| m.room == *room);
        let instance = (0..=u8::MAX)
            .find(|i| !here().any(|m| m.musician == musician && m.instance == *i))
            .ok_or(Refusal::TooManySessions)?;
        let occupied = |slot| here().any(|m| m.source == slot);
        let slot = slots::choose(&musician, instance, slots, self.config.max_musicians, occupied);
        let source = slot.ok_or(Refusal::RoomFull)?;
        let suite = *self.config.suites.first().ok_or(Refusal::Version)?;
        let member = Member {
            room: room.clone(),
            musician,
            instance,
            name: self.free_name(room, SeatRole::Musician, &newcomer.name, instance),
            role: Role::Musician,
            admitted: None,
            origin: Some(newcomer.origin),
            seat: SeatRole::Musician,
            source,
            keys: fresh_keys(suite, entropy),
            resume: Token(random(entropy)),
            former: None,
            worn: false,
            // The gateway is the other end.
            features: Features::SUPPORTED,
            connection: None,
            via: newcomer.via,
            mix: newcomer.mix,
            room_mix: newcomer.mix,
        };
        let new = self.open(member, entropy);
        self.roster_changed(now, room, SeatRole::Musician, source);
        Ok(new)
    }

    /// Opens a session that receives a room's audio for a gateway. It takes no seat and is not in the roster. It ends by
    /// [`Rooms::handle_session_over`].
    pub fn handle_gateway_listener(
        &mut self,
        room: &RoomName,
        via: MemberAccess,
        entropy: &mut dyn Entropy,
    ) -> Option<NewSession> {
        let suite = *self.config.suites.first()?;
        let member = Member {
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
            resume: Token(random(entropy)),
            former: None,
            worn: false,
            // The gateway is the other end.
            features: Features::SUPPORTED,
            connection: None,
            via,
            mix: MixChoice::Separate,
            room_mix: MixChoice::Separate,
        };
        Some(self.open(member, entropy))
    }

    /// Opens the session of a member who has no control connection.
    fn open(&mut self, member: Member, entropy: &mut dyn Entropy) -> NewSession {
        let new = member.new_session(self.fresh_session(entropy), None);
        self.members.insert(new.session, member);
        new
    }
}
