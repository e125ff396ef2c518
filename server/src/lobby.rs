//! The lobby: the thread that owns the rooms, and alone reads and writes their store while the server runs.

use crate::classic::{Answer, Ask, ClassicTotals, Desk};
use crate::clock::Clock;
use crate::crowds::{Crowds, Present};
use crate::limits::{LimitSettings, Limits};
use crate::media::{Choice, Media, Wish};
use crate::moderation::{ModerationCommand, ModerationReply};
use crate::statistics::{Attendance, AudioFigures, SessionFigures};
use crate::store::{Store, StoreAccess, StoreError, StoreHealth};
use crate::system::{Random, resident_mib};
use rtjam_engine::{Balance, Gain, Pan};
use rtjam_protocol::control::{
    BadMessage, ClientMessage, MixBalance, MixChoice, Refusal, Refused, SeatRole, ServerMessage,
};
use rtjam_protocol::link::{Pin, Secret};
use rtjam_protocol::room::{
    Ban, Census, Claim, ClassicMusician, ConnectionId, MixOrder, NewSession, Output, RoomRecord, Rooms, Secrets,
};
use rtjam_protocol::{Micros, RoomName, SessionId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Inputs that wait for the lobby; whoever brings more waits, or tries again.
pub const QUEUE: usize = 1024;

/// Messages that wait for a connection; who reads so slowly that it overflows is closed.
pub const OUTBOX: usize = 128;

/// How often the lobby looks whether another program has changed the store.
const STORE_EVERY: Micros = Micros::from_millis(500);

/// What happens to the rooms.
#[derive(Debug)]
pub enum Input {
    /// A control connection was made.
    Connected {
        /// Its number, never used before.
        connection: ConnectionId,
        /// Whose it is.
        from: IpAddr,
        /// Takes what it shall be told. When this end is dropped, the connection closes.
        outbox: mpsc::Sender<Word>,
    },
    /// It said something, or what is no message.
    Said(ConnectionId, Result<ClientMessage, BadMessage>),
    /// A word went to it and came back in this time.
    RoundTrip(ConnectionId, Micros),
    /// Sound waits so long before it is mixed for a session.
    MixWaits(SessionId, Micros),
    /// A crowded room's musicians are sent these.
    Chosen(Arc<Choice>),
    /// A session sends more than it may: so many of its datagrams have been dropped for that.
    OverRate(SessionId, u64),
    /// It ended.
    Disconnected(ConnectionId),
    /// A session said goodbye, or nothing for too long.
    SessionOver(SessionId),
    /// A session's keys have been used long enough: another session should take over.
    SessionWorn(SessionId),
    /// The classic thread wants something.
    Classic(Ask),
    /// Someone wants to know how things are.
    Describe(oneshot::Sender<Described>),
    /// The operator has changed settings, or the keys that are shown.
    Reconfigured {
        /// What addresses get from now on.
        limits: LimitSettings,
        /// Pins of the keys.
        pins: Vec<Pin>,
    },
    /// The server stops. The lobby takes nothing more.
    GoingDown,
}

/// How things are, as far as the lobby knows.
#[derive(Debug)]
pub struct Described {
    /// Who is where.
    pub census: Census,
    /// All musicians' audio since the start.
    pub audio: AudioFigures,
    /// Live sessions that have sent more than they may, and how many of their datagrams were dropped for that.
    pub over_rate: Vec<(SessionId, u64)>,
    /// Refusals by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Sessions that have begun.
    pub sessions_begun: u64,
    /// The database could not be read or written when that was last tried.
    pub store_fails: bool,
    /// The classic packet's figures, where it is spoken.
    pub classic: Option<ClassicTotals>,
}

/// What a connection shall be told.
#[derive(Debug)]
pub struct Word {
    /// Says it.
    pub message: ServerMessage,
    /// But not before this has passed.
    pub hold: Duration,
}

/// A connection, as the lobby knows it.
struct Guest {
    from: IpAddr,
    outbox: mpsc::Sender<Word>,
    session: Option<SessionId>,
    /// As what it asks for a seat.
    role: SeatRole,
}

/// Carries out what [`Rooms`] decides.
pub struct Lobby {
    rooms: Rooms,
    store: Store,
    media: Media,
    limits: Limits,
    clock: Clock,
    random: Random,
    /// Secrets that no room has, which stand in for those of a room that does not exist.
    nobodys: Secrets,
    guests: HashMap<ConnectionId, Guest>,
    attendance: HashMap<SessionId, Attendance>,
    /// Of sessions that are over.
    past_audio: AudioFigures,
    sessions_begun: u64,
    refused: BTreeMap<&'static str, u64>,
    store_health: StoreHealth,
    /// When to look again whether another program has changed the store, and its version when it was last read.
    store_due: Micros,
    store_version: Option<i64>,
    classic: Option<Desk>,
    crowds: Crowds,
}

impl Lobby {
    /// An empty lobby.
    pub fn new(rooms: Rooms, store: Store, media: Media, limits: Limits, clock: Clock, classic: Option<Desk>) -> Lobby {
        let mut random = Random::new();
        let mut secret = || Secret(random.array()).into();
        let nobodys = Secrets { listener: secret(), musician: secret(), moderator: secret() };
        Lobby {
            rooms,
            store,
            media,
            limits,
            clock,
            random,
            nobodys,
            guests: HashMap::new(),
            attendance: HashMap::new(),
            past_audio: AudioFigures::default(),
            sessions_begun: 0,
            refused: BTreeMap::new(),
            store_health: StoreHealth::default(),
            store_due: Micros::ZERO,
            store_version: None,
            classic,
            crowds: Crowds::default(),
        }
    }

    /// Works until it is told that the server goes down, or nobody is left to tell it anything. Blocks; `timer` is a
    /// runtime of its own, by which it waits.
    pub fn run(mut self, mut inputs: mpsc::Receiver<Input>, timer: &Runtime) {
        loop {
            let due = self.rooms.poll_timeout().map_or(self.store_due, |due| due.min(self.store_due));
            let wait = Duration::from_micros(due.since(self.clock.now()).0);
            let next = timer.block_on(async { timeout(wait, inputs.recv()).await });
            let last = match next {
                Ok(Some(input)) => {
                    let last = matches!(input, Input::GoingDown);
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
            self.tell_crowds();
            if last {
                break;
            }
        }
        tracing::info!("going down; {} seated", self.rooms.seated());
        // First what musicians wait for, then the books.
        self.media.shut_down();
        let now = self.clock.now();
        for (_, attendance) in self.attendance {
            if let Err(failure) = self.store.record_session(&attendance.end(now)) {
                tracing::error!("{failure} Nothing is kept of how the last sessions went.");
                break;
            }
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Connected { connection, from, outbox } => {
                self.guests.insert(connection, Guest { from, outbox, session: None, role: SeatRole::Musician });
                self.rooms.handle_connected(connection, self.random.array());
            }
            Input::Said(connection, Ok(message)) => self.hear(connection, message),
            Input::Said(connection, Err(BadMessage)) => self.rooms.handle_bad_message(connection),
            Input::RoundTrip(connection, took) => {
                let session = self.guests.get(&connection).and_then(|guest| guest.session);
                if let Some(attendance) = session.and_then(|s| self.attendance.get(&s)) {
                    attendance.figures().round_trip_took(took);
                }
            }
            Input::Describe(answer) => {
                self.test_store();
                // Fails when whoever asked has not waited.
                let _ = answer.send(self.describe());
            }
            Input::Disconnected(connection) => {
                self.guests.remove(&connection);
                self.rooms.handle_disconnected(connection);
            }
            Input::Chosen(choice) => self.crowds.take(choice),
            Input::OverRate(session, dropped) => self.warn_of_rate(session, dropped),
            Input::MixWaits(session, wait) => self.rooms.handle_mix_waits(session, wait),
            Input::SessionOver(session) => self.rooms.handle_session_over(self.clock.now(), session),
            Input::SessionWorn(session) => self.rooms.handle_worn(session),
            Input::Classic(ask) => self.hear_classic(ask),
            Input::Reconfigured { limits, pins } => {
                self.limits.reconfigure(limits);
                self.rooms.set_pins(pins);
            }
            Input::GoingDown => self.rooms.handle_going_down(),
        }
    }

    /// Tells musicians of large rooms whom they are not sent.
    fn tell_crowds(&mut self) {
        while let Some(room) = self.crowds.poll() {
            let present = self.attendance.iter().filter(|(_, attendance)| *attendance.room() == room);
            let present: Vec<Present> = present.map(|(session, attendance)| attendance.present(*session)).collect();
            let words = self.crowds.tell(&room, self.media.is_crowded(&room), &present);
            let connections: HashMap<SessionId, ConnectionId> =
                self.guests.iter().filter_map(|(connection, guest)| Some((guest.session?, *connection))).collect();
            for (session, sources) in words {
                if let Some(connection) = connections.get(&session) {
                    self.send(*connection, ServerMessage::Unheard { sources });
                }
            }
        }
    }

    fn warn_of_rate(&mut self, session: SessionId, dropped: u64) {
        if self.attendance.get_mut(&session).is_some_and(Attendance::first_warning) {
            tracing::warn!("session {:08x} sends more than a musician may; the rest is dropped", session.0);
        }
        let connection = self.guests.iter().find(|(_, guest)| guest.session == Some(session)).map(|(id, _)| *id);
        if let Some(connection) = connection {
            self.send(connection, ServerMessage::OverRate { dropped });
        }
    }

    fn describe(&self) -> Described {
        let live = self.attendance.values().map(|a| a.figures().audio());
        Described {
            census: self.rooms.census(),
            audio: live.fold(self.past_audio, AudioFigures::plus),
            over_rate: self.over_rate(),
            refused: self.refused.iter().map(|(reason, count)| (*reason, *count)).collect(),
            sessions_begun: self.sessions_begun,
            store_fails: self.store_health.fails(),
            classic: self.classic.as_ref().map(|desk| desk.figures.totals()),
        }
    }

    fn over_rate(&self) -> Vec<(SessionId, u64)> {
        let all = self.attendance.iter().map(|(session, attendance)| (*session, attendance.figures().over_rate()));
        let mut offenders: Vec<(SessionId, u64)> = all.filter(|(_, dropped)| *dropped > 0).collect();
        offenders.sort_unstable_by_key(|(session, _)| session.0);
        offenders
    }

    fn hear_classic(&mut self, ask: Ask) {
        let Some(desk) = self.classic.clone() else { return };
        match ask {
            Ask::Seat(from, client) => {
                let mix = self.store.mix(&desk.room);
                self.note(StoreAccess::Read, mix.as_ref().err(), "classic musicians are sent everyone separately");
                let bans = self.bans(&desk.room);
                self.note(StoreAccess::Read, bans.as_ref().err(), "nobody is known to be banned");
                let classic = ClassicMusician {
                    room: desk.room.clone(),
                    client,
                    mix: mix.unwrap_or_default(),
                    origin: self.limits.origin(from.ip()),
                    bans: bans.unwrap_or_default(),
                };
                match self.seat_classic(&classic, from.ip()) {
                    Ok((new, figures)) => desk.tell(Answer::Seated(from, new, figures)),
                    Err(refused) => {
                        *self.refused.entry(refused.name()).or_default() += 1;
                        desk.tell(Answer::TurnedAway(from));
                    }
                }
            }
            Ask::Ear => {
                if let Some(new) = self.rooms.handle_classic_ear(&desk.room, &mut self.random) {
                    self.media.open(&new, Arc::default());
                    desk.tell(Answer::Ear(new));
                }
            }
        }
    }

    fn seat_classic(
        &mut self,
        classic: &ClassicMusician,
        from: IpAddr,
    ) -> Result<(NewSession, Arc<SessionFigures>), Refusal> {
        self.limits.charge_join(self.clock.now(), from, SeatRole::Musician).map_err(|refused| refused.reason)?;
        if let Some(refused) = self.limits.refuse_session(from, SeatRole::Musician, resident_mib()) {
            return Err(refused.reason);
        }
        let slots = self.store.slots(&classic.room);
        self.note(StoreAccess::Read, slots.as_ref().err(), "nobody can join until that works");
        let slots = slots.map_err(|_| Refusal::ServerUnable)?;
        let new = self.rooms.handle_classic(self.clock.now(), classic, &slots, &mut self.random)?;
        tracing::info!("{}: a classic musician takes seat {}", new.room, new.source.0);
        let figures = self.begin(&new, Some(from));
        Ok((new, figures))
    }

    fn hear(&mut self, connection: ConnectionId, message: ClientMessage) {
        if let (ClientMessage::Seat(seat), Some(guest)) = (&message, self.guests.get_mut(&connection)) {
            guest.role = seat.role;
        }
        self.rooms.handle_message(self.clock.now(), connection, message);
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Send(connection, message) => self.send(connection, message),
                Output::Close(connection) => {
                    self.guests.remove(&connection);
                }
                Output::LookUp(connection, room) => self.look_up(connection, &room),
                Output::Open(session) => {
                    tracing::info!("{}: {} takes seat {}", session.room, kind(session.sends), session.source.0);
                    let from = session.connection.and_then(|c| self.guests.get(&c)).map(|guest| guest.from);
                    self.begin(&session, from);
                }
                Output::End(session) => {
                    tracing::info!("session {:08x} ended", session.0);
                    self.limits.session_ended(session);
                    self.media.end(session);
                    if let Some(attendance) = self.attendance.get(&session) {
                        self.crowds.forget(session, attendance.room());
                    }
                    self.record(session);
                }
                Output::Pin(session, sources) => {
                    self.media.pin(session, &sources);
                    if let Some(attendance) = self.attendance.get(&session) {
                        self.crowds.pin(session, attendance.room(), sources);
                    }
                }
                Output::Mix(order) => self.media.mix(order.session, wish(order)),
                Output::RememberSlot(room, record) => {
                    let result = self.store.remember_slot(&room, &record);
                    self.note(
                        StoreAccess::Write,
                        result.as_ref().err(),
                        "seats taken now may be others after a restart",
                    );
                }
            }
        }
    }

    fn begin(&mut self, session: &NewSession, from: Option<IpAddr>) -> Arc<SessionFigures> {
        let now = self.clock.now();
        if let Some(from) = from {
            let role = if session.sends { SeatRole::Musician } else { SeatRole::Listener };
            self.limits.session_opened(now, session.session, from, role);
        }
        let attendance = Attendance::new(now, session);
        let figures = attendance.figures().clone();
        self.media.open(session, figures.clone());
        self.attendance.insert(session.session, attendance);
        self.sessions_begun += 1;
        figures
    }

    fn record(&mut self, session: SessionId) {
        let Some(attendance) = self.attendance.remove(&session) else { return };
        let record = attendance.end(self.clock.now());
        self.past_audio = self.past_audio.plus(record.audio);
        let result = self.store.record_session(&record);
        self.note(StoreAccess::Write, result.as_ref().err(), "nothing is kept of how sessions went");
    }

    fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let mut hold = Micros::ZERO;
        if let ServerMessage::Joined(joined) = &message {
            guest.session = Some(joined.session);
            self.crowds.greet(joined.session, &joined.room);
        }
        if let ServerMessage::Refused(refused) = &message {
            *self.refused.entry(refused.reason.name()).or_default() += 1;
            tracing::info!("connection {} from {} refused: {:?}", connection.0, guest.from, refused.reason);
            if refused.reason == Refusal::WrongSecret {
                hold = self.limits.wrong_secret_delay(self.clock.now(), guest.from);
            }
        }
        if let Err(e) = guest.outbox.try_send(Word { message, hold: Duration::from_micros(hold.0) }) {
            if matches!(e, TrySendError::Full(_)) {
                tracing::info!("connection {} does not read what it is told and is closed", connection.0);
            }
            self.guests.remove(&connection);
            self.rooms.handle_disconnected(connection);
        }
    }

    fn look_up(&mut self, connection: ConnectionId, room: &RoomName) {
        // Read anew for each seat: `invite --renew` may have replaced a secret a moment ago.
        let secrets = self.store.secrets(room);
        self.note(StoreAccess::Read, secrets.as_ref().err(), "nobody can join until that works");
        let record = match secrets {
            Ok(secrets) => self.judge(connection, room, secrets),
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
                let Some(origin) = self.guests.get(&connection).map(|guest| self.limits.origin(guest.from)) else {
                    return;
                };
                let taken_at = last_taken.saturating_add(1);
                self.rooms.handle_room(self.clock.now(), connection, origin, record, taken_at, &mut self.random);
            }
            Err(refused) => self.rooms.handle_limited(connection, refused),
        }
    }

    /// What whoever asks for a seat learns of the room. Only a right secret costs the address a join; and a wrong one is
    /// as much work as a room that does not exist.
    fn judge(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        secrets: Option<Secrets>,
    ) -> Result<RoomRecord, Refused> {
        let guest = self.guests.get(&connection).map(|guest| (guest.from, guest.role));
        let claim = self.rooms.claim(connection, secrets.as_ref().unwrap_or(&self.nobodys));
        let (Some(secrets), true) = (secrets, claim != Claim::Nothing) else { return Ok(RoomRecord::Unknown) };
        if let (Some((from, role)), Claim::Seat) = (guest, claim) {
            self.limits.charge_join(self.clock.now(), from, role)?;
        }
        let rest = self.store.slots(room).and_then(|slots| Ok((slots, self.store.mix(room)?, self.bans(room)?)));
        self.note(StoreAccess::Read, rest.as_ref().err(), "nobody can join until that works");
        let Ok((slots, mix, bans)) = rest else { return Ok(RoomRecord::Unavailable) };
        let refused = guest.and_then(|(from, role)| self.limits.refuse_session(from, role, resident_mib()));
        Ok(match refused {
            Some(refused) => RoomRecord::Limited { secrets, slots, mix, bans, refused },
            None => RoomRecord::Found { secrets, slots, mix, bans },
        })
    }

    /// Carries out what other programs have written into the store: orders, renewed secrets, bans.
    fn watch_store(&mut self) {
        let now = self.clock.now();
        if now < self.store_due {
            return;
        }
        self.store_due = now + STORE_EVERY;
        let Ok(version) = self.store.version() else { return };
        if self.store_version == Some(version) {
            return;
        }
        match self.obey_orders().and_then(|()| self.apply_rules()) {
            Ok(()) => self.store_version = Some(version),
            Err(failure) => self.note(StoreAccess::Write, Some(&failure), "renewed invitations, bans and orders wait"),
        }
    }

    /// Ends the sessions that renewed secrets and bans no longer admit.
    fn apply_rules(&mut self) -> Result<(), StoreError> {
        for room in self.rooms.occupied() {
            let bans = self.bans(&room)?;
            if let Some(secrets) = self.store.secrets(&room)? {
                self.rooms.handle_rules(self.clock.now(), &room, &secrets, &bans);
            }
        }
        Ok(())
    }

    fn obey_orders(&mut self) -> Result<(), StoreError> {
        for (id, request) in self.store.pending_commands()? {
            let answer = match serde_json::from_str(&request) {
                Ok(order) => self.obey(order)?,
                Err(_) => ModerationReply::NotUnderstood,
            };
            // Our answers have string keys and no failing serializers.
            let answer = serde_json::to_string(&answer).unwrap_or_default();
            self.store.answer_command(id, &answer)?;
        }
        Ok(())
    }

    fn obey(&mut self, order: ModerationCommand) -> Result<ModerationReply, StoreError> {
        Ok(match order {
            ModerationCommand::List(room) => ModerationReply::Seated(self.rooms.list(room.as_ref())),
            ModerationCommand::Kick(room, who) => {
                let kicked = self.rooms.handle_kick(self.clock.now(), &room, &who);
                tracing::info!("{room}: {} kicked by order", kicked.len());
                if kicked.is_empty() { ModerationReply::NobodyMatches } else { ModerationReply::Seated(kicked) }
            }
            ModerationCommand::Ban(room, who) => match self.rooms.ban_against(&room, &who) {
                Some(ban) => {
                    self.store.add_ban(&room, &ban)?;
                    self.apply_rules()?;
                    tracing::info!("{room}: somebody is banned by order");
                    ModerationReply::Banned(ban)
                }
                None => ModerationReply::NobodyMatches,
            },
        })
    }

    fn bans(&self, room: &RoomName) -> Result<Vec<Ban>, StoreError> {
        Ok(self.store.bans(Some(room))?.into_iter().map(|record| record.ban).collect())
    }

    /// Logs a failure of the store once, and again only after the same has worked.
    fn note(&mut self, access: StoreAccess, failure: Option<&StoreError>, meanwhile: &str) {
        self.store_health.log(self.clock.now(), access, failure, meanwhile);
    }

    /// Finds out whether the store can be written, unless that was seen a moment ago.
    fn test_store(&mut self) {
        if self.store_health.needs_test(self.clock.now()) {
            let result = self.store.test_write();
            self.note(StoreAccess::Write, result.as_ref().err(), "seats taken now may be others after a restart");
        }
    }
}

/// An order as the mixer takes it.
fn wish(order: MixOrder) -> Wish {
    let thousandth = |pan: i16| Pan::new(f32::from(pan) / 1000.0);
    // Exact up to 16.7 million; what is more is cut either way.
    let gain = |n: u32| Gain::linear(n.min(MixBalance::MOST) as f32 / MixBalance::UNITY as f32);
    let balance = |b: &MixBalance| {
        let pans = b.pans.map(|pan| pan.map(thousandth));
        (b.source, Balance { layout: b.layout, gains: b.gains.map(gain), pans })
    };
    let one = order.take == MixChoice::One;
    Wish { one, codec: order.codec, balances: order.balances.iter().map(balance).collect() }
}

const fn kind(sends: bool) -> &'static str {
    if sends { "a musician" } else { "a listener" }
}
