//! The client's handle.

use crate::condition::{Condition, StatusNotice};
use crate::control::{self, ControlReports};
use crate::identity::Identity;
use crate::media;
use crate::options::{ClientOptions, IdentitySource};
use crate::send::{self, Inbox, JamChannels, Request, SendContext, Workers};
use crate::shared::ClientShared;
use crate::slots::{Seats, SlotFile};
use crate::snapshot::{SessionState, Snapshot};
use crate::status::Status;
use crate::threads::{Clock, Wake};
use crate::trace::{self, TraceFile};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rtjam_engine::{Console, NetworkEnd};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::datagram::{MAX_DATAGRAM, audio_payload_in};
use rtjam_protocol::link::Link;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc;

/// Events that may wait for `jam-send`: more than an honest server causes in a second.
const MAX_EVENTS: usize = 64;

/// A client. Any thread except the audio thread may use it; only `drop` blocks.
///
/// Threads and sockets exist from the first [`Client::join`] on. Dropping the client leaves the room and ends its
/// threads within 300 ms.
pub struct Client {
    shared: Arc<ClientShared>,
    console: Console,
    wake: Wake,
    requests: Sender<Request>,
    inner: Mutex<HandleState>,
}

struct HandleState {
    /// What the threads are made of; taken when they start.
    seed: Option<Box<Seed>>,
    jam_send: Option<JoinHandle<()>>,
    /// The number of the last `join` or `leave`, and the state to show until `jam-send` has taken it.
    asked: u32,
    asked_for: SessionState,
    room: Option<String>,
    /// Why the threads could not be started.
    start_error: Option<Condition>,
}

struct Seed {
    options: ClientOptions,
    clock: Clock,
    network: NetworkEnd,
    requests: Receiver<Request>,
    trace: Option<TraceFile>,
}

impl Client {
    /// A client in no room. `network` and `console` come from `engine()`, which was given the closure of `wake`. No two
    /// clients share a `wake`.
    pub fn new(options: ClientOptions, clock: Clock, wake: Wake, network: NetworkEnd, console: Console) -> Client {
        console.set_max_frames(options.format.frames_in(audio_payload_in(MAX_DATAGRAM)));
        let (requests, inbox) = unbounded();
        let seed = Some(Box::new(Seed { options, clock, network, requests: inbox, trace: None }));
        let inner = HandleState {
            seed,
            jam_send: None,
            asked: 0,
            asked_for: SessionState::Offline,
            room: None,
            start_error: None,
        };
        Client { shared: Arc::default(), console, wake, requests, inner: Mutex::new(inner) }
    }

    /// Leaves the current room and joins that of `link`, or a legacy server. The client keeps trying until it is joined
    /// or refused; [`Client::status`] tells.
    pub fn join(&self, link: Link) {
        let mut inner = self.inner();
        inner.asked = inner.asked.wrapping_add(1);
        (inner.asked_for, inner.room, inner.start_error) = (SessionState::Connecting, Some(link.room()), None);
        let number = inner.asked;
        if let Err(why) = self.start(&mut inner) {
            inner.start_error = Some(why);
            return;
        }
        drop(inner);
        self.request(Request::Join(number, Box::new(link)));
    }

    /// Leaves the room.
    pub fn leave(&self) {
        let mut inner = self.inner();
        inner.asked = inner.asked.wrapping_add(1);
        (inner.asked_for, inner.room, inner.start_error) = (SessionState::Offline, None, None);
        let number = inner.asked;
        drop(inner);
        self.request(Request::Leave(number));
    }

    /// Records the arrival times of packets into `trace`, on a thread of its own. Has no effect after the first join.
    pub fn record(&self, trace: TraceFile) {
        if let Some(seed) = &mut self.inner().seed {
            seed.trace = Some(trace);
        }
    }

    /// The current status.
    pub fn status(&self) -> Status {
        let mut snapshot = self.shared.snapshot.load_full();
        let sent = self.shared.counts(self.console.tx().dropped);
        let inner = self.inner();
        if snapshot.answers != inner.asked {
            // `jam-send` has not taken the last request yet.
            let state = if inner.start_error.is_some() { SessionState::Offline } else { inner.asked_for };
            let (room, condition) = (inner.room.clone(), inner.start_error.clone());
            snapshot = Arc::new(Snapshot { state, room, condition, sent_before: sent, ..Snapshot::default() });
        }
        drop(inner);
        let mut status = Status::assemble(&snapshot, &self.console, sent);
        let trace_error = self.shared.trace_error.load();
        status.notices.extend(trace_error.as_deref().cloned().map(StatusNotice::TraceStopped));
        status
    }

    /// Sets the format of the samples that are sent.
    pub fn set_format(&self, format: Codec) {
        self.change(move |options| options.format = format);
    }

