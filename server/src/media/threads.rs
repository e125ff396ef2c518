//! The rooms actor's handle of the media threads and the mixer.

use super::command::{CommandSenders, ThreadCommand};
use super::counters::{Dropped, MediaTotals};
use super::forward_queue::RoomNumber;
use super::mixer;
use super::mixer::command::{MixerCommand, MixerRequest, MixerSender};
use super::mixer::outgoing_mix::MixMember;
use super::route::{Recipient, Route};
use super::session::MediaSession;
use super::socket::MediaSocket;
use super::speaker_selection::{MAX_RECEIVED, SourceSet, SpeakerSelection};
use super::tap::{TapId, Taps, tap};
use super::thread::{MediaThread, MediaThreadHandle};
use crate::failure::ExitNotifier;
use crate::real_time::ServerClock;
use crate::rooms::messages::RoomsHandle;
use crate::statistics::SessionCounters;
use crate::system::Random;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::retransmit;
use rtjam_protocol::seal::Lane;
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{Micros, RoomName, SessionId, SourceId};
use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The largest number of media threads: each has two of the 256 lanes to every session, and the mixer has one.
pub const MAX_THREADS: u8 = Lane::MAX_MEDIA_THREADS;

/// The longest that packets may wait to be sent in a batch, in µs.
pub const MAX_BATCH_WAIT_US: u16 = 250;

/// The media threads and the mixer.
pub struct MediaThreads {
    threads: Vec<MediaThreadHandle>,
    rooms: HashMap<RoomName, OccupiedRoom>,
    /// Each session's room, and whether it is a musician's.
    room_of: HashMap<SessionId, (RoomName, bool)>,
    next_key: u32,
    clock: ServerClock,
    epoch: u32,
    mixer: MixerSender,
    mixer_thread: JoinHandle<()>,
}

/// An occupied room.
struct OccupiedRoom {
    key: RoomNumber,
    members: usize,
    musicians: usize,
    /// Set while the room is crowded.
    selection: Option<Arc<SpeakerSelection>>,
}

impl MediaThreads {
    /// Starts a thread for each set of sockets, and the mixer. Each set has one socket for each address, in the same order.
    /// Events go to `rooms`; `notices` reports threads that end by themselves.
    ///
    /// # Errors
    /// When a thread or a socket cannot be set up.
    pub fn start(
        sockets: Vec<Vec<UdpSocket>>,
        clock: ServerClock,
        batch_wait: Micros,
        rooms: &RoomsHandle,
        notices: &ExitNotifier,
    ) -> io::Result<(MediaThreads, MediaTotals)> {
        let (mut threads, mut counters, mut taps) = (Vec::new(), Vec::new(), Vec::new());
        let (senders, mixer) = (CommandSenders::default(), MixerSender::default());
        // The mixer sends by the first thread's sockets, so that its packets come from the same address and port.
        let mixer_sockets = sockets.first().into_iter().flatten().map(|socket| MediaSocket::new(socket.try_clone()?));
        let mixer_sockets = mixer_sockets.collect::<io::Result<Vec<_>>>()?;
        for (index, sockets) in sockets.into_iter().enumerate() {
            let (producer, consumer) = tap(TapId::Mixer, Dropped::MixerFull);
            taps.push(consumer);
            let others = (senders.clone(), mixer.clone());
            let producers = Taps(vec![producer]);
            let thread = MediaThread::new(sockets, clock, batch_wait, rooms.clone(), others, producers)?;
            counters.push(thread.counters());
            threads.push(thread.spawn(index, notices.guard("media"))?);
        }
        senders.set(threads.iter().map(|thread| thread.commands.clone()).collect());
        let notice = notices.guard("mixer");
        let started = mixer::thread::start(mixer_sockets, taps, clock, rooms.clone(), senders, &mixer, notice)?;
        let (mixer_thread, mixer_counters) = started;
        let media = MediaThreads {
            threads,
            rooms: HashMap::new(),
            room_of: HashMap::new(),
            next_key: 0,
            clock,
            epoch: u32::from_be_bytes(Random::new().array()),
            mixer,
            mixer_thread,
        };
        Ok((media, MediaTotals::new(counters, mixer_counters)))
    }

