//! The actor's thread: takes inputs one at a time, lets [`Rooms`] decide, and carries out what it decides.

use super::authority::{Action, Authority};
use super::messages::{
    CommandError, ControlEvent, GatewayMailbox, GatewayReply, GatewayRequest, MediaEvent, Outgoing, RoomSnapshot,
    RoomsCommand, RoomsInput, RoomsQuery, ServerStatus,
};
use super::unheard::{PresentMusician, UnheardReports};
use crate::Failure;
use crate::limits::{Limits, resident_mib};
use crate::media::{MediaThreads, MixRequest};
use crate::random::Random;
use crate::real_time::Clock;
use crate::statistics::{AudioTotals, LiveSession, SessionCounters};
use crate::store::{Store, StoreHealth, Work};
use rtjam_engine::{Balance, Gain, Pan};
use rtjam_protocol::control::{
    BadMessage, ClientMessage, MixBalance, MixChoice, Refusal, Refused, SeatRole, ServerMessage,
};
use rtjam_protocol::link::Secret;
use rtjam_protocol::room::{
    Ban, Claim, ConnectionId, GatewayMusician, MixOrder, NewSession, Output, RoomRecord, Rooms, Seated, Secrets, Target,
};
use rtjam_protocol::{Micros, RoomName, SessionId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;

/// A control connection.
struct Connection {
    from: IpAddr,
    outbox: mpsc::Sender<Outgoing>,
    session: Option<SessionId>,
    /// The role for which it asks for a seat.
    role: SeatRole,
}

/// Owns the rooms, their store and the handle of the media threads.
pub struct RoomsActor {
    pub(super) rooms: Rooms,
    pub(super) store: Store,
    media: MediaThreads,
    limits: Limits,
    pub(super) clock: Clock,
    random: Random,
    /// Secrets that belong to no room. They stand in for those of a room that does not exist.
    decoy_secrets: Secrets,
    connections: HashMap<ConnectionId, Connection>,
    sessions: HashMap<SessionId, LiveSession>,
    /// Audio of sessions that have ended.
    ended_audio: AudioTotals,
    sessions_begun: u64,
    refused: BTreeMap<&'static str, u64>,
    store_health: StoreHealth,
    /// When to check whether another program has changed the store.
    pub(super) store_check_due: Micros,
    /// The store's version when its orders and rules were last applied.
    pub(super) store_version: Option<i64>,
    unheard: UnheardReports,
}

impl RoomsActor {
    /// An actor whose rooms are empty.
    pub fn new(rooms: Rooms, store: Store, media: MediaThreads, limits: Limits, clock: Clock) -> RoomsActor {
        let mut random = Random::new();
        let mut secret = || Secret(random.array()).into();
        let decoy_secrets = Secrets { listener: secret(), musician: secret(), moderator: secret() };
        RoomsActor {
            rooms,
            store,
            media,
            limits,
            clock,
            random,
            decoy_secrets,
            connections: HashMap::new(),
            sessions: HashMap::new(),
            ended_audio: AudioTotals::default(),
            sessions_begun: 0,
            refused: BTreeMap::new(),
            store_health: StoreHealth::default(),
            store_check_due: Micros::ZERO,
            store_version: None,
            unheard: UnheardReports::default(),
        }
    }

    /// Runs until [`RoomsCommand::ShutDown`] arrives or all senders are gone. Blocks; `timer` is a runtime of its own for
    /// waiting.
    pub fn run(mut self, mut inputs: mpsc::Receiver<RoomsInput>, timer: &Runtime) {
        loop {
            let due = self.rooms.poll_timeout().map_or(self.store_check_due, |due| due.min(self.store_check_due));
            let wait = Duration::from_micros(due.since(self.clock.now()).0);
            let next = timer.block_on(async { timeout(wait, inputs.recv()).await });
            let last = match next {
                Ok(Some(input)) => {
                    let last = matches!(input, RoomsInput::Command(RoomsCommand::ShutDown));
                    self.handle(input);
                    last
                }
                Ok(None) => true,
                Err(_) => false,
            };
            self.rooms.handle_timeout(self.clock.now());
            if !last {
                self.watch_store();
            }
            self.carry_out();
            self.report_unheard();
            if last {
                break;
            }
        }
        tracing::info!("going down; {} seated", self.rooms.seated());
        // Musicians wait for the goodbye; nobody waits for the statistics.
        self.media.shut_down();
        let now = self.clock.now();
        for (_, session) in self.sessions {
            if let Err(failure) = self.store.record_session(&session.end(now)) {
                tracing::error!("{failure} The statistics of the last sessions are lost.");
                break;
            }
        }
    }

    pub(super) fn handle(&mut self, input: RoomsInput) {
        match input {
            RoomsInput::Control(connection, event) => self.handle_control(connection, event),
            RoomsInput::Media(event) => self.handle_media(event),
            RoomsInput::Gateway(request, mailbox) => self.handle_gateway(request, &mailbox),
            RoomsInput::Query(query) => self.handle_query(query),
            RoomsInput::Command(command) => self.handle_command(command),
        }
    }

    fn handle_control(&mut self, connection: ConnectionId, event: ControlEvent) {
        match event {
            ControlEvent::Connected { from, outbox } => {
                let new = Connection { from, outbox, session: None, role: SeatRole::Musician };
                self.connections.insert(connection, new);
                self.rooms.handle_connected(connection, self.random.array());
            }
            ControlEvent::Received(Ok(message)) => self.handle_message(connection, message),
            ControlEvent::Received(Err(BadMessage)) => self.rooms.handle_bad_message(connection),
            ControlEvent::RoundTrip(took) => {
                let session = self.connections.get(&connection).and_then(|c| c.session);
                if let Some(session) = session.and_then(|s| self.sessions.get(&s)) {
                    session.counters().record_round_trip(took);
                }
            }
            ControlEvent::Disconnected => {
                self.connections.remove(&connection);
                self.rooms.handle_disconnected(connection);
            }
        }
    }

    fn handle_message(&mut self, connection: ConnectionId, message: ClientMessage) {
        if let (ClientMessage::Seat(seat), Some(known)) = (&message, self.connections.get_mut(&connection)) {
            known.role = seat.role;
        }
        self.rooms.handle_message(self.clock.now(), connection, message);
    }

    fn handle_media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::SessionOver(session) => self.rooms.handle_session_over(self.clock.now(), session),
            MediaEvent::SessionWorn(session) => self.rooms.handle_worn(session),
            MediaEvent::OverRate(session, dropped) => self.warn_over_rate(session, dropped),
            MediaEvent::MixDelay(session, delay) => self.rooms.handle_mix_waits(session, delay),
            MediaEvent::SpeakersSelected(room, speakers) => self.unheard.set_selected(room, speakers),
        }
    }

    fn handle_gateway(&mut self, request: GatewayRequest, mailbox: &GatewayMailbox) {
        match request {
            GatewayRequest::Seat { room, via, musician, name, from } => {
                let mix = self.store.mix(&room);
                self.note(Work::Reading, mix.as_ref().err(), "musicians of gateways receive all others separately");
                let bans = self.bans(&room);
                self.note(Work::Reading, bans.as_ref().err(), "no ban is applied");
                let newcomer = GatewayMusician {
                    room,
                    via,
                    musician,
                    name,
                    mix: mix.unwrap_or_default(),
                    origin: self.limits.origin(from.ip()),
                    bans: bans.unwrap_or_default(),
                };
                mailbox.send(match self.seat_gateway_musician(&newcomer, from.ip()) {
                    Ok((new, counters)) => GatewayReply::Seated(from, new, counters),
                    Err(refused) => {
                        *self.refused.entry(refused.name()).or_default() += 1;
                        GatewayReply::Refused(from)
                    }
                });
            }
            GatewayRequest::Listen { room, via } => {
                if let Some(new) = self.rooms.handle_gateway_listener(&room, via, &mut self.random) {
                    self.media.open(&new, Arc::default());
                    mailbox.send(GatewayReply::Listening(new));
                }
            }
        }
    }

    fn seat_gateway_musician(
        &mut self,
        newcomer: &GatewayMusician,
        from: IpAddr,
    ) -> Result<(NewSession, Arc<SessionCounters>), Refusal> {
        self.limits.ask(self.clock.now(), from, SeatRole::Musician).map_err(|refused| refused.reason)?;
        if let Some(refused) = self.limits.against_another_session(from, SeatRole::Musician, resident_mib()) {
            return Err(refused.reason);
        }
        let slots = self.store.slots(&newcomer.room);
        self.note(Work::Reading, slots.as_ref().err(), "nobody can join until that works");
        let slots = slots.map_err(|_| Refusal::ServerUnable)?;
        let new = self.rooms.handle_gateway_musician(self.clock.now(), newcomer, &slots, &mut self.random)?;
        tracing::info!("{}: a musician takes seat {} via {}", new.room, new.source.0, newcomer.via.gateway);
        let counters = self.begin(&new, Some(from));
        Ok((new, counters))
    }

    fn handle_query(&mut self, query: RoomsQuery) {
        // A reply fails to be sent when the caller has stopped waiting.
        match query {
            RoomsQuery::Status(reply) => {
                self.test_store();
                let _ = reply.send(self.status());
            }
            RoomsQuery::Snapshots(authority, room, reply) => {
                let _ = reply.send(self.snapshots(&authority, room.as_ref()));
            }
        }
    }

    fn handle_command(&mut self, command: RoomsCommand) {
        match command {
            RoomsCommand::Kick(authority, room, target, reply) => {
                let _ = reply.send(self.kick(&authority, &room, &target));
            }
            RoomsCommand::Ban(authority, room, target, reply) => {
                let _ = reply.send(self.ban(&authority, &room, &target));
            }
            RoomsCommand::Configure { limits, pins } => {
                self.limits.set(limits);
                self.rooms.set_pins(pins);
            }
            RoomsCommand::ShutDown => self.rooms.handle_going_down(),
        }
    }

    fn status(&self) -> ServerStatus {
        let live = self.sessions.values().map(|session| session.counters().audio());
        ServerStatus {
            census: self.rooms.census(),
            audio: live.fold(self.ended_audio, AudioTotals::plus),
            over_rate: self.sessions_over_rate(),
            refused: self.refused.iter().map(|(reason, count)| (*reason, *count)).collect(),
            sessions_begun: self.sessions_begun,
            store_fails: self.store_health.fails(),
        }
    }

    fn sessions_over_rate(&self) -> Vec<(SessionId, u64)> {
        let all = self.sessions.iter().map(|(id, session)| (*id, session.counters().over_rate()));
        let mut offenders: Vec<(SessionId, u64)> = all.filter(|(_, dropped)| *dropped > 0).collect();
        offenders.sort_unstable_by_key(|(session, _)| session.0);
        offenders
    }

    /// One room or all occupied rooms, as far as `authority` may see them.
    pub(super) fn snapshots(&self, authority: &Authority, room: Option<&RoomName>) -> Vec<RoomSnapshot> {
        let rooms = room.map_or_else(|| self.rooms.occupied(), |room| vec![room.clone()]);
        let visible = rooms.into_iter().filter(|room| authority.permits(Action::SeeMembers, room));
        visible.map(|room| self.snapshot(authority, room)).collect()
    }

    fn snapshot(&self, authority: &Authority, room: RoomName) -> RoomSnapshot {
        let mut members = self.rooms.list(Some(&room));
        if !authority.permits(Action::SeeAddresses, &room) {
            members.iter_mut().for_each(|member| member.address = None);
        }
        RoomSnapshot { crowded: self.media.is_crowded(&room), members, room }
    }

    pub(super) fn kick(
        &mut self,
        authority: &Authority,
        room: &RoomName,
        target: &Target,
    ) -> Result<Vec<Seated>, CommandError> {
        if !authority.permits(Action::Kick, room) {
            return Err(CommandError::Forbidden);
        }
        let kicked = self.rooms.handle_kick(self.clock.now(), room, target);
        tracing::info!("{room}: {} kicked by a moderator", kicked.len());
        if kicked.is_empty() { Err(CommandError::NoMatch) } else { Ok(kicked) }
    }

    pub(super) fn ban(&mut self, authority: &Authority, room: &RoomName, target: &Target) -> Result<Ban, CommandError> {
        if !authority.permits(Action::Ban, room) {
            return Err(CommandError::Forbidden);
        }
        let ban = self.rooms.ban_against(room, target).ok_or(CommandError::NoMatch)?;
        self.store.add_ban(room, &ban).and_then(|_| self.apply_rules()).map_err(CommandError::Store)?;
        tracing::info!("{room}: a ban was added");
        Ok(ban)
    }

    fn report_unheard(&mut self) {
        while let Some(room) = self.unheard.poll_room() {
            let here = self.sessions.iter().filter(|(_, session)| *session.room() == room && session.sends());
            let musicians: Vec<PresentMusician> =
                here.map(|(id, session)| PresentMusician { session: *id, source: session.slot() }).collect();
            let reports = self.unheard.reports(&room, self.media.is_crowded(&room), &musicians);
            let connections: HashMap<SessionId, ConnectionId> =
                self.connections.iter().filter_map(|(id, connection)| Some((connection.session?, *id))).collect();
            for (session, sources) in reports {
                if let Some(connection) = connections.get(&session) {
                    self.send(*connection, ServerMessage::Unheard { sources });
                }
            }
        }
    }

    fn warn_over_rate(&mut self, session: SessionId, dropped: u64) {
        if self.sessions.get_mut(&session).is_some_and(LiveSession::first_warning) {
            tracing::warn!("session {:08x} sends more than a musician may; the excess is dropped", session.0);
        }
        let connection = self.connections.iter().find(|(_, c)| c.session == Some(session)).map(|(id, _)| *id);
        if let Some(connection) = connection {
            self.send(connection, ServerMessage::OverRate { dropped });
        }
    }

    /// Carries out what the rooms have decided.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Send(connection, message) => self.send(connection, message),
                Output::Close(connection) => {
                    self.connections.remove(&connection);
                }
                Output::LookUp(connection, room) => self.look_up(connection, &room),
                Output::Open(session) => {
                    let kind = if session.sends { "a musician" } else { "a listener" };
                    tracing::info!("{}: {kind} takes seat {}", session.room, session.source.0);
                    let from = session.connection.and_then(|c| self.connections.get(&c)).map(|c| c.from);
                    self.begin(&session, from);
                }
                Output::End(session) => {
                    tracing::info!("session {:08x} ended", session.0);
                    self.limits.ended(session);
                    self.media.end(session);
                    if let Some(ended) = self.sessions.get(&session) {
                        self.unheard.forget(session, ended.room());
                    }
                    self.record(session);
                }
                Output::Pin(session, sources) => {
                    self.media.pin(session, &sources);
                    if let Some(known) = self.sessions.get(&session) {
                        self.unheard.set_pinned(session, known.room(), sources);
                    }
                }
                Output::Mix(order) => self.media.mix(order.session, mix_request(order)),
                Output::RememberSlot(room, record) => {
                    let result = self.store.remember_slot(&room, &record);
                    self.note(Work::Writing, result.as_ref().err(), SLOTS_NOT_KEPT);
                }
            }
        }
    }

    fn begin(&mut self, session: &NewSession, from: Option<IpAddr>) -> Arc<SessionCounters> {
        let now = self.clock.now();
        if let Some(from) = from {
            let role = if session.sends { SeatRole::Musician } else { SeatRole::Listener };
            self.limits.opened(now, session.session, from, role);
        }
        let live = LiveSession::new(now, session);
        let counters = live.counters().clone();
        self.media.open(session, counters.clone());
        self.sessions.insert(session.session, live);
        self.sessions_begun += 1;
        counters
    }

    fn record(&mut self, session: SessionId) {
        let Some(ended) = self.sessions.remove(&session) else { return };
        let record = ended.end(self.clock.now());
        self.ended_audio = self.ended_audio.plus(record.audio);
        let result = self.store.record_session(&record);
        self.note(Work::Writing, result.as_ref().err(), "session statistics are lost");
    }

    fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let mut delay = Micros::ZERO;
        if let ServerMessage::Joined(joined) = &message {
            known.session = Some(joined.session);
            self.unheard.handle_joined(joined.session, &joined.room);
        }
        if let ServerMessage::Refused(refused) = &message {
            *self.refused.entry(refused.reason.name()).or_default() += 1;
            tracing::info!("connection {} from {} refused: {:?}", connection.0, known.from, refused.reason);
            if refused.reason == Refusal::WrongSecret {
                delay = self.limits.wrong_secret(self.clock.now(), known.from);
            }
        }
        if let Err(e) = known.outbox.try_send(Outgoing { message, delay: Duration::from_micros(delay.0) }) {
            if matches!(e, TrySendError::Full(_)) {
                tracing::info!("connection {} does not read its messages and is closed", connection.0);
            }
            self.connections.remove(&connection);
            self.rooms.handle_disconnected(connection);
        }
    }

    fn look_up(&mut self, connection: ConnectionId, room: &RoomName) {
        // Read for each seat: `invite --renew` may have replaced a secret a moment ago.
        let secrets = self.store.secrets(room);
        self.note(Work::Reading, secrets.as_ref().err(), "nobody can join until that works");
        let record = match secrets {
            Ok(secrets) => self.room_record(connection, room, secrets),
            Err(_) => Ok(RoomRecord::Unavailable),
        };
        match record {
            Ok(record) => {
                let last_taken = match &record {
                    RoomRecord::Found { slots, .. } | RoomRecord::Limited { slots, .. } => {
                        slots.iter().map(|s| s.taken_at).max().unwrap_or(0)
                    }
                    _ => 0,
                };
                let Some(origin) = self.connections.get(&connection).map(|c| self.limits.origin(c.from)) else {
                    return;
                };
                let taken_at = last_taken.saturating_add(1);
                self.rooms.handle_room(self.clock.now(), connection, origin, record, taken_at, &mut self.random);
            }
            Err(refused) => self.rooms.handle_limited(connection, refused),
        }
    }

    /// The record of a room for a connection that asks for a seat. Only a right secret is charged to the address's joins,
    /// and a wrong secret takes as much work as a room that does not exist.
    fn room_record(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        secrets: Option<Secrets>,
    ) -> Result<RoomRecord, Refused> {
        let known = self.connections.get(&connection).map(|c| (c.from, c.role));
        let claim = self.rooms.claim(connection, secrets.as_ref().unwrap_or(&self.decoy_secrets));
        let (Some(secrets), true) = (secrets, claim != Claim::Nothing) else { return Ok(RoomRecord::Unknown) };
        if let (Some((from, role)), Claim::Seat) = (known, claim) {
            self.limits.ask(self.clock.now(), from, role)?;
        }
        let rest = self.store.slots(room).and_then(|slots| Ok((slots, self.store.mix(room)?, self.bans(room)?)));
        self.note(Work::Reading, rest.as_ref().err(), "nobody can join until that works");
        let Ok((slots, mix, bans)) = rest else { return Ok(RoomRecord::Unavailable) };
        let refused = known.and_then(|(from, role)| self.limits.against_another_session(from, role, resident_mib()));
        Ok(match refused {
            Some(refused) => RoomRecord::Limited { secrets, slots, mix, bans, refused },
            None => RoomRecord::Found { secrets, slots, mix, bans },
        })
    }

    pub(super) fn bans(&self, room: &RoomName) -> Result<Vec<Ban>, Failure> {
        Ok(self.store.bans(Some(room))?.into_iter().map(|record| record.ban).collect())
    }

    /// Logs a failure of the store once, and again only after the same work has succeeded in between.
    pub(super) fn note(&mut self, work: Work, failure: Option<&Failure>, consequence: &str) {
        self.store_health.log(self.clock.now(), work, failure, consequence);
    }

    /// Tests whether the store can be written, unless that is known from a moment ago.
    fn test_store(&mut self) {
        if self.store_health.needs_test(self.clock.now()) {
            let result = self.store.test_write();
            self.note(Work::Writing, result.as_ref().err(), SLOTS_NOT_KEPT);
        }
    }
}

