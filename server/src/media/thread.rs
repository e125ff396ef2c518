//! The media thread: receive, open, forward. In steady state it does not allocate.

use super::ThreadHandle;
use super::command::{Command, RoomKey};
use super::counters::{Counters, Dropped};
use super::priority::ask_for_real_time;
use super::route::{Path, Recipient, Via};
use super::session::{Life, Session};
use super::socket::{Arrival, MediaSocket};
use crate::clock::Clock;
use crate::lobby::Input;
use crate::random::Random;
use crossbeam_channel::Receiver;
use mio::{Events, Interest, Poll, Token, Waker};
use rtjam_protocol::datagram::{Class, Header, MAX_DATAGRAM};
use rtjam_protocol::peer::forwardable;
use rtjam_protocol::seal::Rejected;
use rtjam_protocol::{Micros, SessionId};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Datagrams that are taken from one socket before the others, commands and clocks have their turn.
const BATCH: usize = 64;

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
    random: Random,
    sessions: HashMap<SessionId, Session>,
    rooms: HashMap<RoomKey, Vec<Recipient>>,
    counters: Arc<Counters>,
    /// No session has anything due before this.
    due: Micros,
    /// What of a datagram goes to others.
    plain: Vec<u8>,
    /// A datagram that is being sealed.
    sealed: Vec<u8>,
}

struct Inlet {
    socket: MediaSocket,
    /// Polling tells of new datagrams once; there may be more.
    ready: bool,
    /// It is to be tried again without being told.
    failed: bool,
}

