//! The media thread: receive, open, hand on. In steady state it does not allocate.
//!
//! A round reads all that has arrived, opens it, and then hands it on, so what is ready together goes together. Under
//! load ([`Gather`]) the thread lets some more arrive before each round.

use super::breath::Breath;
use super::command::{Command, RoomKey};
use super::counters::{Counters, Dropped};
use super::forward::Forwarder;
use super::gather::Gather;
use super::inbound::{Effect, Incoming};
use super::mixer::{Feed, MIXER_LANE, MixerCommand};
use super::priority::{ask_for_real_time, sleep_precisely};
use super::route::Path;
use super::session::{Life, Session};
use super::socket::{Inbox, MediaSocket};
use super::waiting::Waiting;
use super::{Door, Doors, MixerDoor, ThreadHandle, thread_of};
use crate::clock::Clock;
use crate::lobby::Input;
use crate::system::Random;
use crate::thread_exit::ExitGuard;
use crossbeam_channel::Receiver;
use mio::{Events, Interest, Poll, Token, Waker};
use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::recovery::Feedback;
use rtjam_protocol::{Micros, SessionId};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Calls that read one socket in a round before the others, commands and clocks have their turn.
const READS: usize = 16;

/// When the lobby's queue is full, it is told again after this; and a socket that fails is tried again.
const AGAIN: Micros = Micros::from_millis(20);

/// While nothing is due, the thread looks up this often.
const IDLE: Micros = Micros::from_secs(1);

const WAKE: Token = Token(usize::MAX);

/// A thread's own world.
pub(super) struct MediaThread {
    poll: Poll,
    inlets: Vec<Inlet>,
    clock: Clock,
    lobby: mpsc::Sender<Input>,
    /// Which thread this is, and the ways to all.
    index: usize,
    doors: Doors,
    mixer: MixerDoor,
    random: Random,
    sessions: HashMap<SessionId, Session>,
    forwarder: Forwarder,
    waiting: Waiting,
    gather: Gather,
    breath: Breath,
    /// How long the last round took.
    took: Micros,
    counters: Arc<Counters>,
    /// No session has anything due before this.
    due: Micros,
    /// A datagram of the server's own that is being sealed.
    sealed: Vec<u8>,
}

/// A socket, and what the poll said of it.
pub(super) struct Inlet {
    pub(super) socket: MediaSocket,
    /// Polling tells of new datagrams once; there may be more.
    ready: bool,
    /// It is to be tried again without being told.
    failed: bool,
}

