//! Admission: from `hello` and `seat` to a session or a refusal.

use super::downstream::downstream_mode;
use super::origin::Origin;
use super::registry::{Connection, Member, Rooms};
use super::slots::{self, SlotRecord};
use super::types::{Ban, ConnectionId, Entropy, RoomRecord, RoomSecrets, RoomsOutput, SeatClaim};
use crate::control::{
    self, Features, Hello, Joined, MemberAccess, NameSkeleton, Refusal, Refused, ResumeToken, SeatRequest, SeatRole,
    ServerMessage, SessionKeys, numbered_name, signed_text, tidy_name,
};
use crate::ids::{RoomName, SessionId, SourceId};
use crate::link::Role;
use crate::seal::{Key, KeyId, Suite};
use crate::time::Micros;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Rooms {
    pub(super) fn handle_hello(&mut self, connection: ConnectionId, hello: Hello) {
        let Some(Connection::Greeted { nonce }) = self.connections.get(&connection) else {
            return self.refuse(connection, Refusal::BadMessage);
        };
        if hello.version < control::VERSION {
            return self.refuse(connection, Refusal::Version);
        }
        let verify = self.config.verify;
        let signs = |pin| verify(&hello.musician, &signed_text(nonce, pin), &hello.signature);
        if !self.config.pins.iter().any(signs) {
            return self.refuse(connection, Refusal::BadSignature);
        }
        let name = tidy_name(&hello.name);
        self.connections.insert(connection, Connection::Introduced { hello: Hello { name, ..hello } });
    }

    pub(super) fn handle_seat(&mut self, connection: ConnectionId, seat: SeatRequest) {
        if self.going_down {
            return self.refuse(connection, Refusal::ServerUnable);
        }
        let introduced = self.connections.get(&connection);
        let Some(hello) =
            introduced.and_then(|c| if let Connection::Introduced { hello } = c { Some(hello) } else { None })
        else {
            return self.refuse(connection, Refusal::BadMessage);
        };
        self.outputs.push_back(RoomsOutput::LookUp(connection, seat.room.clone()));
        let hello = hello.clone();
        self.connections.insert(connection, Connection::Waiting { hello, seat });
    }

    /// What the seat request of a connection is entitled to by the secrets of the room. The driver calls it between
    /// [`RoomsOutput::LookUp`] and [`Rooms::handle_room`], to charge a join only to clients with a valid secret. For a room
    /// that does not exist it passes random secrets.
    pub fn claim(&self, connection: ConnectionId, secrets: &RoomSecrets) -> SeatClaim {
        let Some(Connection::Waiting { hello, seat }) = self.connections.get(&connection) else {
            return SeatClaim::Nothing;
        };
        // Evaluates both, so that the time taken does not depend on the result.
        let opens = seat.secret.as_ref().and_then(|secret| secrets.role_of(secret)).is_some();
        if self.session_of(seat.resume.as_ref(), hello, seat).is_some() || self.dismissal(seat).is_some() {
            SeatClaim::Resume
        } else if opens {
            SeatClaim::Seat
        } else {
            SeatClaim::Nothing
        }
    }

    /// The answer to [`RoomsOutput::LookUp`]. `origin` is the origin of the connection, and `taken_at` the time in a new
    /// slot record.
    pub fn handle_room(
        &mut self,
        now: Micros,
        connection: ConnectionId,
        origin: Origin,
        record: RoomRecord,
        taken_at: u64,
        entropy: &mut dyn Entropy,
    ) {
        let Some(Connection::Waiting { .. }) = self.connections.get(&connection) else { return };
        let Some(Connection::Waiting { hello, seat }) = self.connections.remove(&connection) else { return };
        if let Err(reason) = self.admit(now, (connection, origin), &hello, &seat, (record, taken_at), entropy) {
            self.refuse(connection, reason);
        }
    }

    fn admit(
        &mut self,
        now: Micros,
        (connection, origin): (ConnectionId, Origin),
        hello: &Hello,
        seat: &SeatRequest,
        (record, taken_at): (RoomRecord, u64),
        entropy: &mut dyn Entropy,
    ) -> Result<(), Refused> {
        let (secrets, slots, room_mix, bans, limit) = match record {
            RoomRecord::Found { secrets, slots, mix, bans, limit } => (secrets, slots, mix, bans, limit),
            // Must not reveal which rooms exist.
            RoomRecord::Unknown => return Err(Refusal::WrongSecret.into()),
            RoomRecord::Unavailable => return Err(Refusal::ServerUnable.into()),
        };
        let roster_changes = hello.features.roster_changes;
        // New secrets and bans apply to all members, including this client's sessions.
        self.handle_rules(now, &seat.room, &secrets, &bans);
        // The secret does not matter to a live session: those that it no longer admits have just been ended.
        if let (Some(session), Some(token)) = (self.session_of(seat.resume.as_ref(), hello, seat), &seat.resume) {
            if is_banned(&bans, hello, origin) {
                self.dismiss(now, session, Refusal::Banned);
                return Err(Refusal::Banned.into());
            }
            if self.is_due_for_renewal(session, token) {
                self.renew((connection, origin), session, hello.features, entropy);
            } else {
                self.resume((connection, origin), session, roster_changes);
            }
            return Ok(());
        }
        // A moderator ended the session while the client had no control connection.
        if let Some(why) = self.dismissal(seat) {
            return Err(why.into());
        }
        let grant = seat.secret.as_ref().and_then(|s| secrets.role_of(s)).ok_or(Refusal::WrongSecret)?;
        let role = grant.role;
        if is_banned(&bans, hello, origin) {
            return Err(Refusal::Banned.into());
        }
        if seat.role == SeatRole::Musician && role < Role::Musician {
            return Err(Refusal::RoleNotAllowed.into());
        }
        if seat.role == SeatRole::None {
            let watching = Connection::Watching { room: seat.room.clone(), admitted: grant, roster_changes };
            self.connections.insert(connection, watching);
            self.send_roster(connection, &seat.room);
            return Ok(());
        }
        let suite = self.common_suite(hello).ok_or(Refusal::Version)?;
        let replaced = self.session_of(seat.replaces.as_ref(), hello, seat);
        if let Some(refused) = limit
            && replaced.is_none()
        {
            return Err(refused);
        }
        self.check_caps(now, hello, seat, origin, replaced, &slots)?;
        self.end_replaced(now, hello, seat);
        let instance = self.free_instance(hello, seat);
        let source = self.free_slot(hello, seat, instance, &slots)?;
        if seat.role == SeatRole::Musician {
            let slot = SlotRecord { slot: source, musician: hello.musician, instance, taken_at };
            self.outputs.push_back(RoomsOutput::RememberSlot(seat.room.clone(), slot));
        }
        self.count_newcomer(now, hello, seat, origin, &slots);
        let member = Member {
            room: seat.room.clone(),
            musician: hello.musician,
            instance,
            name: self.free_name(&seat.room, seat.role, &hello.name, instance),
            role,
            admitted: Some(grant),
            origin: Some(origin),
            seat: seat.role,
            source,
            keys: fresh_keys(suite, entropy),
            resume: ResumeToken(random(entropy)),
            former: None,
            keys_expired: false,
            features: hello.features.and(Features::SUPPORTED),
            connection: Some(connection),
            via: MemberAccess::Direct,
            mix: downstream_mode(seat.role, seat.mix, room_mix),
            room_mix,
        };
        let session = self.fresh_session(entropy);
        self.outputs.push_back(RoomsOutput::Open(member.new_session(session, None)));
        self.connections.insert(connection, Connection::Seated { session });
        self.members.insert(session, member);
        self.say_joined(connection, session, false);
        self.roster_changed(now, &seat.room, seat.role, source);
        self.send_roster(connection, &seat.room);
        Ok(())
    }

    /// The live session of a token.
    fn session_of(&self, token: Option<&ResumeToken>, hello: &Hello, seat: &SeatRequest) -> Option<SessionId> {
        let token = token?;
        let is_it = |m: &Member| {
            let named = m.resume.matches(token) || m.former.as_ref().is_some_and(|former| former.matches(token));
            named && m.musician == hello.musician && m.room == seat.room && m.seat == seat.role
        };
        self.members.iter().find(|(_, m)| is_it(m)).map(|(id, _)| *id)
    }

    fn resume(&mut self, (connection, origin): (ConnectionId, Origin), session: SessionId, roster_changes: bool) {
        let Some(member) = self.members.get_mut(&session) else { return };
        let room = member.room.clone();
        // The keys are unchanged, but the form of rosters depends on the connection.
        member.features.roster_changes = roster_changes;
        member.origin = Some(origin);
        let old = member.connection.replace(connection);
        self.close(old);
        self.connections.insert(connection, Connection::Seated { session });
        self.say_joined(connection, session, true);
        // The roster of the others is unchanged.
        self.send_roster(connection, &room);
    }

    /// Ends the session that this seat replaces. The others are not informed, because the next roster shows the same
    /// musician in the same slot.
    fn end_replaced(&mut self, now: Micros, hello: &Hello, seat: &SeatRequest) {
        let replaced = self.session_of(seat.replaces.as_ref(), hello, seat);
        let Some((session, gone)) = replaced.and_then(|id| self.members.remove_entry(&id)) else { return };
        self.outputs.push_back(RoomsOutput::End(session));
        self.end_replaced_by(session);
        self.roster_changed(now, &gone.room, gone.seat, gone.source);
        self.close(gone.connection);
    }

    pub(super) fn say_joined(&mut self, connection: ConnectionId, session: SessionId, resumed: bool) {
        let Some(m) = self.members.get(&session) else { return };
        let joined = Joined {
            room: m.room.clone(),
            role: m.role,
            resumed,
            session,
            source: m.source,
            name: m.name.clone(),
            instance: m.instance,
            keys: m.keys.clone(),
            media: self.config.media.clone(),
            resume: m.resume.clone(),
            mix: m.mix,
            features: m.features,
        };
        self.send(connection, ServerMessage::Joined(joined));
    }

    fn common_suite(&self, hello: &Hello) -> Option<Suite> {
        hello.suites.iter().copied().find(|s| self.config.suites.contains(s))
    }

    /// Musicians and listeners of one identity are numbered separately, so that listening does not change a musician's
    /// name.
    fn free_instance(&self, hello: &Hello, seat: &SeatRequest) -> u8 {
        let taken = |i: u8| {
            let same = |m: &Member| {
                m.room == seat.room && m.seat == seat.role && m.musician == hello.musician && m.instance == i
            };
            self.members.values().any(same)
        };
        let wanted = seat.instance.filter(|i| !taken(*i));
        // Terminates: a room has fewer members (MAX_MUSICIANS) than there are numbers.
        wanted.or_else(|| (0..=u8::MAX).find(|i| !taken(*i))).unwrap_or(u8::MAX)
    }

    /// The display name of a new member: the first numbered form of `name`, from the instance number on, that is not
    /// confusable with another member of the same role. Number 1 is not written.
    pub(super) fn free_name(&self, room: &RoomName, seat: SeatRole, name: &str, instance: u8) -> String {
        let others = self.members.values().filter(|m| m.room == *room && m.seat == seat);
        let taken: Vec<NameSkeleton> = others.map(|m| NameSkeleton::of(&m.name)).collect();
        let first = u16::from(instance) + 1;
        // One more number than there are other names, so one of them is free.
        let numbers = first..=first.saturating_add(u16::try_from(taken.len()).unwrap_or(u16::MAX));
        let mut names = numbers.map(|n| if n == 1 { name.to_string() } else { numbered_name(name, n) });
        let is_free = |name: &String| {
            let look = NameSkeleton::of(name);
            !taken.iter().any(|other| other.is_confusable_with(&look))
        };
        names.find(is_free).unwrap_or_else(|| name.to_string())
    }

    /// Musicians have the slots from 1 on. Listeners are numbered above them.
    fn free_slot(
        &self,
        hello: &Hello,
        seat: &SeatRequest,
        instance: u8,
        records: &[SlotRecord],
    ) -> Result<SourceId, Refusal> {
        let occupied = |slot| self.members.values().any(|m| m.room == seat.room && m.source == slot);
        let max = self.config.max_musicians;
        let slot = if seat.role == SeatRole::Musician {
            slots::choose(&hello.musician, instance, records, max, occupied)
        } else {
            (max + 1..=max + self.config.max_listeners).map(SourceId).find(|s| !occupied(*s))
        };
        slot.ok_or(Refusal::RoomFull)
    }

    pub(super) fn fresh_session(&mut self, entropy: &mut dyn Entropy) -> SessionId {
        let thread = self.next_thread % self.config.media_threads.max(1);
        self.next_thread = thread.wrapping_add(1);
        self.fresh_session_on(thread, entropy)
    }

    pub(super) fn fresh_session_on(&self, thread: u8, entropy: &mut dyn Entropy) -> SessionId {
        let [a, b, c] = random(entropy);
        let mut low = u32::from_be_bytes([0, a, b, c]);
        // Terminates: there are far fewer members than the 2^24 session ids of a thread.
        loop {
            let session = SessionId(u32::from(thread) << 24 | low);
            if !self.members.contains_key(&session) && !self.retired.contains_key(&session) {
                return session;
            }
            low = (low + 1) & 0x00FF_FFFF;
        }
    }

    /// Checks the limits per identity and per address. `replaced` is the session that this one replaces.
    fn check_caps(
        &self,
        now: Micros,
        hello: &Hello,
        seat: &SeatRequest,
        origin: Origin,
        replaced: Option<SessionId>,
        slots: &[SlotRecord],
    ) -> Result<(), Refused> {
        let caps = self.config.caps;
        let others = || self.others(&seat.room, seat.role, replaced);
        if others().filter(|m| m.musician == hello.musician).count() >= usize::from(caps.per_identity) {
            return Err(Refusal::TooManyInstances.into());
        }
        if origin.exempt {
            return Ok(());
        }
        let from_there = || others().filter(|m| m.origin.is_some_and(|o| o.key() == origin.key())).count();
        if caps.per_address.is_some_and(|most| from_there() >= usize::from(most)) {
            return Err(Refusal::TooManyFromNetwork.into());
        }
        if replaced.is_none() && self.is_newcomer(hello, seat, slots) {
            let key = (seat.room.clone(), origin.key(), seat.role == SeatRole::Musician);
            if let Some(wait) = self.newcomers.wait(now, &key, caps.new_identities) {
                let seconds = u32::try_from(wait.0.div_ceil(1_000_000)).unwrap_or(u32::MAX);
                return Err(Refused::after(Refusal::TooManyFromNetwork, seconds.max(1)));
            }
        }
        Ok(())
    }

    /// Counts a newcomer who got a seat.
    fn count_newcomer(&mut self, now: Micros, hello: &Hello, seat: &SeatRequest, origin: Origin, slots: &[SlotRecord]) {
        if !origin.exempt && self.is_newcomer(hello, seat, slots) {
            self.newcomers.note(now, (seat.room.clone(), origin.key(), seat.role == SeatRole::Musician));
        }
    }

    /// Whether the identity has neither a seat in the room nor a slot record.
    fn is_newcomer(&self, hello: &Hello, seat: &SeatRequest, slots: &[SlotRecord]) -> bool {
        let is_here = |m: &Member| m.musician == hello.musician;
        !slots.iter().any(|s| s.musician == hello.musician) && !self.others(&seat.room, seat.role, None).any(is_here)
    }

    fn others(&self, room: &RoomName, seat: SeatRole, but: Option<SessionId>) -> impl Iterator<Item = &Member> {
        let counts = move |id: &SessionId, m: &Member| Some(*id) != but && m.room == *room && m.seat == seat;
        self.members.iter().filter(move |(id, m)| counts(id, m)).map(|(_, m)| m)
    }
}

fn is_banned(bans: &[Ban], hello: &Hello, origin: Origin) -> bool {
    bans.iter().any(|ban| ban.hits(&hello.musician, Some(origin.key())))
}

pub(super) fn fresh_keys(suite: Suite, entropy: &mut dyn Entropy) -> SessionKeys {
    SessionKeys { suite, id: KeyId(0), up: Key(random(entropy)), down: Key(random(entropy)) }
}

pub(super) fn random<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