impl MediaThread {
    /// Prepares the sockets.
    pub(super) fn new(
        sockets: Vec<std::net::UdpSocket>,
        clock: Clock,
        lobby: mpsc::Sender<Input>,
    ) -> io::Result<MediaThread> {
        let poll = Poll::new()?;
        let mut inlets = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let mut socket = MediaSocket::new(socket)?;
            poll.registry().register(socket.source(), Token(inlets.len()), Interest::READABLE)?;
            inlets.push(Inlet { socket, ready: true, failed: false });
        }
        Ok(MediaThread {
            poll,
            inlets,
            clock,
            lobby,
            random: Random::new(),
            sessions: HashMap::new(),
            rooms: HashMap::new(),
            counters: Arc::default(),
            due: Micros::ZERO,
            plain: Vec::with_capacity(MAX_DATAGRAM),
            sealed: Vec::with_capacity(MAX_DATAGRAM),
        })
    }

    /// Readable by any thread.
    pub(super) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Starts thread number `index`; `alive` is dropped when it ends, be it by a panic.
    pub(super) fn spawn(self, index: usize, alive: oneshot::Sender<()>) -> io::Result<ThreadHandle> {
        let (commands, receiver) = crossbeam_channel::unbounded();
        let waker = Arc::new(Waker::new(self.poll.registry(), WAKE)?);
        let builder = std::thread::Builder::new().name(format!("media-{index}")).stack_size(256 * 1024);
        let thread = builder.spawn(move || {
            let _alive = alive;
            ask_for_real_time();
            self.run(&receiver);
        })?;
        Ok(ThreadHandle { commands, waker, thread })
    }

    fn run(mut self, commands: &Receiver<Command>) {
        let mut events = Events::with_capacity(self.inlets.len() + 1);
        loop {
            let patience = if self.inlets.iter().any(|i| i.ready) { Micros::ZERO } else { self.patience() };
            if let Err(e) = self.poll.poll(&mut events, Some(Duration::from_micros(patience.0)))
                && e.kind() != io::ErrorKind::Interrupted
            {
                // Cannot happen with a live poll; without it the thread would turn without rest.
                std::thread::sleep(Duration::from_micros(AGAIN.0));
            }
            for event in &events {
                if let Some(inlet) = self.inlets.get_mut(event.token().0) {
                    inlet.ready = true;
                }
            }
            while let Ok(command) = commands.try_recv() {
                if let Command::ShutDown = command {
                    return self.say_goodbye();
                }
                self.obey(command);
            }
            self.receive();
            if self.clock.now() >= self.due {
                self.tend();
            }
        }
    }

    fn patience(&self) -> Micros {
        self.due.since(self.clock.now())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::AddRecipient { room, recipient } => self.rooms.entry(room).or_default().push(recipient),
            Command::AddSession(session) => {
                self.due = self.due.min(session.peer.poll_timeout());
                self.sessions.insert(session.peer.session(), *session);
            }
            Command::Remove { room, session } => self.remove(room, session),
            Command::ShutDown => {}
        }
    }

    fn remove(&mut self, room: RoomKey, session: SessionId) {
        if let Some(recipients) = self.rooms.get_mut(&room) {
            recipients.retain(|r| r.session != session);
            if recipients.is_empty() {
                self.rooms.remove(&room);
            }
        }
        if let Some(mut gone) = self.sessions.remove(&session) {
            // One who said goodbye has no route any more; one who is cut off in one direction learns that it is over.
            self.bid_farewell(&mut gone);
            gone.close_route();
        }
    }

    fn say_goodbye(mut self) {
        for (_, mut session) in std::mem::take(&mut self.sessions) {
            self.bid_farewell(&mut session);
        }
    }

    fn receive(&mut self) {
        // One byte more than a datagram may have: what fills it is too long.
        let mut buffer = [0; MAX_DATAGRAM + 1];
        for socket in 0..self.inlets.len() {
            for _ in 0..BATCH {
                if !self.inlets[socket].ready {
                    break;
                }
                match self.inlets[socket].socket.receive(&mut buffer) {
                    Ok(arrival) => self.handle(socket, arrival, &mut buffer),
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

    fn handle(&mut self, socket: usize, arrival: Arrival, buffer: &mut [u8]) {
        let MediaThread { sessions, counters, random, plain, clock, .. } = self;
        let datagram = &mut buffer[..arrival.len];
        let header = Header::read(datagram).filter(|_| arrival.len <= MAX_DATAGRAM);
        let Some(header) = header else { return counters.dropped(Dropped::NotOurs) };
        let live = sessions.get_mut(&header.session).filter(|s| s.life == Life::Live);
        let Some(session) = live else { return counters.dropped(Dropped::UnknownSession) };

        let now = clock.now();
        let heard = match session.peer.handle_datagram(now, arrival.from, datagram, || random.array()) {
            Ok(heard) => heard,
            Err(Rejected::NotOurs) => return counters.dropped(Dropped::NotOurs),
            Err(Rejected::Replayed) => return counters.dropped(Dropped::Replayed),
            Err(Rejected::DidNotOpen) => return counters.dropped(Dropped::DidNotOpen),
        };
        counters.received.add();
        plain.clear();
        if session.sends {
            forwardable(heard.plain, session.source, plain);
        }
        let (goodbye, moved_to) = (heard.goodbye, heard.moved_to);
        session.note_arrival(arrival.from, Via { socket, local: arrival.local }, moved_to);
        let room = session.room;
        self.forward(room, header.session, now);
        self.after_datagram(header.session, now, goodbye);
    }

    /// Seals what lies in `plain` for everyone in the room but its maker.
    fn forward(&mut self, room: RoomKey, maker: SessionId, arrived: Micros) {
        if self.plain.is_empty() {
            return;
        }
        let Some(recipients) = self.rooms.get_mut(&room) else { return };
        for recipient in recipients.iter_mut().filter(|r| r.session != maker) {
            let path = recipient.route.load();
            let Some(path) = path.as_deref() else { continue };
            recipient.lane.seal(Class::Media, &mut self.sealed, |out| out.extend_from_slice(&self.plain));
            match send(&self.inlets, &self.sealed, path) {
                Ok(()) => self.counters.forwarded.add(),
                Err(_) => self.counters.dropped(Dropped::NotSent),
            }
        }
        self.counters.forwarding_took(self.clock.now().since(arrived));
    }

    /// Answers what was theirs alone.
    fn after_datagram(&mut self, id: SessionId, arrived: Micros, goodbye: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.uplink.hear(arrived, &self.plain);
        if goodbye {
            session.life = Life::Over;
            report(&self.lobby, session);
            session.close_route();
            self.due = self.due.min(self.clock.now() + AGAIN);
            return;
        }
        let now = self.clock.now();
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
        for session in self.sessions.values_mut() {
            if session.life == Life::Live && session.peer.is_gone(now) {
                session.life = Life::Over;
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

    fn bid_farewell(&mut self, session: &mut Session) {
        if session.has_route() {
            session.peer.end();
            transmit(self.clock.now(), session, &self.inlets, &mut self.sealed, &self.counters);
        }
    }
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
