//! The handle that programs hold.

use crate::clock::Clock;
use crate::control::{self, Reports};
use crate::identity::{Identity, IdentityError};
use crate::media;
use crate::send::{self, Desk, Helpers, Inbox, Order};
use crate::sentences;
use crate::shared::{Picture, Shared};
use crate::slots::{Seats, SlotFile};
use crate::status::{State, Status};
use crate::trace::{self, TraceFile};
use crate::wake::Wake;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rtjam_engine::{Console, NetworkEnd};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::datagram::{MAX_DATAGRAM, audio_payload_in};
use rtjam_protocol::link::Link;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc;

/// Frames that are no audio and wait for `jam-send`: more than a second of an honest server's.
const NOTES: usize = 64;

/// Where a client takes its identity from.
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// This identity.
    Ready(Identity),
    /// The identity of this config folder, loaded or created at the first join.
    Folder(PathBuf),
}

impl From<Identity> for IdentitySource {
    fn from(identity: Identity) -> IdentitySource {
        IdentitySource::Ready(identity)
    }
}

/// What a client is to be.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Who joins.
    pub identity: IdentitySource,
    /// How others shall see them.
    pub name: String,
    /// How samples are sent.
    pub format: Codec,
    /// What of the others to be sent: everyone separately, or one mix; `None`: as the room says.
    pub mix: Option<DownstreamMode>,
    /// Whom to hear in any case where more musicians play than one can hear, by their names.
    pub pinned: Vec<String>,
    /// Where the slot map is kept; `None`: nowhere. The config folder is meant, which all programs of the user share.
    pub folder: Option<PathBuf>,
}

impl ClientOptions {
    /// Sends PCM16 and keeps nothing.
    pub fn new(identity: impl Into<IdentitySource>, name: impl Into<String>) -> ClientOptions {
        ClientOptions {
            identity: identity.into(),
            name: name.into(),
            format: Codec::default(),
            mix: None,
            pinned: Vec::new(),
            folder: None,
        }
    }
}

/// A musician's end. Any thread may use it, except the audio thread; no method but `drop` blocks.
///
/// Threads and sockets exist from the first [`Client::join`] on. Dropping leaves the room and ends the threads, within
/// 300 ms.
pub struct Client {
    shared: Arc<Shared>,
    console: Console,
    wake: Wake,
    orders: Sender<Order>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// What the threads will be made of, until they are.
    seed: Option<Box<Seed>>,
    jam_send: Option<JoinHandle<()>>,
    /// The number of the last `join` or `leave`, and what it makes of the state until it is answered.
    asked: u32,
    asked_for: State,
    room: Option<String>,
    /// Why there are no threads.
    fault: Option<String>,
}

struct Seed {
    options: ClientOptions,
    clock: Clock,
    network: NetworkEnd,
    orders: Receiver<Order>,
    trace: Option<TraceFile>,
}

impl Client {
    /// A client that is in no room. `wake` must be the one whose closure `engine()` was given, and is this client's
    /// alone; `network` and `console` are what `engine()` returned.
    pub fn new(options: ClientOptions, clock: Clock, wake: Wake, network: NetworkEnd, console: Console) -> Client {
        console.set_max_frames(options.format.frames_in(audio_payload_in(MAX_DATAGRAM)));
        let (orders, inbox) = unbounded();
        let seed = Some(Box::new(Seed { options, clock, network, orders: inbox, trace: None }));
        let inner = Inner { seed, jam_send: None, asked: 0, asked_for: State::Offline, room: None, fault: None };
        Client { shared: Arc::default(), console, wake, orders, inner: Mutex::new(inner) }
    }

    /// Goes to a room or a classic server; leaves the one before. It tries for ever, unless the room refuses: see
    /// [`Client::status`].
    pub fn join(&self, link: Link) {
        let mut inner = self.inner();
        inner.asked = inner.asked.wrapping_add(1);
        (inner.asked_for, inner.room, inner.fault) = (State::Connecting, Some(link.room()), None);
        let number = inner.asked;
        if let Err(why) = self.start(&mut inner) {
            inner.fault = Some(why.sentence());
            return;
        }
        drop(inner);
        self.order(Order::Join(number, Box::new(link)));
    }

    /// Leaves the room.
    pub fn leave(&self) {
        let mut inner = self.inner();
        inner.asked = inner.asked.wrapping_add(1);
        (inner.asked_for, inner.room, inner.fault) = (State::Offline, None, None);
        let number = inner.asked;
        drop(inner);
        self.order(Order::Leave(number));
    }

    /// Records into `trace` when packets arrive, by a thread of its own. Does nothing after the first join.
    pub fn record(&self, trace: TraceFile) {
        if let Some(seed) = &mut self.inner().seed {
            seed.trace = Some(trace);
        }
    }

    /// How things stand now.
    pub fn status(&self) -> Status {
        let mut status = self.stand();
        status.notices.extend(self.shared.trace_fault.load().as_deref().cloned());
        status
    }

    fn stand(&self) -> Status {
        let picture = self.shared.picture.load_full();
        let sent = self.shared.counts(self.console.tx().dropped);
        let inner = self.inner();
        if picture.answers == inner.asked {
            drop(inner);
            return Status::assemble(&picture, &self.console, sent);
        }
        // What was asked for last is still on its way.
        let state = if inner.fault.is_some() { State::Offline } else { inner.asked_for };
        let (room, sentence, sent_before) = (inner.room.clone(), inner.fault.clone(), sent);
        drop(inner);
        let picture = Picture { state, room, sentence, sent_before, ..Picture::default() };
        Status::assemble(&picture, &self.console, sent)
    }

