//! The thread `jam-send`: owns the session, sends audio and everything else, and publishes the snapshot.
//!
//! ```text
//!  audio ──ring of packets, wake──▶          ──UDP──▶ server
//!  handle ──Request, wake────────▶ jam-send ──RecvCommand──▶ jam-recv
//!  jam-recv ──RecvEvent, LastHeard▶         ──ControlCommand──▶ jam-control
//!  jam-control ──ControlReport, wake──▶     ──Snapshot──▶ any reader
//! ```

mod encoder;
mod jam;
mod legacy_jam;
mod room_jam;
mod roster;

pub(crate) use jam::JamChannels;

use crate::condition::{Condition, StatusNotice};
use crate::control::{ControlCommand, ControlReport};
use crate::identity::Identity;
use crate::loop_guard::LoopGuard;
use crate::media::{RecvCommand, RecvEvent};
use crate::options::ClientOptions;
use crate::shared::ClientShared;
use crate::slots::{Seating, Seats};
use crate::snapshot::{SessionState, Snapshot};
use crate::threads::{Clock, Wake};
use crossbeam_channel::Receiver;
use encoder::PacketEncoder;
use jam::Jam;
use legacy_jam::LegacyJam;
use room_jam::RoomJam;
use rtjam_engine::{Console, Level, Outgoing};
use rtjam_platform::priority::{self, RealTimeRole};
use rtjam_protocol::Micros;
use rtjam_protocol::control::MixRequest;
use rtjam_protocol::link::{InviteLink, LegacyServer, Link};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often levels are watched and the snapshot is published.
const TICK: Micros = Micros::from_millis(100);

/// Events and reports taken before audio has its turn again.
const BATCH: usize = 32;

/// A request of the client's handle.
pub(crate) enum Request {
    /// Joins; the number appears in [`Snapshot::answers`].
    Join(u32, Box<Link>),
    /// Leaves; the number appears in [`Snapshot::answers`].
    Leave(u32),
    /// Changes the options.
    Change(Box<dyn FnOnce(&mut ClientOptions) + Send>),
    /// Sets the project's seats, for the next join.
    Seats(Box<Seats>),
    /// Unmutes the send if the loop guard has muted it.
    ResumeSending,
    /// Leaves and ends the thread.
    Stop,
}

/// The other threads and the channels to them.
pub(crate) struct Workers {
    pub(crate) channels: JamChannels,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// The receiving ends of `jam-send`.
pub(crate) struct Inbox {
    pub(crate) requests: Receiver<Request>,
    pub(crate) reports: Receiver<ControlReport>,
    pub(crate) events: Receiver<RecvEvent>,
}

/// What `jam-send` works with: engine, identity and current options.
pub(crate) struct SendContext {
    pub(crate) clock: Clock,
    pub(crate) wake: Wake,
    pub(crate) console: Console,
    pub(crate) outgoing: Outgoing,
    pub(crate) shared: Arc<ClientShared>,
    pub(crate) identity: Identity,
    pub(crate) options: ClientOptions,
}

/// The body of `jam-send`.
pub(crate) fn run(context: SendContext, inbox: Inbox, workers: Workers) {
    context.wake.register_current_thread();
    let mut notices = Notices::default();
    if priority::raise(RealTimeRole::ClientNetwork).is_err() {
        notices.set(StatusNotice::NoRealtimePriority);
    }
    let sender = SendThread {
        encoder: PacketEncoder::audio(context.options.format),
        tick_at: context.clock.now(),
        context,
        workers,
        seating: Seating::default(),
        guard: LoopGuard::default(),
        notices,
        jam: None,
        jams: 0,
        answers: 0,
        last_place: None,
        project_instance: None,
        no_key: None,
    };
    sender.serve(&inbox);
}

struct SendThread {
    context: SendContext,
    workers: Workers,
    /// Encodes for the current jam.
    encoder: PacketEncoder,
    seating: Seating,
    guard: LoopGuard,
    notices: Notices,
    jam: Option<Box<dyn Jam>>,
    /// Number of the current jam: how many there were.
    jams: u32,
    answers: u32,
    /// The last room and this client's instance number there.
    last_place: Option<(InviteLink, u8)>,
    /// The project's instance number, for the next join.
    project_instance: Option<u8>,
    /// The requested link, if it has no key.
    no_key: Option<InviteLink>,
    tick_at: Micros,
}

impl SendThread {
    fn serve(mut self, inbox: &Inbox) {
        loop {
            let now = self.context.clock.now();
            self.send_audio(now);
            let stop = self.take_requests(now, inbox);
            if stop {
                break;
            }
            let more = self.take_events(now, inbox);
            if let Some(jam) = &mut self.jam {
                jam.handle_timeout(now);
            }
            let changed = self.drain_jam(now);
            if changed || now >= self.tick_at {
                self.tick(now);
            }
            if !more {
                std::thread::park_timeout(self.idle_time());
            }
        }
        self.end();
    }

