//! The loop of a media thread: receive, open, forward. In steady state it does not allocate.
//!
//! A round receives all datagrams that have arrived, opens them, and then forwards them, so that packets for one recipient
//! leave together. Under load ([`Batching`]) the thread lets more arrive before each round.

use super::batching::Batching;
use super::command::{CommandSender, CommandSenders, ThreadCommand};
use super::counters::{Dropped, ThreadCounters};
use super::forward_queue::{ForwardQueue, RoomNumber};
use super::forwarder::Forwarder;
use super::inbound::{DatagramEffect, InboundDatagram};
use super::mixer::command::{MixerCommand, MixerSender};
use super::route::MediaPath;
use super::session::{Life, MediaSession};
use super::socket::{MediaSocket, PolledSocket};
use super::tap::Taps;
use crate::failure::ExitGuard;
use crate::platform::RecvBatch;
use crate::real_time::YieldBudget;
use crate::real_time::request_real_time;
use crate::real_time::{ServerClock, sleep};
use crate::rooms::messages::{MediaEvent, RoomsHandle};
use crate::system::Random;
use crossbeam_channel::Receiver;
use mio::{Events, Interest, Poll, Token, Waker};
use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::seal::Lane;
use rtjam_protocol::{Micros, SessionId};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Receive calls on one socket in a round, before other sockets, commands and timers have their turn.
const READS: usize = 16;

/// When to retry after the queue of the rooms actor was full or a socket failed.
const RETRY_AFTER: Micros = Micros::from_millis(20);

/// While nothing is due, the thread wakes this often.
const IDLE_WAKE: Micros = Micros::from_secs(1);

const WAKE: Token = Token(usize::MAX);

/// The state of a media thread.
pub(super) struct MediaThread {
    poll: Poll,
    sockets: Vec<PolledSocket>,
    clock: ServerClock,
    rooms: RoomsHandle,
    /// The number of this thread.
    index: usize,
    threads: CommandSenders,
    mixer: MixerSender,
    random: Random,
    sessions: HashMap<SessionId, MediaSession>,
    forwarder: Forwarder,
    queue: ForwardQueue,
    batching: Batching,
    yield_budget: YieldBudget,
    last_round_took: Micros,
    counters: Arc<ThreadCounters>,
    /// No session has anything due before this.
    due: Micros,
    /// Scratch space for a datagram of the server's own.
    sealed: Vec<u8>,
}

/// A started thread.
pub(super) struct MediaThreadHandle {
    pub(super) commands: CommandSender,
    pub(super) thread: JoinHandle<()>,
}