    /// How samples are sent from now on.
    pub fn set_format(&self, format: Codec) {
        self.set(Order::Format(format), |options| options.format = format);
    }

    /// What of the others to be sent from now on, also in the room that this end is in; `None`: as the room says.
    pub fn set_mix(&self, mix: Option<DownstreamMode>) {
        self.set(Order::Mix(mix), |options| options.mix = mix);
    }

    /// Whom to hear in any case in rooms where more musicians play than one can hear (32), by their names.
    pub fn set_pinned(&self, names: Vec<String>) {
        self.set(Order::Pin(names.clone()), |options| options.pinned = names);
    }

    /// How others shall see this musician from the next join on.
    pub fn set_name(&self, name: impl Into<String>) {
        let name = name.into();
        self.set(Order::Name(name.clone()), |options| options.name = name);
    }

    /// Changes the options while there are no threads; afterwards gives the order.
    fn set(&self, order: Order, change: impl FnOnce(&mut ClientOptions)) {
        let mut inner = self.inner();
        if let Some(seed) = &mut inner.seed {
            change(&mut seed.options);
            self.console.set_max_frames(seed.options.format.frames_in(audio_payload_in(MAX_DATAGRAM)));
            return;
        }
        drop(inner);
        self.order(order);
    }

    /// Who sat where in the room, and as whom this end was there; the last room's, when it is in none.
    pub fn seats(&self) -> Seats {
        Seats::clone(&self.shared.seats.load())
    }

    /// What a project kept of them, for the next join: the same musicians come to the same slots, if they are free.
    pub fn set_seats(&self, seats: Seats) {
        self.shared.seats.store(Arc::new(seats.clone()));
        self.order(Order::Seats(Box::new(seats)));
    }

    /// Opens the send that the loop guard has muted. Does nothing else: a mute of the user's own stays.
    pub fn resume_sending(&self) {
        self.order(Order::ResumeSending);
    }

    /// Whether a fault has ended the threads. Only another client helps.
    pub fn has_failed(&self) -> bool {
        self.inner().jam_send.as_ref().is_some_and(JoinHandle::is_finished)
    }

    fn order(&self, order: Order) {
        // Before the threads start, orders wait.
        let _ = self.orders.send(order);
        self.wake.wake();
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads, if they are not there.
    fn start(&self, inner: &mut Inner) -> Result<(), StartError> {
        if inner.jam_send.is_some() {
            return Ok(());
        }
        let again = || StartError::Threads(io::Error::other("not at the first try either"));
        let identity = match &inner.seed.as_ref().ok_or_else(again)?.options.identity {
            IdentitySource::Ready(identity) => identity.clone(),
            IdentitySource::Folder(folder) => Identity::load_or_create(folder).map_err(StartError::Identity)?,
        };
        let Seed { options, clock, network, orders, trace } = *inner.seed.take().ok_or_else(again)?;
        let NetworkEnd { outgoing, incoming, calls } = network;
        let (ear, news) = unbounded();
        let (notes_in, notes) = bounded(NOTES);
        let (reports_in, reports) = unbounded();
        let (control, commands) = mpsc::unbounded_channel();
        let slots = options.folder.as_deref().map(SlotFile::in_folder);
        let to_send = Reports { channel: reports_in, wake: self.wake.clone() };
        let wake = self.wake.clone();

        let mut threads = Vec::new();
        let tape = match trace {
            Some(file) => {
                let (tape, arrivals) = bounded(trace::WAITING);
                let shared = Arc::clone(&self.shared);
                threads.push(spawn("jam-trace", move || {
                    if let Err(why) = trace::run(file, &arrivals, calls) {
                        shared.trace_fault.store(Some(Arc::new(sentences::no_trace(&why))));
                    }
                })?);
                Some(tape)
            }
            None => None,
        };
        let jam_control = spawn("jam-control", move || control::run(commands, to_send, slots))?;
        let (console, shared) = (self.console.clone(), Arc::clone(&self.shared));
        let ways = media::Ways { clock, incoming, console, shared, notes: notes_in, tape, wake };
        let jam_recv = spawn("jam-recv", move || media::run(ways, news))?;
        // The recorder ends when `jam-recv` has: threads are joined in this order.
        threads.splice(0..0, [jam_recv, jam_control]);
        let helpers = Helpers { ear, control, threads };
        let desk = Desk {
            clock,
            wake: self.wake.clone(),
            console: self.console.clone(),
            outgoing,
            shared: Arc::clone(&self.shared),
            identity,
            name: options.name,
            codec: options.format,
            mix: options.mix,
            pinned: options.pinned,
        };
        let inbox = Inbox { orders, reports, notes };
        inner.jam_send = Some(spawn("jam-send", move || send::run(desk, inbox, helpers))?);
        Ok(())
    }
}

/// Why there are no network threads.
enum StartError {
    Identity(IdentityError),
    Threads(io::Error),
}

impl StartError {
    fn sentence(&self) -> String {
        match self {
            StartError::Identity(why) => why.to_string(),
            StartError::Threads(why) => sentences::no_threads(why),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(why: io::Error) -> StartError {
        StartError::Threads(why)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let jam_send = self.inner().jam_send.take();
        if let Some(jam_send) = jam_send {
            self.order(Order::Stop);
            let _ = jam_send.join();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}