    /// Encodes all packets that wait, and has the jam send them. Without a jam they are dropped and not counted.
    fn send_audio(&mut self, now: Micros) {
        let SendContext { outgoing, shared, .. } = &mut self.context;
        while let Some(packet) = outgoing.pop() {
            let Some(jam) = &mut self.jam else { continue };
            let counts = self.encoder.encode(&packet, |encoded| jam.send_audio(now, encoded));
            shared.sent.fetch_add(counts.packets, Relaxed);
            shared.not_sent.fetch_add(counts.dropped, Relaxed);
        }
    }

    /// Carries out the handle's requests. Returns whether the thread is to end.
    fn take_requests(&mut self, now: Micros, inbox: &Inbox) -> bool {
        for request in inbox.requests.try_iter() {
            match request {
                Request::Join(number, link) => {
                    self.leave(now);
                    self.answers = number;
                    match *link {
                        Link::Room(link) => self.join(now, link),
                        Link::Legacy(server) => self.join_legacy(now, server),
                    }
                }
                Request::Leave(number) => {
                    self.leave(now);
                    self.answers = number;
                }
                Request::Change(change) => {
                    change(&mut self.context.options);
                    self.encoder.set_codec(self.context.options.format);
                }
                Request::Seats(seats) => {
                    self.project_instance = seats.instance;
                    self.seating.set_project_map(seats.map());
                }
                Request::ResumeSending => {
                    if self.guard.has_tripped() {
                        self.guard.reset();
                        self.context.console.set_send_mute(false);
                    }
                }
                Request::Stop => return true,
            }
            // The snapshot soon includes the request.
            self.tick_at = now;
        }
        false
    }

    fn join(&mut self, now: Micros, link: InviteLink) {
        let Some(key) = link.key.clone() else {
            self.no_key = Some(link);
            return;
        };
        self.jams += 1;
        let SendContext { console, shared, identity, options, .. } = &self.context;
        let mix = MixRequest { mode: options.mix, codec: options.format, balances: Vec::new() };
        let sent_before = shared.counts(console.tx().dropped);
        let channels = self.workers.channels.clone();
        let instance = self.last_place.take_if(|(place, _)| *place == link.without_key()).map(|(_, instance)| instance);
        let instance = self.project_instance.take().or(instance);
        let name = &options.name;
        let jam = RoomJam::new(now, self.jams, link, key, name, identity, instance, mix, channels, sent_before);
        self.encoder = PacketEncoder::audio(options.format);
        self.jam = Some(Box::new(jam));
    }

    /// A legacy server is told neither the name nor the identity.
    fn join_legacy(&mut self, now: Micros, server: LegacyServer) {
        self.jams += 1;
        let SendContext { console, shared, .. } = &self.context;
        let sent_before = shared.counts(console.tx().dropped);
        let channels = self.workers.channels.clone();
        // The random seed of the standard library's hash maps: different each time.
        let random = RandomState::new().hash_one(self.jams);
        let jam = LegacyJam::new(now, self.jams, server, random, channels, console.clone(), sent_before);
        self.encoder = PacketEncoder::legacy();
        self.jam = Some(Box::new(jam));
    }

    fn leave(&mut self, now: Micros) {
        self.no_key = None;
        self.notices.clear_no_socket();
        if let Some(mut jam) = self.jam.take() {
            jam.leave(now);
            self.last_place = jam.place().or(self.last_place.take());
            jam.roster().clear(&self.context.console);
            self.seating.update(std::iter::empty());
            self.workers.channels.send_recv(RecvCommand::Idle);
        }
        if self.guard.has_tripped() {
            self.context.console.set_send_mute(false);
        }
        self.guard.reset();
    }