impl MediaThread {
    /// Prepares the sockets. Under load the thread batches packets for at most `batch_wait`.
    ///
    /// # Errors
    /// When a socket cannot be set up.
    pub(super) fn new(
        sockets: Vec<std::net::UdpSocket>,
        clock: ServerClock,
        batch_wait: Micros,
        rooms: RoomsHandle,
        (threads, mixer): (CommandSenders, MixerSender),
        taps: Taps,
    ) -> io::Result<MediaThread> {
        let poll = Poll::new()?;
        let mut polled = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let mut socket = MediaSocket::new(socket)?;
            poll.registry().register(socket.source(), Token(polled.len()), Interest::READABLE)?;
            polled.push(PolledSocket { socket, ready: true, failed: false });
        }
        let counters = Arc::<ThreadCounters>::default();
        Ok(MediaThread {
            poll,
            sockets: polled,
            clock,
            rooms,
            index: 0,
            threads,
            mixer,
            random: Random::new(),
            sessions: HashMap::new(),
            forwarder: Forwarder::new(counters.clone(), taps),
            queue: ForwardQueue::new(),
            batching: Batching::new(clock.now(), batch_wait),
            yield_budget: YieldBudget::new(clock.now()),
            last_round_took: Micros::ZERO,
            counters,
            due: Micros::ZERO,
            sealed: Vec::with_capacity(MAX_DATAGRAM),
        })
    }

    /// The thread's counters, which any thread may read.
    pub(super) fn counters(&self) -> Arc<ThreadCounters> {
        self.counters.clone()
    }

    /// Starts thread number `index`. `notice` reports its end.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn spawn(mut self, index: usize, notice: ExitGuard) -> io::Result<MediaThreadHandle> {
        self.index = index;
        let (commands, receiver) = crossbeam_channel::unbounded();
        let waker = Arc::new(Waker::new(self.poll.registry(), WAKE)?);
        let builder = std::thread::Builder::new().name(format!("media-{index}")).stack_size(256 * 1024);
        let thread = builder.spawn(move || {
            let _notice = notice;
            request_real_time(index == 0);
            self.run(&receiver);
        })?;
        Ok(MediaThreadHandle { commands: CommandSender::new(commands, waker), thread })
    }

    fn run(mut self, commands: &Receiver<ThreadCommand>) {
        let mut events = Events::with_capacity(self.sockets.len() + 1);
        let mut batch = RecvBatch::new();
        loop {
            self.pause(&mut events);
            while let Ok(command) = commands.try_recv() {
                if let ThreadCommand::ShutDown = command {
                    return self.say_goodbye();
                }
                self.handle_command(command);
            }
            self.round(&mut batch);
            if self.clock.now() >= self.due {
                self.handle_timeout();
            }
            if let Some(rest) = self.yield_budget.poll_sleep(self.clock.now()) {
                sleep(rest);
            }
        }
    }

    /// Waits until packets have arrived.
    fn pause(&mut self, events: &mut Events) {
        let begun = self.clock.now();
        if let Some(rest) = self.batching.poll_sleep(self.last_round_took).filter(|_| self.queue.is_empty()) {
            sleep(rest);
            // All sockets are read, whether the poll reports them or not.
            self.sockets.iter_mut().for_each(|s| s.ready = !s.failed);
        } else {
            self.wait(events);
        }
        self.yield_budget.record_wait(self.clock.now().since(begun));
    }

    /// Waits for datagrams, commands, or the next timeout.
    fn wait(&mut self, events: &mut Events) {
        let more = !self.queue.is_empty() || self.sockets.iter().any(|s| s.ready);
        let patience = if more { Micros::ZERO } else { self.due.since(self.clock.now()) };
        if let Err(e) = self.poll.poll(events, Some(Duration::from_micros(patience.0)))
            && e.kind() != io::ErrorKind::Interrupted
        {
            // A live poll does not fail; if it does, the loop must not spin.
            sleep(RETRY_AFTER);
        }
        for event in &*events {
            if let Some(polled) = self.sockets.get_mut(event.token().0) {
                polled.ready = true;
            }
        }
    }

    fn round(&mut self, batch: &mut RecvBatch) {
        let begun = self.clock.now();
        self.receive(batch);
        self.forward();
        self.last_round_took = self.clock.now().since(begun);
    }

    fn handle_command(&mut self, command: ThreadCommand) {
        match command {
            ThreadCommand::AddRecipient { room, recipient } => self.forwarder.add(room, *recipient),
            ThreadCommand::AddSession(mut session) => {
                if let Some(former) = session.replaces.and_then(|former| self.sessions.get(&former)) {
                    session.take_over(former);
                }
                self.due = self.due.min(session.peer.poll_timeout());
                self.sessions.insert(session.peer.session(), *session);
            }
            ThreadCommand::Remove { room, session } => {
                self.forwarder.remove(room, session);
                if let Some(mut gone) = self.sessions.remove(&session) {
                    // A client that said goodbye has no route any more. One that is cut off in one direction learns that
                    // its session is over.
                    self.send_goodbye(&mut gone);
                    gone.close_route();
                }
            }
            ThreadCommand::SetTap { room, tap, on } => self.forwarder.set_tap(room, tap, on),
            ThreadCommand::SetSelection { room, selection } => self.forwarder.set_selection(room, selection),
            ThreadCommand::Pin { room, session, pinned } => self.forwarder.pin(room, session, pinned),
            ThreadCommand::SetForwarded { room, session, on } => self.forwarder.set_forwarded(room, session, on),
            ThreadCommand::SetMixerWait { session, wait } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.set_mixer_wait(wait);
                }
            }
            ThreadCommand::Feedback { room, session, feedback } => self.handle_feedback((room, session), &feedback),
            ThreadCommand::ShutDown => {}
        }
    }

    /// Handles NACKs for this thread's lane.
    fn handle_feedback(&mut self, who: (RoomNumber, SessionId), feedback: &Feedback) {
        let MediaThread { forwarder, sessions, sockets, clock, .. } = self;
        forwarder.handle_feedback(clock.now(), who, feedback, sockets, |sender, claims| {
            if let Some(session) = sessions.get_mut(&sender) {
                session.set_claimed_waits(claims);
            }
        });
    }

    fn say_goodbye(mut self) {
        for (_, mut session) in std::mem::take(&mut self.sessions) {
            self.send_goodbye(&mut session);
        }
    }

    fn receive(&mut self, batch: &mut RecvBatch) {
        for socket in 0..self.sockets.len() {
            for _ in 0..READS {
                if !self.sockets[socket].ready {
                    break;
                }
                match self.sockets[socket].socket.receive(batch) {
                    Ok(received) => {
                        self.sockets[socket].ready = RecvBatch::is_full_of(received);
                        self.handle_datagrams(socket, received, batch);
                    }
                    Err(e) => self.receive_failed(socket, &e),
                }
            }
        }
    }

    fn receive_failed(&mut self, socket: usize, error: &io::Error) {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
        match error.kind() {
            WouldBlock => self.sockets[socket].ready = false,
            // Something sent to one client did not arrive; other clients are not affected.
            Interrupted | ConnectionRefused | ConnectionReset => {}
            _ => {
                // The poll may not report this socket again, so `handle_timeout` retries.
                self.sockets[socket].ready = false;
                self.sockets[socket].failed = true;
                self.due = self.due.min(self.clock.now() + RETRY_AFTER);
            }
        }
    }

    fn handle_datagrams(&mut self, socket: usize, received: usize, batch: &mut RecvBatch) {
        let now = self.clock.now();
        for i in 0..received {
            let Some((arrival, bytes)) = batch.datagram(i) else { continue };
            let incoming = InboundDatagram { now, socket, arrival, bytes };
            let MediaThread { sessions, queue, counters, random, .. } = self;
            if let Some(effect) = incoming.handle(sessions, queue, counters, || random.array()) {
                self.apply(now, &effect);
            }
            if self.queue.is_full() {
                self.forward();
                self.forwarder.make_room(&mut self.queue);
            }
        }
    }

    fn forward(&mut self) {
        let sent = self.forwarder.forward(&mut self.queue, &self.sockets, &self.clock);
        self.batching.record_sent(self.clock.now(), sent);
        if let Some((changed, selection)) = self.forwarder.poll_selection() {
            let event = MediaEvent::SpeakersSelected(changed.room.clone(), changed.speakers.clone());
            if self.rooms.try_media(event).is_err() {
                selection.repeat_report();
            }
        }
    }

    /// Does what a datagram asks for, besides forwarding.
    fn apply(&mut self, now: Micros, effect: &DatagramEffect) {
        if let Some((room, feedback)) = effect.feedback {
            match feedback.lane.forwarding_thread().map(usize::from) {
                Some(thread) if thread == self.index => self.handle_feedback((room, effect.session), &feedback),
                Some(thread) => {
                    if let Some(commands) = self.threads.all().get(thread) {
                        commands.send(ThreadCommand::Feedback { room, session: effect.session, feedback });
                    }
                }
                None if feedback.lane == Lane::MIXER => {
                    self.mixer.send(MixerCommand::Feedback(room, effect.session, feedback));
                }
                None => {}
            }
        }
        let Some(session) = self.sessions.get_mut(&effect.session) else { return };
        if let Some(dropped) = effect.over_rate {
            session.uplink.set_over_rate(dropped);
            // If the queue is full, the next offence is reported.
            let _ = self.rooms.try_media(MediaEvent::OverRate(effect.session, dropped));
        }
        if effect.goodbye {
            session.life = Life::Over;
            report_over(&self.rooms, session);
            session.close_route();
            self.due = self.due.min(now + RETRY_AFTER);
            return;
        }
        transmit(now, session, &self.sockets, &mut self.sealed, &self.counters);
        self.due = self.due.min(session.peer.poll_timeout());
    }

    /// Sends keep-alives, ends silent sessions, and retries what failed before.
    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        self.due = now + IDLE_WAKE;
        self.counters.record_cpu_time();
        for polled in self.sockets.iter_mut().filter(|s| s.failed) {
            polled.failed = false;
            polled.ready = true;
        }
        self.retire(now);
        for session in self.sessions.values_mut() {
            let spent = session.peer.is_exhausted();
            if session.life == Life::Live && (spent || session.peer.is_gone(now)) {
                session.life = Life::Over;
            }
            if session.peer.keys_expired(now) && !session.worn_told {
                let told = self.rooms.try_media(MediaEvent::SessionWorn(session.peer.session()));
                session.worn_told = told.is_ok();
            }
            match session.life {
                Life::Live => {
                    transmit(now, session, &self.sockets, &mut self.sealed, &self.counters);
                    self.due = self.due.min(session.peer.poll_timeout());
                }
                Life::Over => {
                    report_over(&self.rooms, session);
                    self.due = self.due.min(now + RETRY_AFTER);
                }
                Life::Reported => {}
            }
        }
    }

    /// Ends sessions from which others have taken over.
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

    fn send_goodbye(&mut self, session: &mut MediaSession) {
        if session.has_route() {
            session.peer.end();
            transmit(self.clock.now(), session, &self.sockets, &mut self.sealed, &self.counters);
        }
    }
}

/// Sends the peer's own datagrams: answers, challenges, keep-alives.
fn transmit(
    now: Micros,
    session: &mut MediaSession,
    sockets: &[PolledSocket],
    sealed: &mut Vec<u8>,
    counters: &ThreadCounters,
) {
    while let Some(to) = session.peer.poll_transmit(now, sealed) {
        let sent = session.path_to(to).is_some_and(|path| send(sockets, sealed, &path).is_ok());
        if sent { counters.answered.increment() } else { counters.count_dropped(Dropped::NotSent) }
    }
}

fn send(sockets: &[PolledSocket], datagram: &[u8], path: &MediaPath) -> io::Result<()> {
    let polled = sockets.get(path.local.socket).ok_or(io::ErrorKind::NotFound)?;
    polled.socket.send(datagram, path)
}

/// Tells the rooms actor that a session is over. If the queue is full, `handle_timeout` retries.
fn report_over(rooms: &RoomsHandle, session: &mut MediaSession) {
    if rooms.try_media(MediaEvent::SessionOver(session.peer.session())).is_ok() {
        session.life = Life::Reported;
    }
}