impl MediaThread {
    /// Prepares the sockets. Under load packets wait at most `gather` for company.
    pub(super) fn new(
        sockets: Vec<std::net::UdpSocket>,
        clock: Clock,
        gather: Micros,
        lobby: mpsc::Sender<Input>,
        (doors, mixer): (Doors, MixerDoor),
        feed: Feed,
    ) -> io::Result<MediaThread> {
        let poll = Poll::new()?;
        let mut inlets = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let mut socket = MediaSocket::new(socket)?;
            poll.registry().register(socket.source(), Token(inlets.len()), Interest::READABLE)?;
            inlets.push(Inlet { socket, ready: true, failed: false });
        }
        let counters = Arc::<Counters>::default();
        Ok(MediaThread {
            poll,
            inlets,
            clock,
            lobby,
            index: 0,
            doors,
            mixer,
            random: Random::new(),
            sessions: HashMap::new(),
            forwarder: Forwarder::new(counters.clone(), feed),
            waiting: Waiting::new(),
            gather: Gather::new(clock.now(), gather),
            breath: Breath::new(clock.now()),
            took: Micros::ZERO,
            counters,
            due: Micros::ZERO,
            sealed: Vec::with_capacity(MAX_DATAGRAM),
        })
    }

    /// Readable by any thread.
    pub(super) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Starts thread number `index`; `notice` tells of its end.
    pub(super) fn spawn(mut self, index: usize, notice: ExitGuard) -> io::Result<ThreadHandle> {
        self.index = index;
        let (commands, receiver) = crossbeam_channel::unbounded();
        let waker = Arc::new(Waker::new(self.poll.registry(), WAKE)?);
        let builder = std::thread::Builder::new().name(format!("media-{index}")).stack_size(256 * 1024);
        let thread = builder.spawn(move || {
            let _notice = notice;
            ask_for_real_time(index == 0);
            sleep_precisely();
            self.run(&receiver);
        })?;
        Ok(ThreadHandle { door: Door { commands, waker }, thread })
    }

    fn run(mut self, commands: &Receiver<Command>) {
        let mut events = Events::with_capacity(self.inlets.len() + 1);
        let mut inbox = Inbox::new();
        loop {
            self.pause(&mut events);
            while let Ok(command) = commands.try_recv() {
                if let Command::ShutDown = command {
                    return self.say_goodbye();
                }
                self.obey(command);
            }
            self.round(&mut inbox);
            if self.clock.now() >= self.due {
                self.tend();
            }
            if let Some(rest) = self.breath.rest(self.clock.now()) {
                sleep(rest);
            }
        }
    }

    /// Lets packets arrive.
    fn pause(&mut self, events: &mut Events) {
        let begun = self.clock.now();
        if let Some(rest) = self.gather.rest(self.took).filter(|_| self.waiting.is_empty()) {
            sleep(rest);
            // What has come meanwhile need not be told by the poll.
            self.inlets.iter_mut().for_each(|i| i.ready = !i.failed);
        } else {
            self.wait(events);
        }
        self.breath.was_away(self.clock.now().since(begun));
    }

    /// Waits for datagrams, commands, or what is due.
    fn wait(&mut self, events: &mut Events) {
        let more = !self.waiting.is_empty() || self.inlets.iter().any(|i| i.ready);
        let patience = if more { Micros::ZERO } else { self.due.since(self.clock.now()) };
        if let Err(e) = self.poll.poll(events, Some(Duration::from_micros(patience.0)))
            && e.kind() != io::ErrorKind::Interrupted
        {
            // Cannot happen with a live poll; without it the thread would turn without rest.
            sleep(AGAIN);
        }
        for event in &*events {
            if let Some(inlet) = self.inlets.get_mut(event.token().0) {
                inlet.ready = true;
            }
        }
    }

    fn round(&mut self, inbox: &mut Inbox) {
        let begun = self.clock.now();
        self.receive(inbox);
        self.hand_on();
        self.took = self.clock.now().since(begun);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::AddRecipient { room, recipient } => self.forwarder.add(room, *recipient),
            Command::AddSession(mut session) => {
                if let Some(former) = session.replaces.and_then(|former| self.sessions.get(&former)) {
                    session.take_over(former);
                }
                self.due = self.due.min(session.peer.poll_timeout());
                self.sessions.insert(session.peer.session(), *session);
            }
            Command::Remove { room, session } => {
                self.forwarder.remove(room, session);
                if let Some(mut gone) = self.sessions.remove(&session) {
                    // One who said goodbye has no route any more; one who is cut off in one direction learns that it
                    // is over.
                    self.bid_farewell(&mut gone);
                    gone.close_route();
                }
            }
            Command::Feed { room, on } => self.forwarder.feed(room, on),
            Command::Crowd { room, crowd } => self.forwarder.crowd(room, crowd),
            Command::Pin { room, session, pinned } => self.forwarder.pin(room, session, pinned),
            Command::Separate { room, session, on } => self.forwarder.separate(room, session, on),
            Command::DeskWaits { session, wait } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.set_desk_wait(wait);
                }
            }
            Command::Feedback { room, session, feedback } => self.take_feedback((room, session), &feedback),
            Command::ShutDown => {}
        }
    }

    /// What a musician misses of this thread's lane.
    fn take_feedback(&mut self, who: (RoomKey, SessionId), feedback: &Feedback) {
        let MediaThread { forwarder, sessions, inlets, clock, .. } = self;
        forwarder.handle_feedback(clock.now(), who, feedback, inlets, |maker, claims| {
            if let Some(session) = sessions.get_mut(&maker) {
                session.set_wait(claims);
            }
        });
    }

    fn say_goodbye(mut self) {
        for (_, mut session) in std::mem::take(&mut self.sessions) {
            self.bid_farewell(&mut session);
        }
    }

    fn receive(&mut self, inbox: &mut Inbox) {
        for socket in 0..self.inlets.len() {
            for _ in 0..READS {
                if !self.inlets[socket].ready {
                    break;
                }
                match self.inlets[socket].socket.receive(inbox) {
                    Ok(received) => {
                        self.inlets[socket].ready = Inbox::is_full_of(received);
                        self.take(socket, received, inbox);
                    }
                    Err(e) => self.receive_failed(socket, &e),
                }
            }
        }
    }

    fn receive_failed(&mut self, socket: usize, error: &io::Error) {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
        match error.kind() {
            WouldBlock => self.inlets[socket].ready = false,
            // Something that was sent to one musician did not arrive; that concerns nobody else.
            Interrupted | ConnectionRefused | ConnectionReset => {}
            _ => {
                // Polling may not tell of this socket again, so `tend` does.
                self.inlets[socket].ready = false;
                self.inlets[socket].failed = true;
                self.due = self.due.min(self.clock.now() + AGAIN);
            }
        }
    }

    fn take(&mut self, socket: usize, received: usize, inbox: &mut Inbox) {
        let now = self.clock.now();
        for i in 0..received {
            let Some((arrival, bytes)) = inbox.datagram(i) else { continue };
            let incoming = Incoming { now, socket, arrival, bytes };
            let MediaThread { sessions, waiting, counters, random, .. } = self;
            if let Some(effect) = incoming.take(sessions, waiting, counters, || random.array()) {
                self.answer(now, &effect);
            }
            if self.waiting.is_full() {
                self.hand_on();
                self.forwarder.make_room(&mut self.waiting);
            }
        }
    }

    fn hand_on(&mut self) {
        let sent = self.forwarder.hand_on(&mut self.waiting, &self.inlets, &self.clock);
        self.gather.note(self.clock.now(), sent);
        if let Some((choice, crowd)) = self.forwarder.poll_choice()
            && self.lobby.try_send(Input::Chosen(choice)).is_err()
        {
            crowd.not_told();
        }
    }

    /// What was theirs alone.
    fn answer(&mut self, now: Micros, effect: &Effect) {
        if let Some((room, feedback)) = effect.feedback
            && feedback.lane == MIXER_LANE
        {
            if let Some(mixer) = self.mixer.get() {
                // Fails only when the mixer has panicked.
                let _ = mixer.send(MixerCommand::Feedback(room, effect.session, feedback));
            }
        } else if let Some((room, feedback)) = effect.feedback {
            match thread_of(feedback.lane) {
                Some(owner) if owner == self.index => self.take_feedback((room, effect.session), &feedback),
                Some(owner) => {
                    if let Some(door) = self.doors.get().and_then(|doors| doors.get(owner)) {
                        door.tell(Command::Feedback { room, session: effect.session, feedback });
                    }
                }
                None => {}
            }
        }
        let Some(session) = self.sessions.get_mut(&effect.session) else { return };
        if let Some(dropped) = effect.offends {
            session.uplink.note_over_rate(dropped);
            // Told again in a moment when the lobby is too busy to listen.
            let _ = self.lobby.try_send(Input::OverRate(effect.session, dropped));
        }
        if effect.goodbye {
            session.life = Life::Over;
            report(&self.lobby, session);
            session.close_route();
            self.due = self.due.min(now + AGAIN);
            return;
        }
        transmit(now, session, &self.inlets, &mut self.sealed, &self.counters);
        self.due = self.due.min(session.peer.poll_timeout());
    }

    /// Keep-alives, farewells to the silent, and what did not go the first time.
    fn tend(&mut self) {
        let now = self.clock.now();
        self.due = now + IDLE;
        self.counters.note_cpu();
        for inlet in self.inlets.iter_mut().filter(|i| i.failed) {
            inlet.failed = false;
            inlet.ready = true;
        }
        self.retire(now);
        for session in self.sessions.values_mut() {
            let spent = session.peer.is_exhausted();
            if session.life == Life::Live && (spent || session.peer.is_gone(now)) {
                session.life = Life::Over;
            }
            if session.peer.is_worn(now) && !session.worn_told {
                let told = self.lobby.try_send(Input::SessionWorn(session.peer.session()));
                session.worn_told = told.is_ok();
            }
            match session.life {
                Life::Live => {
                    transmit(now, session, &self.inlets, &mut self.sealed, &self.counters);
                    self.due = self.due.min(session.peer.poll_timeout());
                }
                Life::Over => {
                    report(&self.lobby, session);
                    self.due = self.due.min(now + AGAIN);
                }
                Life::Reported => {}
            }
        }
    }

    /// Ends sessions that others have taken over from.
    fn retire(&mut self, now: Micros) {
        let mut over = Vec::new();
        for session in self.sessions.values_mut().filter(|s| s.replaces.is_some()) {
            if session.peer.has_taken_over(now) {
                over.extend(session.replaces.take());
            }
        }
        for former in over {
            if let Some(former) = self.sessions.get_mut(&former).filter(|former| former.life == Life::Live) {
                former.life = Life::Over;
            }
        }
    }

    fn bid_farewell(&mut self, session: &mut Session) {
        if session.has_route() {
            session.peer.end();
            transmit(self.clock.now(), session, &self.inlets, &mut self.sealed, &self.counters);
        }
    }
}

fn sleep(time: Micros) {
    std::thread::sleep(Duration::from_micros(time.0));
}

/// Sends what the peer has to say for the server itself.
fn transmit(now: Micros, session: &mut Session, inlets: &[Inlet], sealed: &mut Vec<u8>, counters: &Counters) {
    while let Some(to) = session.peer.poll_transmit(now, sealed) {
        let sent = session.way_to(to).is_some_and(|path| send(inlets, sealed, &path).is_ok());
        if sent { counters.answered.add() } else { counters.dropped(Dropped::NotSent) }
    }
}

fn send(inlets: &[Inlet], datagram: &[u8], path: &Path) -> io::Result<()> {
    let inlet = inlets.get(path.via.socket).ok_or(io::ErrorKind::NotFound)?;
    inlet.socket.send(datagram, path)
}

/// Tells the lobby that a session is over; tried again by `tend` when the lobby is too busy to listen.
fn report(lobby: &mpsc::Sender<Input>, session: &mut Session) {
    if lobby.try_send(Input::SessionOver(session.peer.session())).is_ok() {
        session.life = Life::Reported;
    }
}
