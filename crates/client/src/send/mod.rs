//! The thread `jam-send`: owns the session, sends audio and everything else, and draws the picture that others see.
//!
//! ```text
//!  audio ──ring of packets, wake──▶          ──UDP──▶ server
//!  handle ──Order, wake──────────▶ jam-send ──Ear──▶ jam-recv
//!  jam-recv ──Note, LastHeard────▶          ──control::Command──▶ jam-control
//!  jam-control ──Report, wake────▶          ──Picture──▶ whoever asks
//! ```

mod any_jam;
mod audio;
mod classic;
mod jam;
mod roster;

use crate::clock::Clock;
use crate::control;
use crate::identity::Identity;
use crate::loop_guard::{LoopGuard, Verdict};
use crate::media::{Ear, Note};
use crate::priority::{self, NoPriority};
use crate::sentences;
use crate::shared::{Picture, Shared};
use crate::slots::{Seating, Seats};
use crate::status::State;
use crate::wake::Wake;
use any_jam::AnyJam;
use audio::Encoder;
use classic::ClassicJam;
use crossbeam_channel::{Receiver, Sender as Channel};
use jam::Jam;
use rtjam_engine::{Console, Level, Outgoing};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::{DownstreamMode, MixRequest};
use rtjam_protocol::link::{InviteLink, LegacyServer, Link};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How often levels are watched and the picture is drawn.
const TICK: Micros = Micros::from_millis(100);

/// Notes and reports taken before audio gets its turn again.
const BATCH: usize = 32;

/// What the client's handle asks for.
pub(crate) enum Order {
    /// Join; the number is what [`Picture::answers`] will say.
    Join(u32, Box<Link>),
    /// Leave.
    Leave(u32),
    /// Encode so from now on.
    Format(Codec),
    /// Be sent this of the others; `None`: as the room says.
    Mix(Option<DownstreamMode>),
    /// To hear the musicians of these names in any case.
    Pin(Vec<String>),
    /// Be called so from the next join on.
    Name(String),
    /// What a project kept of a room, for the next join.
    Seats(Box<Seats>),
    /// The loop guard was wrong, or the loop is broken.
    ResumeSending,
    /// Leave and end.
    Stop,
}

/// The other threads, and the ways to them.
pub(crate) struct Helpers {
    pub(crate) ear: Channel<Ear>,
    pub(crate) control: UnboundedSender<control::Command>,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// What `jam-send` hears.
pub(crate) struct Inbox {
    pub(crate) orders: Receiver<Order>,
    pub(crate) reports: Receiver<control::Report>,
    pub(crate) notes: Receiver<Note>,
}

/// What `jam-send` works with, apart from its ways to others.
pub(crate) struct Desk {
    pub(crate) clock: Clock,
    pub(crate) wake: Wake,
    pub(crate) console: Console,
    pub(crate) outgoing: Outgoing,
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Identity,
    pub(crate) name: String,
    pub(crate) codec: Codec,
    /// What of the others to be sent; `None`: as the room says.
    pub(crate) mix: Option<DownstreamMode>,
    pub(crate) pinned: Vec<String>,
}

/// The body of `jam-send`.
pub(crate) fn run(desk: Desk, inbox: Inbox, helpers: Helpers) {
    desk.wake.sleeps_here();
    let mut notices = Notices::default();
    if priority::raise() == Err(NoPriority::NotPermitted) {
        notices.set(Topic::Priority, sentences::NO_PRIORITY.to_owned());
    }
    let encoder = Encoder::new(desk.codec);
    let (seating, guard) = (Seating::default(), LoopGuard::default());
    let tick_at = desk.clock.now();
    let sender = Sender {
        desk,
        helpers,
        encoder,
        seating,
        guard,
        notices,
        jam: None,
        jams: 0,
        answers: 0,
        last_place: None,
        wished: None,
        refused: None,
        tick_at,
    };
    sender.serve(&inbox);
}

struct Sender {
    desk: Desk,
    helpers: Helpers,
    encoder: Encoder,
    seating: Seating,
    guard: LoopGuard,
    notices: Notices,
    jam: Option<Box<dyn AnyJam>>,
    /// How many there were: the number of the next one.
    jams: u32,
    answers: u32,
    /// Where this client was last, and as which of the identity's sessions.
    last_place: Option<(InviteLink, u8)>,
    /// As which of the identity's sessions the next join is to be, where it was in another room last.
    wished: Option<u8>,
    /// A link that could not even be tried, and why.
    refused: Option<(InviteLink, String)>,
    tick_at: Micros,
}

impl Sender {
    fn serve(mut self, inbox: &Inbox) {
        loop {
            let now = self.desk.clock.now();
            self.send_audio(now);
            let ended = self.take_orders(now, inbox);
            if ended {
                break;
            }
            let more = self.take_news(now, inbox);
            if let Some(jam) = &mut self.jam {
                jam.handle_time(now);
            }
            let happened = self.settle(now);
            if happened || now >= self.tick_at {
                self.tick(now);
            }
            if !more {
                std::thread::park_timeout(self.rest());
            }
        }
        self.end();
    }