    /// Takes some of the other threads' reports and events. Returns whether there are more.
    fn take_events(&mut self, now: Micros, inbox: &Inbox) -> bool {
        for report in inbox.reports.try_iter().take(BATCH) {
            match report {
                ControlReport::Slots(map) => self.seating.set_user_map(map),
                ControlReport::SlotsNotSaved(error) => self.notices.set(StatusNotice::SlotsNotSaved(error)),
                report => {
                    if let Some(jam) = &mut self.jam {
                        jam.handle_report(now, report);
                        self.drain_jam(now);
                        // Most reports change the snapshot.
                        self.tick_at = now;
                    }
                }
            }
        }
        for event in inbox.events.try_iter().take(BATCH) {
            if let Some(jam) = &mut self.jam {
                jam.handle_recv_event(&event);
                self.drain_jam(now);
            }
        }
        !inbox.reports.is_empty() || !inbox.events.is_empty()
    }

    /// Carries out what the jam has pending. Returns whether the snapshot has changed.
    fn drain_jam(&mut self, now: Micros) -> bool {
        let Some(jam) = &mut self.jam else { return false };
        let changed = jam.drain(now);
        if jam.roster().has_changed() {
            let map_changed = jam.roster().assign_strips(&mut self.seating, &self.context.console);
            if map_changed {
                self.workers.channels.send_control(ControlCommand::SaveSlots(self.seating.map().clone()));
            }
            let instance = jam.place().map(|(_, instance)| instance);
            self.context.shared.seats.store(Arc::new(self.seating.seats(instance)));
        }
        changed
    }

    fn tick(&mut self, now: Micros) {
        self.tick_at = now + TICK;
        self.watch_levels(now);
        if let Some(jam) = &mut self.jam {
            let SendContext { console, options, shared, .. } = &self.context;
            jam.set_mix(options.mix, options.format, console);
            jam.pin(&options.pinned);
            jam.report_stalls(now, console.engine().stalling);
            jam.tick(now, shared);
            match &jam.path().error {
                Some(e) => self.notices.set(StatusNotice::NoSocket(e.to_string())),
                None => self.notices.clear_no_socket(),
            }
            console.set_max_frames(self.encoder.max_frames(jam.datagram_limit()));
        }
        self.context.shared.snapshot.store(Arc::new(self.snapshot(now)));
    }

    fn watch_levels(&mut self, now: Micros) {
        let console = &self.context.console;
        let loudest = |levels: [Level; 2]| levels[0].rms_dbfs.max(levels[1].rms_dbfs);
        // Without a jam there can be no feedback loop.
        if self.jam.is_some() {
            let (sent, room) = (loudest(console.tx().levels), loudest(console.room().levels));
            if self.guard.watch(now, sent, room, console.send_mute()) {
                console.set_send_mute(true);
            }
        }
    }

    fn snapshot(&self, now: Micros) -> Snapshot {
        let snapshot = match (&self.jam, &self.no_key) {
            (Some(jam), _) => jam.snapshot(now, self.guard.has_tripped()),
            (None, Some(link)) => Snapshot {
                state: SessionState::Refused,
                room: Some(link.room.to_string()),
                condition: Some(Condition::NoKey),
                ..Snapshot::default()
            },
            (None, None) => Snapshot::default(),
        };
        Snapshot { answers: self.answers, notices: self.notices.0.clone(), ..snapshot }
    }

    /// How long the thread may sleep if nobody wakes it.
    fn idle_time(&self) -> Duration {
        let now = self.context.clock.now();
        let due = self.jam.as_ref().and_then(|jam| jam.poll_timeout()).unwrap_or(self.tick_at).min(self.tick_at);
        // Without a jam only the ring of packets needs emptying, and the engine wakes this thread for that.
        let due = if self.jam.is_some() { due } else { now + Micros::from_secs(1) };
        Duration::from_micros(due.since(now).0)
    }

    /// Leaves, ends the other threads and waits for them: at most about 200 ms.
    fn end(mut self) {
        let now = self.context.clock.now();
        self.leave(now);
        self.workers.channels.send_recv(RecvCommand::Stop);
        self.workers.channels.send_control(ControlCommand::Stop);
        for thread in self.workers.threads.drain(..) {
            let _ = thread.join();
        }
        self.context.shared.snapshot.store(Arc::new(Snapshot { answers: self.answers, ..Snapshot::default() }));
    }
}

/// The current notices: at most one of each kind.
#[derive(Debug, Default)]
struct Notices(Vec<StatusNotice>);

impl Notices {
    fn set(&mut self, notice: StatusNotice) {
        let kind = std::mem::discriminant(&notice);
        match self.0.iter_mut().find(|old| std::mem::discriminant(*old) == kind) {
            Some(old) => *old = notice,
            None => self.0.push(notice),
        }
    }

    fn clear_no_socket(&mut self) {
        self.0.retain(|notice| !matches!(notice, StatusNotice::NoSocket(_)));
    }
}