    /// Serves a session, for which the threads count in `counters`.
    pub fn open(&mut self, new: &NewSession, counters: Arc<SessionCounters>) {
        let room = self.enter(&new.room);
        self.room_of.insert(new.session, (new.room.clone(), new.sends));
        let owner = usize::from(new.session.media_thread()) % self.threads.len();
        let up = new.keys.uplink(new.session, new.features, CRYPTO);
        let down = new.keys.downlink(new.session, new.features, CRYPTO);
        let peer =
            ServerSession::new(self.clock.now(), up.receive(), down.send_lane(Lane::session(owner as u8)), self.epoch);
        let route = Arc::new(Route::new());
        for (index, thread) in self.threads.iter().enumerate() {
            let recipient = Recipient {
                session: new.session,
                source: new.source,
                sends: new.sends,
                lane: down.send_lane(Lane::forwarding(index as u8)),
                route: route.clone(),
                forwarded: new.mix == DownstreamMode::Forwarded,
                retransmitter: retransmit::Retransmitter::default(),
                waits_told: Micros::ZERO,
                pinned: Vec::new(),
                heard: SourceSet::ALL,
                selection_version: 0,
            };
            thread.commands.send(ThreadCommand::AddRecipient { room, recipient: Box::new(recipient) });
        }
        let member = MixMember::new(new.session, new.source, new.sends, down.send_lane(Lane::MIXER), route.clone());
        self.mixer.send(MixerCommand::Add(room, Box::new(member)));
        let mut session = MediaSession::new(peer, room, new.source, new.sends, route, counters);
        session.replaces = new.replaces;
        self.threads[owner].commands.send(ThreadCommand::AddSession(Box::new(session)));
        self.count_musicians(&new.room, usize::from(new.sends), 0);
        if new.mix == DownstreamMode::Mixed {
            self.mix(new.session, MixerRequest { mixed: true, codec: Codec::Pcm16, balances: Vec::new() });
        }
    }

    /// Sets whether a session receives a mix, and how it is mixed.
    pub fn mix(&self, session: SessionId, request: MixerRequest) {
        let Some(room) = self.room_of.get(&session).and_then(|(name, _)| self.rooms.get(name)) else { return };
        self.mixer.send(MixerCommand::Request(room.key, session, request));
    }

    /// Sets the musicians whom a session receives in any case.
    pub fn pin(&self, session: SessionId, pinned: &[SourceId]) {
        let Some(room) = self.room_of.get(&session).and_then(|(name, _)| self.rooms.get(name)) else { return };
        for thread in &self.threads {
            thread.commands.send(ThreadCommand::Pin { room: room.key, session, pinned: pinned.to_vec() });
        }
    }

    /// Whether a room has more musicians than one musician receives.
    pub fn is_crowded(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.selection.is_some())
    }

    /// Ends a session.
    pub fn end(&mut self, session: SessionId) {
        let Some((name, sends)) = self.room_of.remove(&session) else { return };
        self.count_musicians(&name, 0, usize::from(sends));
        let Some(room) = self.rooms.get_mut(&name) else { return };
        for thread in &self.threads {
            thread.commands.send(ThreadCommand::Remove { room: room.key, session });
        }
        self.mixer.send(MixerCommand::Remove(room.key, session));
        room.members -= 1;
        if room.members == 0 {
            self.rooms.remove(&name);
        }
    }

    /// Says goodbye to every session and ends the threads. Returns when the goodbyes have been sent.
    pub fn shut_down(self) {
        self.mixer.send(MixerCommand::Stop);
        for thread in &self.threads {
            thread.commands.send(ThreadCommand::ShutDown);
        }
        for handle in self.threads {
            // Fails when the thread has panicked, which it has printed.
            let _ = handle.thread.join();
        }
        let _ = self.mixer_thread.join();
    }

    /// Counts musicians who have joined and left, and starts or stops the selection of speakers.
    fn count_musicians(&mut self, name: &RoomName, joined: usize, left: usize) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.musicians = (room.musicians + joined).saturating_sub(left);
        let crowded = room.musicians > MAX_RECEIVED + 1;
        if crowded != room.selection.is_some() {
            room.selection = crowded.then(|| Arc::new(SpeakerSelection::new(name.clone())));
            for thread in &self.threads {
                let selection = room.selection.clone();
                thread.commands.send(ThreadCommand::SetSelection { room: room.key, selection });
            }
        }
    }

    fn enter(&mut self, name: &RoomName) -> RoomNumber {
        let room = self.rooms.entry(name.clone()).or_insert_with(|| {
            // A key is reused after 2^32 rooms, long after its last room is gone.
            self.next_key = self.next_key.wrapping_add(1);
            OccupiedRoom { key: RoomNumber(self.next_key), members: 0, musicians: 0, selection: None }
        });
        room.members += 1;
        room.key
    }
}
