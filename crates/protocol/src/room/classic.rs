//! Musicians of the classic packet: they have no identity, no secret and no control connection, and are let in by whoever
//! drives the rooms.

use super::admission::{fresh_keys, random};
use super::{Ban, Entropy, Member, NewSession, Origin, Rooms, SlotRecord, slots};
use crate::classic::ClientId;
use crate::control::{Features, MixChoice, Refusal, SeatRole, Token};
use crate::ids::{MusicianId, RoomName, SourceId};
use crate::link::Role;
use crate::time::Micros;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One who wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMusician {
    /// Where to.
    pub room: RoomName,
    /// What their packets say that they are.
    pub client: ClientId,
    /// What the room says that those are sent who do not choose.
    pub mix: MixChoice,
    /// Where their packets come from.
    pub origin: Origin,
    /// Who may not enter the room.
    pub bans: Vec<Ban>,
}

impl Rooms {
    /// Seats a musician of the classic packet. The driver opens the session, and tells by
    /// [`Rooms::handle_session_over`] when they are silent. `slots` are those of the room; none is remembered for them.
    ///
    /// # Errors
    /// When there is no seat for them.
    pub fn handle_classic(
        &mut self,
        now: Micros,
        classic: &ClassicMusician,
        slots: &[SlotRecord],
        entropy: &mut dyn Entropy,
    ) -> Result<NewSession, Refusal> {
        if self.going_down {
            return Err(Refusal::ServerUnable);
        }
        let musician = classic.client.identity();
        if classic.bans.iter().any(|ban| ban.hits(&musician, Some(classic.origin.key()))) {
            return Err(Refusal::Banned);
        }
        let room = &classic.room;
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
            name: self.free_name(room, SeatRole::Musician, &format!("Classic {}", classic.client.0), instance),
            role: Role::Musician,
            admitted: None,
            origin: Some(classic.origin),
            seat: SeatRole::Musician,
            source,
            keys: fresh_keys(suite, entropy),
            resume: Token(random(entropy)),
            former: None,
            worn: false,
            // The gateway is the other end.
            features: Features::SUPPORTED,
            connection: None,
            classic: true,
            mix: classic.mix,
            room_mix: classic.mix,
        };
        let new = self.open(member, entropy);
        self.roster_changed(now, room, SeatRole::Musician, source);
        Ok(new)
    }

    /// Opens an ear in a room for those who bring classic musicians there: a session that hears everyone and is nobody, so
    /// that it takes no seat and stands in no roster. It ends by [`Rooms::handle_session_over`].
    pub fn handle_classic_ear(&mut self, room: &RoomName, entropy: &mut dyn Entropy) -> Option<NewSession> {
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
            classic: true,
            mix: MixChoice::Separate,
            room_mix: MixChoice::Separate,
        };
        Some(self.open(member, entropy))
    }

    /// A session of a member who has no connection. Who has a seat is one who sends.
    fn open(&mut self, member: Member, entropy: &mut dyn Entropy) -> NewSession {
        let new = member.new_session(self.fresh_session(entropy), None);
        self.members.insert(new.session, member);
        new
    }
}