    /// Sets the downstream, also in the current room: forwarded sources or one mix. `None` takes the room's default.
    pub fn set_mix(&self, mix: Option<DownstreamMode>) {
        self.change(move |options| options.mix = mix);
    }

    /// Sets the names of the musicians to receive even when more play than the server forwards (32).
    pub fn set_pinned(&self, names: Vec<String>) {
        self.change(move |options| options.pinned = names);
    }

    /// Sets the display name, from the next join on.
    pub fn set_name(&self, name: impl Into<String>) {
        let name = name.into();
        self.change(move |options| options.name = name);
    }

    /// Changes the options, which `jam-send` owns once it runs.
    fn change(&self, change: impl FnOnce(&mut ClientOptions) + Send + 'static) {
        let mut inner = self.inner();
        if let Some(seed) = &mut inner.seed {
            change(&mut seed.options);
            self.console.set_max_frames(seed.options.format.frames_in(audio_payload_in(MAX_DATAGRAM)));
            return;
        }
        drop(inner);
        self.request(Request::Change(Box::new(change)));
    }

    /// The seats of the current room, or of the last one.
    pub fn seats(&self) -> Seats {
        Seats::clone(&self.shared.seats.load())
    }

    /// Takes a project's seats for the next join: the same musicians get the same slots, if they are free.
    pub fn set_seats(&self, seats: Seats) {
        self.shared.seats.store(Arc::new(seats.clone()));
        self.request(Request::Seats(Box::new(seats)));
    }

    /// Unmutes the send if the loop guard has muted it. The user's own mute stays.
    pub fn resume_sending(&self) {
        self.request(Request::ResumeSending);
    }

    /// Whether a panic has ended the threads. Only a new client helps.
    pub fn has_failed(&self) -> bool {
        self.inner().jam_send.as_ref().is_some_and(JoinHandle::is_finished)
    }

    fn request(&self, request: Request) {
        // Requests wait in the channel until the threads start.
        let _ = self.requests.send(request);
        self.wake.wake();
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, HandleState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads, unless they run.
    fn start(&self, inner: &mut HandleState) -> Result<(), Condition> {
        if inner.jam_send.is_some() {
            return Ok(());
        }
        let again = || Condition::NoThreads("the first attempt failed too".to_owned());
        let identity = match &inner.seed.as_ref().ok_or_else(again)?.options.identity {
            IdentitySource::Ready(identity) => identity.clone(),
            IdentitySource::Folder(folder) => Identity::load_or_create(folder).map_err(Condition::NoIdentity)?,
        };
        let Seed { options, clock, network, requests, trace } = *inner.seed.take().ok_or_else(again)?;
        let NetworkEnd { outgoing, incoming, calls } = network;
        let (recv, recv_commands) = unbounded();
        let (events_in, events) = bounded(MAX_EVENTS);
        let (reports_in, reports) = unbounded();
        let (control, commands) = mpsc::unbounded_channel();
        let slots = options.folder.as_deref().map(SlotFile::in_folder);
        let reports_out = ControlReports { channel: reports_in, wake: self.wake.clone() };
        let wake = self.wake.clone();

        let mut threads = Vec::new();
        let trace = match trace {
            Some(file) => {
                let (trace, arrivals) = bounded(trace::MAX_WAITING);
                let shared = Arc::clone(&self.shared);
                threads.push(spawn("jam-trace", move || {
                    if let Err(why) = trace::run(file, &arrivals, calls) {
                        shared.trace_error.store(Some(Arc::new(why.to_string())));
                    }
                })?);
                Some(trace)
            }
            None => None,
        };
        let jam_control = spawn("jam-control", move || control::run(commands, reports_out, slots))?;
        let (console, shared) = (self.console.clone(), Arc::clone(&self.shared));
        let channels = media::Channels { clock, incoming, console, shared, events: events_in, trace, wake };
        let jam_recv = spawn("jam-recv", move || media::run(channels, recv_commands))?;
        // Threads are joined in this order: `jam-trace` ends after `jam-recv`.
        threads.splice(0..0, [jam_recv, jam_control]);
        let workers = Workers { channels: JamChannels { recv, control }, threads };
        let context = SendContext {
            clock,
            wake: self.wake.clone(),
            console: self.console.clone(),
            outgoing,
            shared: Arc::clone(&self.shared),
            identity,
            options,
        };
        let inbox = Inbox { requests, reports, events };
        inner.jam_send = Some(spawn("jam-send", move || send::run(context, inbox, workers))?);
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let jam_send = self.inner().jam_send.take();
        if let Some(jam_send) = jam_send {
            self.request(Request::Stop);
            let _ = jam_send.join();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Condition> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|why| Condition::NoThreads(why.to_string()))
}