const SLOTS_NOT_KEPT: &str = "musicians may get other seats after a restart";

/// An order of the rooms in the mixer's units.
fn mix_request(order: MixOrder) -> MixRequest {
    let thousandth = |pan: i16| Pan::new(f32::from(pan) / 1000.0);
    // Exact up to 16.7 million; larger values are clamped anyway.
    let gain = |n: u32| Gain::linear(n.min(MixBalance::MOST) as f32 / MixBalance::UNITY as f32);
    let balance = |b: &MixBalance| {
        let pans = b.pans.map(|pan| pan.map(thousandth));
        (b.source, Balance { layout: b.layout, gains: b.gains.map(gain), pans })
    };
    let mixed = order.take == MixChoice::One;
    MixRequest { mixed, codec: order.codec, balances: order.balances.iter().map(balance).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{LimitSettings, SeatedAddresses};
    use crate::rooms::messages::RoomsHandle;
    use crate::store::tests::TempDir;
    use crate::thread_end::EndNotices;
    use rtjam_protocol::MusicianId;
    use rtjam_protocol::control::{Features, Hello, Seat, VERSION};
    use rtjam_protocol::link::Role;
    use rtjam_protocol::room::{self, Caps, Via};
    use rtjam_protocol::seal::Suite;
    use tokio::sync::oneshot;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));

    fn name(text: &str) -> RoomName {
        RoomName::new(text).expect("a name")
    }

    struct World {
        actor: RoomsActor,
        secrets: Secrets,
        next: u64,
        _dir: TempDir,
    }

    impl World {
        /// A server with the rooms `band` and `other`, and a media thread without sockets.
        fn new() -> World {
            let dir = TempDir::new();
            let mut store = Store::open(&dir.0).expect("opens");
            for room in ["band", "other"] {
                store.ensure_room(&name(room), &mut Random::new()).expect("made");
            }
            let secrets = store.secrets(&name("band")).expect("read").expect("there");
            let (handle, _) = RoomsHandle::channel();
            let (notices, _) = EndNotices::new();
            let clock = Clock::start();
            let (media, _) =
                MediaThreads::start(vec![vec![]], clock, Micros::ZERO, &handle, &notices).expect("started");
            let rooms = Rooms::new(room::Config {
                pins: Vec::new(),
                suites: vec![Suite::Aes128Gcm],
                media: Vec::new(),
                media_threads: 1,
                max_musicians: 60,
                max_listeners: 60,
                caps: Caps { per_identity: 50, ..Caps::default() },
                verify: |_, _, _| true,
            });
            let limits = Limits::new(LimitSettings::default(), SeatedAddresses::default());
            World { actor: RoomsActor::new(rooms, store, media, limits, clock), secrets, next: 0, _dir: dir }
        }

        /// Asks for a seat in `band` by the secret of `role`. Returns whether it was given.
        fn join(&mut self, role: Role, seat: SeatRole) -> bool {
            self.next += 1;
            let connection = ConnectionId(self.next);
            let (outbox, mut messages) = mpsc::channel(32);
            let hello = Hello {
                version: VERSION,
                musician: MusicianId([self.next as u8; 32]),
                signature: [0; 64],
                name: format!("Ann {}", self.next),
                suites: vec![Suite::Aes128Gcm],
                features: Features::default(),
            };
            let seat = Seat {
                room: name("band"),
                role: seat,
                secret: Some(self.secrets.of(role).secret.clone()),
                instance: None,
                resume: None,
                replaces: None,
                mix: None,
            };
            self.event(connection, ControlEvent::Connected { from: FROM, outbox });
            self.event(connection, ControlEvent::Received(Ok(ClientMessage::Hello(hello))));
            self.event(connection, ControlEvent::Received(Ok(ClientMessage::Seat(seat))));
            std::iter::from_fn(|| messages.try_recv().ok()).any(|out| matches!(out.message, ServerMessage::Joined(_)))
        }

        fn event(&mut self, connection: ConnectionId, event: ControlEvent) {
            self.actor.handle(RoomsInput::Control(connection, event));
            self.actor.carry_out();
        }

        /// Makes a query or command with a reply.
        fn ask<T>(&mut self, input: impl FnOnce(oneshot::Sender<T>) -> RoomsInput) -> T {
            let (reply, mut replied) = oneshot::channel();
            self.actor.handle(input(reply));
            self.actor.carry_out();
            replied.try_recv().expect("a reply")
        }

        /// Whether the actor lets `authority` do `action` in `band`.
        fn may(&mut self, authority: &Authority, action: Action) -> bool {
            let (authority, band) = (authority.clone(), name("band"));
            let first = |world: &World| world.actor.rooms.list(Some(&name("band"))).first().map(|seated| seated.source);
            match action {
                Action::Hear | Action::Play => match authority {
                    Authority::InRoom(room, role) if room == band => {
                        let seat = if action == Action::Play { SeatRole::Musician } else { SeatRole::Listener };
                        self.join(role, seat)
                    }
                    // There is no secret of the operator, and none of another room opens this one.
                    _ => false,
                },
                Action::SeeMembers | Action::SeeAddresses => {
                    self.join(Role::Musician, SeatRole::Musician);
                    let query = |reply| RoomsInput::Query(RoomsQuery::Snapshots(authority, Some(band), reply));
                    let snapshots: Vec<RoomSnapshot> = self.ask(query);
                    snapshots
                        .iter()
                        .flat_map(|snapshot| &snapshot.members)
                        .any(|member| action == Action::SeeMembers || member.address.is_some())
                }
                Action::Kick => {
                    self.join(Role::Musician, SeatRole::Musician);
                    let target = Target::Slot(first(self).expect("a member"));
                    let result: Result<Vec<Seated>, CommandError> =
                        self.ask(|reply| RoomsInput::Command(RoomsCommand::Kick(authority, band, target, reply)));
                    assert!(result.is_ok() || result == Err(CommandError::Forbidden), "{result:?}");
                    result.is_ok()
                }
                Action::Ban => {
                    self.join(Role::Musician, SeatRole::Musician);
                    // An identity of nobody, so that later joins are not banned.
                    let target = Target::Identity(MusicianId([0xff; 32]));
                    let result: Result<Ban, CommandError> =
                        self.ask(|reply| RoomsInput::Command(RoomsCommand::Ban(authority, band, target, reply)));
                    assert!(result.is_ok() || result == Err(CommandError::Forbidden), "{result:?}");
                    result.is_ok()
                }
            }
        }
    }

    /// Each cell of the authority table is what the actor enforces.
    #[test]
    fn authority_table_is_enforced() {
        let mut world = World::new();
        let own = |role| Authority::InRoom(name("band"), role);
        let columns = [own(Role::Listener), own(Role::Musician), own(Role::Moderator), Authority::Operator];
        let table = [
            (Action::Hear, [true, true, true, false]),
            (Action::Play, [false, true, true, false]),
            (Action::SeeMembers, [true, true, true, true]),
            (Action::SeeAddresses, [false, false, true, true]),
            (Action::Kick, [false, false, true, true]),
            (Action::Ban, [false, false, true, true]),
        ];
        for (action, row) in table {
            for (authority, permitted) in columns.iter().zip(row) {
                assert_eq!(authority.permits(action, &name("band")), permitted, "{action:?} for {authority:?}");
                assert_eq!(world.may(authority, action), permitted, "{action:?} for {authority:?}");
            }
            let elsewhere = Authority::InRoom(name("other"), Role::Moderator);
            assert!(!world.may(&elsewhere, action), "{action:?} for a moderator of another room");
        }
    }

    /// A member who came through a gateway is listed with it, and the gateway receives the session.
    #[test]
    fn gateway_musicians_are_seated() {
        let mut world = World::new();
        let poll = mio::Poll::new().expect("a poll");
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker");
        let (mailbox, replies) = GatewayMailbox::new(waker);
        let request = GatewayRequest::Seat {
            room: name("band"),
            via: Via { gateway: "test", anonymous: true },
            musician: MusicianId([9; 32]),
            name: "Bob".to_owned(),
            from: (FROM, 5).into(),
        };
        world.actor.handle(RoomsInput::Gateway(request, mailbox));
        assert!(matches!(replies.try_recv(), Ok(GatewayReply::Seated(from, ..)) if from == (FROM, 5).into()));
        let query = |reply| RoomsInput::Query(RoomsQuery::Snapshots(Authority::Operator, None, reply));
        let snapshots: Vec<RoomSnapshot> = world.ask(query);
        let members: Vec<_> = snapshots[0].members.iter().map(|m| (m.name.as_str(), m.classic)).collect();
        assert_eq!((snapshots.len(), members), (1, vec![("Bob", true)]));
    }
}
