//! Clients, a server and the network between them, in virtual time.

use super::client::{PACKET_EVERY, TestClient};
use crate::common::{XorShift, secrets, server_config};
use core::net::SocketAddr;
use rtjam_protocol::client::{ClientConfig, ClientEvent, DialId};
use rtjam_protocol::control::{self, ClientMessage, DownstreamMode, Refusal, SeatRole, ServerMessage};
use rtjam_protocol::datagram::{DatagramClass, DatagramHeader};
use rtjam_protocol::seal::{Crypto, Lane, NonceCounter, Rejected, SendLane, ring::CRYPTO};
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::server::rooms::{
    ConnectionId, Entropy, MemberSelector, NewSession, Origin, RoomRecord, RoomSecrets, Rooms, RoomsOutput, SlotRecord,
};
use rtjam_protocol::{Micros, SessionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A server's persistent data.
pub(crate) struct Store {
    pub(crate) exists: bool,
    pub(crate) works: bool,
    pub(crate) secrets: RoomSecrets,
    pub(crate) slots: Vec<SlotRecord>,
}

/// A running server.
pub(crate) struct Server {
    rooms: Rooms,
    seated: BTreeMap<SessionId, Seated>,
    epoch: u32,
}

struct Seated {
    peer: ServerSession,
    what: NewSession,
    forward: SendLane,
}

pub(crate) struct World {
    pub(crate) now: Micros,
    pub(crate) rng: XorShift,
    pub(crate) clients: Vec<TestClient>,
    pub(crate) store: Store,
    server: Option<Server>,
    max_musicians: u16,
    /// The server's primitives; clients bring their own.
    pub(crate) crypto: Crypto,
    /// Bytes sent to each address.
    pub(crate) sent_to: BTreeMap<SocketAddr, usize>,
    /// Datagrams sent by each client, for replays.
    pub(crate) tap: Vec<(usize, Vec<u8>)>,
    /// Alters the clients' control messages.
    pub(crate) tamper: Option<fn(String) -> String>,
    wires: BTreeMap<ConnectionId, Wire>,
    next_wire: u64,
    queue: BTreeMap<(Micros, u64), Happening>,
    happened: u64,
    nonces: BTreeSet<(bool, SessionId, Lane, NonceCounter)>,
    /// Why the server rejected datagrams.
    pub(crate) rejected: Vec<Rejected>,
    keys: BTreeSet<(bool, Lane, u8)>,
    worn_told: BTreeSet<SessionId>,
}

/// A control connection: ordered and lossless as long as it lives.
struct Wire {
    client: usize,
    dial: DialId,
    up: VecDeque<Option<String>>,
    down: VecDeque<Option<String>>,
}

enum Happening {
    ToServer(SocketAddr, Vec<u8>),
    ToClient(usize, SocketAddr, Vec<u8>),
    /// The n-th attempt to reach the server.
    Syn(ConnectionId, u32),
    Open(ConnectionId),
    /// Delivers the next text, upstream or downstream.
    Pump(ConnectionId, bool),
    Audio(usize),
}

const TCP_TRIES_AGAIN: Micros = Micros::from_millis(300);

impl World {
    pub(crate) fn new(seed: u64, max_musicians: u16) -> World {
        let mut world = World {
            now: Micros::from_secs(1000),
            rng: XorShift::new(seed),
            clients: Vec::new(),
            store: Store { exists: true, works: true, secrets: secrets(), slots: Vec::new() },
            server: None,
            max_musicians,
            crypto: CRYPTO,
            sent_to: BTreeMap::new(),
            tap: Vec::new(),
            tamper: None,
            wires: BTreeMap::new(),
            next_wire: 0,
            queue: BTreeMap::new(),
            happened: 0,
            nonces: BTreeSet::new(),
            rejected: Vec::new(),
            keys: BTreeSet::new(),
            worn_told: BTreeSet::new(),
        };
        world.start_server();
        world
    }

    /// Starts a client. Returns its number.
    pub(crate) fn add(&mut self, identity: u8, role: SeatRole, change: impl FnOnce(&mut ClientConfig)) -> usize {
        let client = self.clients.len();
        self.clients.push(TestClient::new(self.now, client as u8 + 1, identity, role, change));
        self.at(self.now + PACKET_EVERY, Happening::Audio(client));
        self.drain_client(client);
        client
    }

    pub(crate) fn musician(&mut self, identity: u8) -> usize {
        self.add(identity, SeatRole::Musician, |_| {})
    }

    pub(crate) fn start_server(&mut self) {
        let rooms = Rooms::new(server_config(self.max_musicians));
        self.server = Some(Server { rooms, seated: BTreeMap::new(), epoch: self.rng.next() as u32 });
    }

    /// Kills the server: connections break without a message.
    pub(crate) fn kill_server(&mut self) {
        self.server = None;
        let wires: Vec<ConnectionId> = self.wires.keys().copied().collect();
        wires.into_iter().for_each(|w| self.say(w, false, None));
    }

    /// Stops the server, which informs everyone on both channels.
    pub(crate) fn stop_server(&mut self) {
        if let Some(server) = &mut self.server {
            server.rooms.handle_going_down();
            server.seated.values_mut().for_each(|s| s.peer.end());
        }
        self.drain_server();
        self.server = None;
    }

    /// The server ends one client's media session.
    pub(crate) fn say_goodbye_to(&mut self, client: usize) {
        let address = self.clients[client].address;
        let Some(server) = &mut self.server else { return };
        let Some((id, seated)) = server.seated.iter_mut().find(|(_, s)| s.peer.path() == Some(address)) else { return };
        let id = *id;
        seated.peer.end();
        self.drain_server();
        if let Some(server) = &mut self.server {
            server.rooms.handle_session_over(self.now, id);
        }
        self.drain_server();
    }

    /// A moderator kicks a member by name.
    pub(crate) fn kick(&mut self, name: &str) {
        let Some(server) = &mut self.server else { return };
        let kicked = server.rooms.handle_kick(self.now, &crate::common::lobby(), &MemberSelector::from(name));
        assert_eq!(kicked.len(), 1, "{kicked:?}");
        self.drain_server();
    }

    /// Breaks a client's control connections.
    pub(crate) fn break_control(&mut self, client: usize) {
        let wires: Vec<ConnectionId> =
            self.wires.iter().filter(|(_, w)| w.client == client).map(|(id, _)| *id).collect();
        for wire in wires {
            self.say(wire, false, None);
            self.say(wire, true, None);
        }
    }

    /// Media addresses of all sessions.
    pub(crate) fn paths(&self) -> BTreeSet<SocketAddr> {
        let seated = self.server.iter().flat_map(|s| s.seated.values());
        seated.filter_map(|s| s.peer.path()).collect()
    }

    /// Number of key ids that a lane has used in any session; at most 256.
    pub(crate) fn keys_used(&self, up: bool, lane: Lane) -> usize {
        self.keys.iter().filter(|(u, l, _)| (*u, *l) == (up, lane)).count()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.server.as_ref().map_or(0, |s| s.seated.len())
    }

    /// Delivers a datagram from any address to the server.
    pub(crate) fn inject(&mut self, from: SocketAddr, datagram: Vec<u8>) {
        self.at(self.now, Happening::ToServer(from, datagram));
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now + Micros::from_millis(ms));
    }

    fn run_until(&mut self, until: Micros) {
        let mut idle = 0;
        while let Some(next) = self.next_due().filter(|at| *at <= until) {
            idle = if next > self.now { 0 } else { idle + 1 };
            assert!(idle < 10_000, "time stands still");
            self.now = self.now.max(next);
            let due = self.queue.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= self.now);
            if let Some(happening) = due.and_then(|key| self.queue.remove(&key)) {
                self.happen(happening);
            }
            self.timeouts();
        }
        self.now = until;
    }

    fn next_due(&self) -> Option<Micros> {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let clients = self.clients.iter().filter_map(|e| e.session.poll_timeout()).min();
        let peers = self.server.iter().flat_map(|s| s.seated.values()).map(|s| s.peer.poll_timeout()).min();
        let rooms = self.server.as_ref().and_then(|s| s.rooms.poll_timeout());
        [queue, clients, peers, rooms].into_iter().flatten().min()
    }

    fn timeouts(&mut self) {
        for client in 0..self.clients.len() {
            let session = &mut self.clients[client].session;
            if session.poll_timeout().is_some_and(|at| at <= self.now) {
                session.handle_timeout(self.now);
                self.drain_client(client);
            }
        }
        let Some(server) = &mut self.server else { return };
        let worn: Vec<SessionId> =
            server.seated.iter().filter(|(_, s)| s.peer.keys_expired(self.now)).map(|(id, _)| *id).collect();
        for id in worn.into_iter().filter(|id| self.worn_told.insert(*id)) {
            server.rooms.handle_keys_expired(id);
        }
        let taken_over = server.seated.values().filter(|s| s.peer.has_taken_over(self.now));
        let mut gone: Vec<SessionId> = taken_over.filter_map(|s| s.what.replaces).collect();
        gone.retain(|former| server.seated.contains_key(former));
        let over = |peer: &ServerSession| peer.is_gone(self.now) || peer.is_exhausted();
        gone.extend(server.seated.iter().filter(|(_, s)| over(&s.peer)).map(|(id, _)| *id));
        gone.into_iter().for_each(|id| server.rooms.handle_session_over(self.now, id));
        server.rooms.handle_timeout(self.now);
        self.drain_server();
    }

    fn at(&mut self, time: Micros, happening: Happening) {
        self.happened += 1;
        self.queue.insert((time, self.happened), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToServer(from, datagram) => self.server_receives(from, datagram),
            Happening::ToClient(client, to, datagram) => {
                // Datagrams to a former address are lost.
                if self.clients[client].address == to {
                    self.clients[client].receive(self.now, datagram);
                    self.drain_client(client);
                }
            }
            Happening::Syn(wire, n) => self.reach(wire, n),
            Happening::Open(wire) => self.open(wire),
            Happening::Pump(wire, up) => self.pump(wire, up),
            Happening::Audio(client) => {
                if let Some(datagram) = self.clients[client].play(self.now) {
                    self.send_up(client, datagram);
                }
                self.drain_client(client);
                self.at(self.now + PACKET_EVERY, Happening::Audio(client));
            }
        }
    }

    // Control connections.

    fn reach(&mut self, wire: ConnectionId, n: u32) {
        let Some(client) = self.wires.get(&wire).map(|w| w.client) else { return };
        let link = &self.clients[client].link;
        let round_trip = Micros(2 * link.delay.0);
        if !link.control {
            self.at(self.now + Micros::from_secs(1 << n.min(6)), Happening::Syn(wire, n + 1));
        } else if self.server.is_some() {
            // TCP, TLS and the WebSocket upgrade.
            self.at(self.now + Micros(3 * round_trip.0), Happening::Open(wire));
        } else {
            self.say(wire, false, None);
        }
    }

    fn open(&mut self, wire: ConnectionId) {
        let Some(w) = self.wires.get(&wire) else { return };
        let (client, dial) = (w.client, w.dial);
        if !self.clients[client].link.control {
            return self.at(self.now + TCP_TRIES_AGAIN, Happening::Open(wire));
        }
        let mut nonce = [0; 32];
        self.rng.fill(&mut nonce);
        let Some(server) = &mut self.server else { return self.say(wire, false, None) };
        server.rooms.handle_connected(wire, nonce);
        self.clients[client].session.handle_control_open(dial, crate::common::PIN);
        self.drain_client(client);
        self.drain_server();
    }

    /// Sends a text, or closes the connection with `None`.
    fn say(&mut self, wire: ConnectionId, up: bool, text: Option<String>) {
        let Some(w) = self.wires.get_mut(&wire) else { return };
        let delay = self.clients[w.client].link.delay;
        if up {
            w.up.push_back(text)
        } else {
            w.down.push_back(text)
        }
        self.at(self.now + delay, Happening::Pump(wire, up));
    }

    fn pump(&mut self, wire: ConnectionId, up: bool) {
        let Some(w) = self.wires.get_mut(&wire) else { return };
        let (client, dial) = (w.client, w.dial);
        if !self.clients[client].link.control {
            return self.at(self.now + TCP_TRIES_AGAIN, Happening::Pump(wire, up));
        }
        let Some(text) = (if up { w.up.pop_front() } else { w.down.pop_front() }) else { return };
        if up {
            let Some(server) = &mut self.server else { return };
            match text.map(|t| control::read::<ClientMessage>(&t)) {
                Some(Ok(message)) => server.rooms.handle_message(self.now, wire, message),
                Some(Err(_)) => server.rooms.handle_refused(wire, Refusal::BadMessage),
                None => server.rooms.handle_disconnected(wire),
            }
            self.drain_server();
        } else {
            let session = &mut self.clients[client].session;
            match text {
                Some(text) => {
                    let message: ServerMessage = control::read(&text).expect("a server's message");
                    session.handle_control(self.now, dial, message);
                }
                None => {
                    self.wires.remove(&wire);
                    session.handle_control_closed(self.now, dial);
                }
            }
            self.drain_client(client);
        }
    }

    // Drivers.

    pub(crate) fn drain_client(&mut self, client: usize) {
        while let Some(event) = self.clients[client].session.poll_event() {
            self.take_event(client, event);
        }
        while let Some((dial, message)) = self.clients[client].session.poll_control() {
            let text = control::write(&message);
            let text = self.tamper.map_or(text.clone(), |tamper| tamper(text));
            if let Some(wire) = self.wire_of(client, dial) {
                self.say(wire, true, Some(text));
            }
        }
        let mut out = Vec::new();
        while self.clients[client].session.poll_transmit(self.now, &mut out).is_some() {
            self.send_up(client, out.clone());
        }
    }

    fn take_event(&mut self, client: usize, event: ClientEvent) {
        let e = &mut self.clients[client];
        match event {
            ClientEvent::Dial(dial) => {
                let wire = ConnectionId(self.next_wire);
                self.next_wire += 1;
                self.wires.insert(wire, Wire { client, dial, up: VecDeque::new(), down: VecDeque::new() });
                self.at(self.now, Happening::Syn(wire, 0));
            }
            ClientEvent::HangUp(dial) => {
                if let Some(wire) = self.wire_of(client, dial) {
                    self.wires.remove(&wire);
                    // The server notices while the network works; messages in flight are lost.
                    if let Some(server) = self.server.as_mut().filter(|_| self.clients[client].link.control) {
                        server.rooms.handle_disconnected(wire);
                    }
                }
            }
            ClientEvent::Joined { seat, receive, .. } => {
                e.seats.push(seat);
                e.fresh += usize::from(receive.is_some());
                e.receive = receive.or(e.receive.take());
            }
            ClientEvent::Roster { musicians, .. } => e.roster = musicians,
            ClientEvent::Mix(_) => {}
            ClientEvent::Left { name, .. } => e.left.push(name),
            ClientEvent::Refused(refused) => e.refusals.push(refused),
            ClientEvent::GoingDown => e.going_down += 1,
            ClientEvent::OverRate(_) | ClientEvent::Unheard(_) => {}
            ClientEvent::MediaLost => e.lost += 1,
        }
    }

    fn wire_of(&self, client: usize, dial: DialId) -> Option<ConnectionId> {
        self.wires.iter().find(|(_, w)| w.client == client && w.dial == dial).map(|(id, _)| *id)
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.as_mut().and_then(|s| s.rooms.poll_output()) {
            self.carry_out(output);
        }
        let ids: Vec<SessionId> = self.server.iter().flat_map(|s| s.seated.keys().copied()).collect();
        let mut out = Vec::new();
        for id in ids {
            while let Some(to) = self.poll_peer(id, &mut out) {
                self.send_down(to, out.clone());
            }
        }
    }

    fn poll_peer(&mut self, id: SessionId, out: &mut Vec<u8>) -> Option<SocketAddr> {
        self.server.as_mut()?.seated.get_mut(&id)?.peer.poll_transmit(self.now, out)
    }

    fn carry_out(&mut self, output: RoomsOutput) {
        let Some(server) = &mut self.server else { return };
        match output {
            RoomsOutput::Send(wire, message) => self.say(wire, false, Some(control::write(&message))),
            RoomsOutput::Close(wire) => self.say(wire, false, None),
            RoomsOutput::LookUp(wire, _) => {
                let origin = Origin { address: [203, 0, 113, 1].into(), exempt: false };
                let record = match (self.store.works, self.store.exists) {
                    (false, _) => RoomRecord::Unavailable,
                    (true, false) => RoomRecord::Unknown,
                    _ => RoomRecord::Found {
                        secrets: self.store.secrets.clone(),
                        slots: self.store.slots.clone(),
                        mix: DownstreamMode::Forwarded,
                        bans: Vec::new(),
                        limit: None,
                    },
                };
                server.rooms.handle_room(self.now, wire, origin, record, self.now.0, &mut self.rng);
            }
            RoomsOutput::Open(what) => {
                let up = what.keys.uplink(what.session, what.features, self.crypto);
                let down = what.keys.downlink(what.session, what.features, self.crypto);
                let mut peer =
                    ServerSession::new(self.now, up.receive(), down.send_lane(Lane::session(0)), server.epoch);
                peer.inherit_path(what.replaces.and_then(|former| server.seated.get(&former)?.peer.path()));
                let forward = down.send_lane(Lane::forwarding(0));
                server.seated.insert(what.session, Seated { peer, what, forward });
            }
            RoomsOutput::End(session) => drop(server.seated.remove(&session)),
            // This server only forwards.
            RoomsOutput::Mix(_) | RoomsOutput::Pin(..) => {}
            RoomsOutput::RememberSlot(_, slot) => {
                self.store.slots.retain(|s| s.slot != slot.slot);
                self.store.slots.push(slot);
            }
        }
    }

    // Media.

    fn server_receives(&mut self, from: SocketAddr, mut datagram: Vec<u8>) {
        let Some(server) = &mut self.server else { return };
        let Some(id) = DatagramHeader::read(&datagram).map(|h| h.session) else { return };
        let Some(seated) = server.seated.get_mut(&id) else { return };
        let mut challenge = [0; 8];
        self.rng.fill(&mut challenge);
        let heard = match seated.peer.handle_datagram(self.now, from, &mut datagram, || challenge) {
            Ok(heard) => heard,
            Err(why) => return self.rejected.push(why),
        };
        let mut frames = Vec::new();
        if seated.what.sends {
            seated.peer.forwardable_frames(heard.plain, seated.what.source, &mut frames);
        }
        if heard.goodbye {
            server.rooms.handle_session_over(self.now, id);
        }
        let mut sent = Vec::new();
        let source = seated.what.source;
        for to in server.seated.values_mut().filter(|to| to.what.source != source) {
            if let (Some(path), false) = (to.peer.path(), frames.is_empty()) {
                let mut out = Vec::new();
                to.forward.seal(DatagramClass::Media, &mut out, |out| out.extend_from_slice(&frames));
                sent.push((path, out));
            }
        }
        sent.into_iter().for_each(|(to, out)| self.send_down(to, out));
        self.drain_server();
    }

    fn send_up(&mut self, client: usize, datagram: Vec<u8>) {
        self.note_nonce(true, &datagram);
        let from = self.clients[client].address;
        for delay in self.clients[client].link.carry(&mut self.rng, datagram.len(), true) {
            self.at(self.now + delay, Happening::ToServer(from, datagram.clone()));
        }
        self.tap.push((client, datagram));
    }

    fn send_down(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.note_nonce(false, &datagram);
        *self.sent_to.entry(to).or_default() += datagram.len();
        let Some(client) = self.clients.iter().position(|e| e.address == to) else { return };
        for delay in self.clients[client].link.carry(&mut self.rng, datagram.len(), false) {
            self.at(self.now + delay, Happening::ToClient(client, to, datagram.clone()));
        }
    }

    fn note_nonce(&mut self, up: bool, datagram: &[u8]) {
        assert!(datagram.len() <= 1200, "{} bytes", datagram.len());
        let h = DatagramHeader::read(datagram).expect("a header");
        assert!(self.nonces.insert((up, h.session, h.lane, h.counter)), "nonce used twice: {h:?}");
        self.keys.insert((up, h.lane, h.key.0));
    }
}
