//! The actor's thread: takes inputs one at a time, lets [`Rooms`] decide, and carries out what it decides.

use super::messages::{ControlEvent, MediaEvent, OutgoingMessage, RoomsCommand, RoomsInput};
use super::unheard::UnheardReports;
use crate::limits::Limits;
use crate::media::{MediaThreads, MixerRequest};
use crate::real_time::ServerClock;
use crate::statistics::{AudioTotals, LiveSession, SessionCounters};
use crate::store::{Store, StoreAccess, StoreError, StoreHealth};
use crate::system::Random;
use rtjam_engine::{Balance, Gain, Pan};
use rtjam_protocol::control::{
    BadMessage, ClientMessage, DownstreamMode, MixBalance, Outdated, Refusal, SeatRole, ServerMessage,
};
use rtjam_protocol::link::Secret;
use rtjam_protocol::server::rooms::{Ban, ConnectionId, DownstreamChange, NewSession, RoomSecrets, Rooms, RoomsOutput};
use rtjam_protocol::{Micros, RoomName, SessionId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;

/// A control connection.
pub(super) struct ControlClient {
    pub(super) from: IpAddr,
    outbox: mpsc::Sender<OutgoingMessage>,
    session: Option<SessionId>,
    /// The role for which it asks for a seat.
    pub(super) role: SeatRole,
}

/// Owns the rooms, their store and the handle of the media threads.
pub struct RoomsActor {
    pub(super) rooms: Rooms,
    pub(super) store: Store,
    pub(super) media: MediaThreads,
    pub(super) limits: Limits,
    pub(super) clock: ServerClock,
    pub(super) random: Random,
    /// Secrets that belong to no room. They stand in for those of a room that does not exist.
    pub(super) decoy_secrets: RoomSecrets,
    pub(super) connections: HashMap<ConnectionId, ControlClient>,
    pub(super) sessions: HashMap<SessionId, LiveSession>,
    /// Audio of sessions that have ended.
    pub(super) ended_audio: AudioTotals,
    pub(super) sessions_begun: u64,
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) store_health: StoreHealth,
    /// When to check whether another program has changed the store.
    pub(super) store_check_due: Micros,
    /// The store's version when its commands and rules were last applied.
    pub(super) store_version: Option<i64>,
    unheard: UnheardReports,
}

impl RoomsActor {
    /// An actor whose rooms are empty.
    pub fn new(rooms: Rooms, store: Store, media: MediaThreads, limits: Limits, clock: ServerClock) -> RoomsActor {
        let mut random = Random::new();
        let mut secret = || Secret(random.array()).into();
        let decoy_secrets = RoomSecrets { listener: secret(), musician: secret(), moderator: secret() };
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
                let new = ControlClient { from, outbox, session: None, role: SeatRole::Musician };
                self.connections.insert(connection, new);
                self.rooms.handle_connected(connection, self.random.array());
            }
            ControlEvent::Received(Ok(message)) => self.handle_message(connection, message),
            ControlEvent::Received(Err(BadMessage)) => self.rooms.handle_refused(connection, Refusal::BadMessage),
            ControlEvent::RoundTrip(took) => {
                let session = self.connections.get(&connection).and_then(|c| c.session);
                if let Some(session) = session.and_then(|s| self.sessions.get(&s)) {
                    session.counters.record_round_trip(took);
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
            MediaEvent::SessionWorn(session) => self.rooms.handle_keys_expired(session),
            MediaEvent::OverRate(session, dropped) => self.warn_over_rate(session, dropped),
            MediaEvent::MixDelay(session, delay) => self.rooms.handle_mix_waits(session, delay),
            MediaEvent::SpeakersSelected(room, speakers) => self.unheard.set_selected(room, speakers),
        }
    }