    fn send_audio(&mut self, now: Micros) {
        let Desk { outgoing, shared, .. } = &mut self.desk;
        match &mut self.jam {
            Some(jam) => self.encoder.send_all(now, outgoing, jam.as_mut(), shared),
            // Made in no room: dropped, and not counted.
            None => while outgoing.pop().is_some() {},
        }
    }

    /// Whether it is time to end.
    fn take_orders(&mut self, now: Micros, inbox: &Inbox) -> bool {
        for order in inbox.orders.try_iter() {
            match order {
                Order::Join(number, link) => {
                    self.leave(now);
                    self.answers = number;
                    match *link {
                        Link::Room(link) => self.join(now, link),
                        Link::Legacy(server) => self.join_classic(now, server),
                    }
                }
                Order::Leave(number) => {
                    self.leave(now);
                    self.answers = number;
                }
                Order::Format(codec) => {
                    self.encoder.set_codec(codec);
                    self.desk.codec = codec;
                }
                Order::Mix(choice) => self.desk.mix = choice,
                Order::Pin(names) => self.desk.pinned = names,
                Order::Name(name) => self.desk.name = name,
                Order::Seats(seats) => {
                    self.wished = seats.instance;
                    self.seating.keep(seats.map());
                }
                Order::ResumeSending => {
                    if self.guard.has_tripped() {
                        self.guard.reset();
                        self.desk.console.set_send_mute(false);
                    }
                }
                Order::Stop => return true,
            }
            // Whoever asked looks for the answer.
            self.tick_at = now;
        }
        false
    }

    fn join(&mut self, now: Micros, link: InviteLink) {
        let Some(key) = link.key.clone() else {
            self.refused = Some((link, sentences::NO_KEY.to_owned()));
            return;
        };
        self.jams += 1;
        let Desk { console, shared, identity, name, mix, codec, .. } = &self.desk;
        let mix = MixRequest { mode: *mix, codec: *codec, balances: Vec::new() };
        let sent_before = shared.counts(console.tx().dropped);
        let ways = jam::Ways { ear: self.helpers.ear.clone(), control: self.helpers.control.clone() };
        let instance = self.last_place.take_if(|(place, _)| *place == link.without_key()).map(|(_, instance)| instance);
        let instance = self.wished.take().or(instance);
        self.jam =
            Some(Box::new(Jam::new(now, self.jams, link, key, name, identity, instance, mix, ways, sent_before)));
    }

    /// Neither name nor identity goes there.
    fn join_classic(&mut self, now: Micros, server: LegacyServer) {
        self.jams += 1;
        let Desk { console, shared, .. } = &self.desk;
        let sent_before = shared.counts(console.tx().dropped);
        let (ear, control) = (self.helpers.ear.clone(), self.helpers.control.clone());
        let ways = classic::Ways { ear, control, console: console.clone() };
        // What std's hash maps are seeded with: different each time.
        let random = RandomState::new().hash_one(self.jams);
        self.jam = Some(Box::new(ClassicJam::new(now, self.jams, server, random, ways, sent_before)));
    }

    fn leave(&mut self, now: Micros) {
        self.refused = None;
        self.notices.clear(Topic::Socket);
        if let Some(mut jam) = self.jam.take() {
            jam.leave(now);
            self.last_place = jam.place().or(self.last_place.take());
            jam.clear_strips(&self.desk.console);
            self.seating.update(std::iter::empty());
            let _ = self.helpers.ear.send(Ear::Deaf);
        }
        if self.guard.has_tripped() {
            self.desk.console.set_send_mute(false);
        }
        self.guard.reset();
    }

