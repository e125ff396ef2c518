//! Media: sealed datagrams from each musician to all others of their room.
//!
//! A media thread owns its sockets, the replay windows of its sessions, and for every musician of the server a
//! [lane](rtjam_protocol::seal::SendLane) to them. So a datagram is received, opened, sealed anew for each listener
//! and sent by one thread without touching anything that another one writes; all that threads share is each
//! musician's `Path`, which changes when their address does. The lobby's changes come by a queue,
//! between two rounds.
//!
//! [`Media`] deals sessions out by the byte in their number; `steer` has the kernel do the same with datagrams.
//!
//! | module | what lives there |
//! |---|---|
//! | `thread` | the loop of a media thread |
//! | `inbound` | the one place where opened packets are seen |
//! | `waiting`, `forward` | packets on their way out; who gets them |
//! | `past` | the last 250 ms of each musician, for who missed some of it |
//! | `crowd` | whom musicians of a large room are sent |
//! | `waits` | how long late packets are waited for, by what the listeners say |
//! | `police`, `rate` | what one session may send |
//! | `gather`, `share`, `shed`, `breath` | what waits for company; whose turn it is; what is dropped in overload; what is left to others |
//! | `session`, `route` | a musician's peer; where they are |
//! | `socket`, `steer` | many datagrams a call, in and out; several sockets on a port |
//! | `mixer` | one mix instead of everyone's packets: a thread of its own |
//! | `counters` | what the threads have done |
//!
//! Memory: a thread takes 1.5 MB at its start. A musician takes about 4 KB, and a lane and a place in their room in
//! each thread, of 25 KB to know what to send again, and in one of them their last 250 ms, some 70 KB; each of the two lanes
//! that their end may use takes up to 9 KB.

mod breath;
mod command;
mod counters;
mod crowd;
mod forward;
mod gather;
mod inbound;
mod mixer;
mod past;
mod police;
mod priority;
mod rate;
mod route;
mod session;
mod share;
mod shed;
mod socket;
mod steer;
mod thread;
mod waiting;
mod waits;

pub(crate) use breath::Breath;
pub use counters::{Dropped, FORWARDING_BOUNDS_US, Figures, Totals};
pub use crowd::{Choice, MOST_HEARD, Sources};
pub(crate) use gather::Gather;
pub use mixer::{MixFigures, MixTotals, Wish};
pub use priority::{REAL_TIME_PRIORITY, may_have_real_time};
pub(crate) use priority::{ask_for_real_time, sleep_precisely};
pub(crate) use rate::{Limit, Rate};
pub(crate) use route::{Path, Via};
pub use socket::SOCKET_BUFFER;
pub(crate) use socket::{Inbox, MOST_AT_ONCE, MOST_BYTES_AT_ONCE, MediaSocket};
pub use steer::{CAN_STEER, steer};

use crate::clock::Clock;
use crate::lobby::Input;
use crate::statistics::SessionFigures;
use crate::system::Random;
use crate::thread_exit::ExitNotifier;
use command::{Command, RoomKey};
use crossbeam_channel::Sender;
use crowd::Crowd;
use mio::Waker;
use mixer::{Guest, MIXER_LANE, MixerCommand, MixerHandle};
use route::{Recipient, Route};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::MixChoice;
use rtjam_protocol::peer::Peer;
use rtjam_protocol::recovery;
use rtjam_protocol::room::NewSession;
use rtjam_protocol::seal::Lane;
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::{Micros, RoomName, SessionId, SourceId};
use session::Session;
use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// The lobby's end of the media threads.
pub struct Media {
    threads: Vec<ThreadHandle>,
    rooms: HashMap<RoomName, Room>,
    /// Where each session is, and whether it is a musician's.
    room_of: HashMap<SessionId, (RoomName, bool)>,
    next_key: u32,
    clock: Clock,
    epoch: u32,
    mixer: MixerHandle,
}

struct ThreadHandle {
    door: Door,
    thread: JoinHandle<()>,
}