    fn report_unheard(&mut self) {
        while let Some(room) = self.unheard.poll_room() {
            let here = self.sessions.iter().filter(|(_, session)| session.room == room && session.sends);
            let musicians: Vec<_> = here.map(|(id, session)| (*id, session.slot)).collect();
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
                RoomsOutput::Send(connection, message) => self.send(connection, message),
                RoomsOutput::Close(connection) => {
                    self.connections.remove(&connection);
                }
                RoomsOutput::LookUp(connection, room) => self.look_up(connection, &room),
                RoomsOutput::Open(session) => {
                    let kind = if session.sends { "a musician" } else { "a listener" };
                    tracing::info!("{}: {kind} takes seat {}", session.room, session.source.0);
                    let from = session.connection.and_then(|c| self.connections.get(&c)).map(|c| c.from);
                    self.begin(&session, from);
                }
                RoomsOutput::End(session) => {
                    tracing::info!("session {:08x} ended", session.0);
                    self.limits.session_ended(session);
                    self.media.end(session);
                    if let Some(ended) = self.sessions.get(&session) {
                        self.unheard.forget(session, &ended.room);
                    }
                    self.record(session);
                }
                RoomsOutput::Pin(session, sources) => {
                    self.media.pin(session, &sources);
                    if let Some(known) = self.sessions.get(&session) {
                        self.unheard.set_pinned(session, &known.room, sources);
                    }
                }
                RoomsOutput::Mix(change) => self.media.mix(change.session, mix_request(change)),
                RoomsOutput::RememberSlot(room, record) => {
                    let result = self.store.remember_slot(&room, &record);
                    self.note(StoreAccess::Write, result.as_ref().err(), SLOTS_NOT_KEPT);
                }
            }
        }
    }

    /// Opens a session at the media threads. Returns its counters.
    pub(super) fn begin(&mut self, session: &NewSession, from: Option<IpAddr>) -> Arc<SessionCounters> {
        let now = self.clock.now();
        if let Some(from) = from {
            let role = if session.sends { SeatRole::Musician } else { SeatRole::Listener };
            self.limits.session_opened(now, session.session, from, role);
        }
        let live = LiveSession::new(now, session);
        let counters = live.counters.clone();
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
        self.note(StoreAccess::Write, result.as_ref().err(), "session statistics are lost");
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
            let advice = match refused.update {
                Some(Outdated::Client) => "; the client is too old for this server",
                Some(Outdated::Server) => "; this server is too old for the client: update rtjam-server",
                Some(Outdated::Unknown) | None => "",
            };
            tracing::info!("connection {} from {} refused: {:?}{advice}", connection.0, known.from, refused.reason);
            if refused.reason == Refusal::WrongSecret {
                delay = self.limits.wrong_secret_delay(self.clock.now(), known.from);
            }
        }
        if let Err(e) = known.outbox.try_send(OutgoingMessage { message, delay: Duration::from_micros(delay.0) }) {
            if matches!(e, TrySendError::Full(_)) {
                tracing::info!("connection {} does not read its messages and is closed", connection.0);
            }
            self.connections.remove(&connection);
            self.rooms.handle_disconnected(connection);
        }
    }

    pub(super) fn bans(&self, room: &RoomName) -> Result<Vec<Ban>, StoreError> {
        Ok(self.store.bans(Some(room))?.into_iter().map(|record| record.ban).collect())
    }

    /// Logs a failure of the store once, and again only after the same work has succeeded in between.
    pub(super) fn note(&mut self, access: StoreAccess, failure: Option<&StoreError>, consequence: &str) {
        self.store_health.log(self.clock.now(), access, failure, consequence);
    }

    /// Tests whether the store can be written, unless that is known from a moment ago.
    pub(super) fn test_store(&mut self) {
        if self.store_health.needs_test(self.clock.now()) {
            let result = self.store.test_write();
            self.note(StoreAccess::Write, result.as_ref().err(), SLOTS_NOT_KEPT);
        }
    }
}

const SLOTS_NOT_KEPT: &str = "musicians may get other slots after a restart";

/// A change of the downstream in the mixer's units.
fn mix_request(change: DownstreamChange) -> MixerRequest {
    let thousandth = |pan: i16| Pan::new(f32::from(pan) / 1000.0);
    // Exact up to 16.7 million; larger values are clamped anyway.
    let gain = |n: u32| Gain::linear(n.min(MixBalance::MAX_GAIN) as f32 / MixBalance::UNITY as f32);
    let balance = |b: &MixBalance| {
        let pans = b.pans.map(|pan| pan.map(thousandth));
        (b.source, Balance { layout: b.layout, gains: b.gains.map(gain), pans })
    };
    let mixed = change.mode == DownstreamMode::Mixed;
    MixerRequest { mixed, codec: change.codec, balances: change.balances.iter().map(balance).collect() }
}