    /// Takes some of what the other threads tell; says whether there is more.
    fn take_news(&mut self, now: Micros, inbox: &Inbox) -> bool {
        for report in inbox.reports.try_iter().take(BATCH) {
            match report {
                control::Report::Slots(map) => self.seating.remember(map),
                control::Report::SlotsNotKept(why) => self.notices.set(Topic::Slots, sentences::slots_not_kept(&why)),
                report => {
                    if let Some(jam) = &mut self.jam {
                        jam.handle_report(now, report);
                        self.settle(now);
                        // Mostly this is what the picture shows.
                        self.tick_at = now;
                    }
                }
            }
        }
        for note in inbox.notes.try_iter().take(BATCH) {
            if let Some(jam) = &mut self.jam {
                jam.handle_note(&note);
                self.settle(now);
            }
        }
        !inbox.reports.is_empty() || !inbox.notes.is_empty()
    }

    /// Does what the session wants done. Says whether anything happened that the picture shows.
    fn settle(&mut self, now: Micros) -> bool {
        let Some(jam) = &mut self.jam else { return false };
        let happened = jam.drain(now);
        if jam.roster_is_new() {
            let changed = jam.seat_everyone(&mut self.seating, &self.desk.console);
            if changed {
                let _ = self.helpers.control.send(control::Command::SaveSlots(self.seating.map().clone()));
            }
            let instance = jam.place().map(|(_, instance)| instance);
            self.desk.shared.seats.store(Arc::new(self.seating.seats(instance)));
        }
        happened
    }

    fn tick(&mut self, now: Micros) {
        self.tick_at = now + TICK;
        self.watch_levels(now);
        if let Some(jam) = &mut self.jam {
            jam.wish_mix(self.desk.mix, self.desk.codec, &self.desk.console);
            jam.pin(&self.desk.pinned);
            jam.look_around(now, &self.desk.shared);
            match jam.path_fault() {
                Some(e) => self.notices.set(Topic::Socket, sentences::no_socket(e)),
                None => self.notices.clear(Topic::Socket),
            }
            self.desk.console.set_max_frames(jam.max_frames(&self.encoder));
        }
        self.desk.shared.picture.store(Arc::new(self.draw(now)));
    }

    fn watch_levels(&mut self, now: Micros) {
        let console = &self.desk.console;
        let loudest = |levels: [Level; 2]| levels[0].rms_dbfs.max(levels[1].rms_dbfs);
        // Without a jam nothing comes back.
        if self.jam.is_some() {
            let (sent, room) = (loudest(console.tx().levels), loudest(console.room().levels));
            if self.guard.watch(now, sent, room, console.send_mute()) == Verdict::Mute {
                console.set_send_mute(true);
            }
        }
    }

    fn draw(&self, now: Micros) -> Picture {
        let notices = self.notices.all();
        match (&self.jam, &self.refused) {
            (Some(jam), _) => jam.draw(now, self.answers, self.guard.has_tripped(), notices),
            (None, Some((link, sentence))) => Picture {
                answers: self.answers,
                state: State::Refused,
                room: Some(link.room.to_string()),
                sentence: Some(sentence.clone()),
                notices,
                ..Picture::default()
            },
            (None, None) => Picture { answers: self.answers, notices, ..Picture::default() },
        }
    }

    /// How long nothing needs doing, if nobody wakes us.
    fn rest(&self) -> Duration {
        let now = self.desk.clock.now();
        let due = self.jam.as_ref().and_then(|jam| jam.poll_timeout()).unwrap_or(self.tick_at).min(self.tick_at);
        // Without a jam only the send's ring needs emptying, and the engine wakes us for that.
        let due = if self.jam.is_some() { due } else { now + Micros::from_secs(1) };
        Duration::from_micros(due.since(now).0)
    }

    /// Leaves, ends the other threads, and waits for them: some 200 ms at the most.
    fn end(mut self) {
        let now = self.desk.clock.now();
        self.leave(now);
        let _ = self.helpers.ear.send(Ear::Stop);
        let _ = self.helpers.control.send(control::Command::Stop);
        for thread in self.helpers.threads.drain(..) {
            let _ = thread.join();
        }
        self.desk.shared.picture.store(Arc::new(Picture { answers: self.answers, ..Picture::default() }));
    }
}

/// What a notice is about: there is one a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Priority,
    Slots,
    Socket,
}

#[derive(Debug, Default)]
struct Notices {
    current: Vec<(Topic, String)>,
}

impl Notices {
    fn set(&mut self, topic: Topic, text: String) {
        match self.current.iter_mut().find(|(t, _)| *t == topic) {
            Some((_, old)) => *old = text,
            None => self.current.push((topic, text)),
        }
    }

    fn clear(&mut self, topic: Topic) {
        self.current.retain(|(t, _)| *t != topic);
    }

    fn all(&self) -> Vec<String> {
        self.current.iter().map(|(_, text)| text.clone()).collect()
    }
}