/// A way to tell a thread something.
#[derive(Clone)]
struct Door {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

/// The doors of all threads, once all have started.
type Doors = Arc<OnceLock<Vec<Door>>>;

/// The way to the mixer, once it has started.
type MixerDoor = Arc<OnceLock<Sender<MixerCommand>>>;

/// A room that someone is in.
struct Room {
    key: RoomKey,
    members: usize,
    musicians: usize,
    /// Set where there are more musicians than one is sent.
    crowd: Option<Arc<Crowd>>,
}

/// What a thread forwards by; the thread's peers use the lane after it, for a lane has one owner.
const fn forwarding_lane(thread: usize) -> Lane {
    Lane((thread * 2) as u8)
}

/// The thread that forwards by a lane; `None` for what peers answer by.
fn thread_of(lane: Lane) -> Option<usize> {
    lane.0.is_multiple_of(2).then_some(usize::from(lane.0) / 2)
}

/// What a thread's peers answer by.
const fn session_lane(thread: usize) -> Lane {
    Lane((thread * 2 + 1) as u8)
}

/// The most media threads: each has two of the 256 lanes to every musician.
pub const MOST_THREADS: u8 = 64;

/// The longest that packets may wait for company, in µs.
pub const MOST_GATHER_US: u16 = 250;

impl Media {
    /// Starts a thread for each of the sets of sockets; each set has one socket for each address, in the same order.
    /// Sessions that end by themselves are told to `lobby`, threads that do by `notices`.
    ///
    /// # Errors
    /// When a thread or a socket cannot be set up.
    pub fn start(
        sockets: Vec<Vec<UdpSocket>>,
        clock: Clock,
        gather: Micros,
        lobby: &mpsc::Sender<Input>,
        notices: &ExitNotifier,
    ) -> io::Result<(Media, Totals)> {
        let (mut threads, mut counters, doors) = (Vec::new(), Vec::new(), Doors::default());
        let (mut fed, mixer_door) = (Vec::new(), MixerDoor::default());
        // The mixer sends by the first thread's sockets, too: so its packets come from where all others do.
        let outlets =
            sockets.first().into_iter().flatten().map(UdpSocket::try_clone).collect::<io::Result<Vec<_>>>()?;
        for (index, sockets) in sockets.into_iter().enumerate() {
            let (feed, from_thread) = mixer::feed();
            fed.push(from_thread);
            let ways = (doors.clone(), mixer_door.clone());
            let thread = thread::MediaThread::new(sockets, clock, gather, lobby.clone(), ways, feed)?;
            counters.push(thread.counters());
            threads.push(thread.spawn(index, notices.guard("media"))?);
        }
        let _ = doors.set(threads.iter().map(|t: &ThreadHandle| t.door.clone()).collect());
        let (mixer, mixes) = mixer::start(outlets, fed, clock, lobby.clone(), doors, notices.guard("mixer"))?;
        let _ = mixer_door.set(mixer.commands.clone());
        let media = Media {
            mixer,
            threads,
            rooms: HashMap::new(),
            room_of: HashMap::new(),
            next_key: 0,
            clock,
            epoch: u32::from_be_bytes(Random::new().array()),
        };
        Ok((media, Totals::new(counters, mixes)))
    }

    /// Serves a session from now on; `figures` are counted for it.
    pub fn open(&mut self, new: &NewSession, figures: Arc<SessionFigures>) {
        let room = self.enter(&new.room);
        self.room_of.insert(new.session, (new.room.clone(), new.sends));
        let owner = usize::from(new.session.media_thread()) % self.threads.len();
        let now = self.clock.now();
        let lane = session_lane(owner);
        let up = new.keys.uplink(new.session, new.features, CRYPTO);
        let down = new.keys.downlink(new.session, new.features, CRYPTO);
        let peer = Peer::new(now, up.receive(), down.send_lane(lane), self.epoch);
        let route = Arc::new(Route::new());
        for (index, thread) in self.threads.iter().enumerate() {
            // The one place where forwarding lanes are made: one for each pair of thread and session.
            let lane = down.send_lane(forwarding_lane(index));
            let again = recovery::Sender::new();
            let (session, route, separate) = (new.session, route.clone(), new.mix == MixChoice::Separate);
            let sends = new.sends;
            let recipient = Recipient {
                session,
                sends,
                lane,
                route,
                separate,
                again,
                waits_told: Micros::ZERO,
                source: new.source,
                pinned: Vec::new(),
                heard: Sources::ALL,
                choice: 0,
            };
            thread.door.tell(Command::AddRecipient { room, recipient: Box::new(recipient) });
        }
        let lane = down.send_lane(MIXER_LANE);
        let guest = Guest::new(new.session, new.source, new.sends, lane, route.clone());
        self.mixer.tell(MixerCommand::Add(room, Box::new(guest)));
        let mut session = Session::new(peer, room, new.source, new.sends, route, figures);
        session.replaces = new.replaces;
        self.threads[owner].door.tell(Command::AddSession(Box::new(session)));
        self.count_musicians(&new.room, usize::from(new.sends), 0);
        if new.mix == MixChoice::One {
            self.mix(new.session, Wish { one: true, codec: Codec::Pcm16, balances: Vec::new() });
        }
    }

    /// A session wants this of the mixer from now on.
    pub fn mix(&self, session: SessionId, wish: Wish) {
        let Some(room) = self.room_of.get(&session).and_then(|(name, _)| self.rooms.get(name)) else { return };
        self.mixer.tell(MixerCommand::Wish(room.key, session, wish));
    }

    /// A session is sent these musicians in any case.
    pub fn pin(&self, session: SessionId, pinned: &[SourceId]) {
        let Some(room) = self.room_of.get(&session).and_then(|(name, _)| self.rooms.get(name)) else { return };
        for thread in &self.threads {
            thread.door.tell(Command::Pin { room: room.key, session, pinned: pinned.to_vec() });
        }
    }

    /// Whether a room has more musicians than one is sent.
    pub fn is_crowded(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.crowd.is_some())
    }

    /// Forgets a session.
    pub fn end(&mut self, session: SessionId) {
        let Some((name, sends)) = self.room_of.remove(&session) else { return };
        self.count_musicians(&name, 0, usize::from(sends));
        let Some(room) = self.rooms.get_mut(&name) else { return };
        for thread in &self.threads {
            thread.door.tell(Command::Remove { room: room.key, session });
        }
        self.mixer.tell(MixerCommand::Remove(room.key, session));
        room.members -= 1;
        if room.members == 0 {
            self.rooms.remove(&name);
        }
    }

    /// Says goodbye to every session, and returns when that has been sent.
    pub fn shut_down(self) {
        self.mixer.tell(MixerCommand::Stop);
        for thread in &self.threads {
            thread.door.tell(Command::ShutDown);
        }
        for handle in self.threads {
            // Fails when the thread panicked, which it has printed.
            let _ = handle.thread.join();
        }
        let _ = self.mixer.thread.join();
    }

    /// So many musicians have come and left.
    fn count_musicians(&mut self, name: &RoomName, came: usize, left: usize) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.musicians = (room.musicians + came).saturating_sub(left);
        let crowded = room.musicians > MOST_HEARD + 1;
        if crowded != room.crowd.is_some() {
            room.crowd = crowded.then(|| Arc::new(Crowd::new(name.clone())));
            for thread in &self.threads {
                thread.door.tell(Command::Crowd { room: room.key, crowd: room.crowd.clone() });
            }
        }
    }

    fn enter(&mut self, name: &RoomName) -> RoomKey {
        let room = self.rooms.entry(name.clone()).or_insert_with(|| {
            // A key comes again after 2^32 rooms, long after its last owner is gone.
            self.next_key = self.next_key.wrapping_add(1);
            Room { key: RoomKey(self.next_key), members: 0, musicians: 0, crowd: None }
        });
        room.members += 1;
        room.key
    }
}

impl Door {
    fn tell(&self, command: Command) {
        // Either fails only when the thread has panicked; then there is nobody to tell.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}
