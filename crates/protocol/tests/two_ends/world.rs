//! Ends, a server and the network between them, in virtual time.

use super::end::{End, PACKET_EVERY};
use crate::common::{XorShift, secrets, server_config};
use core::net::SocketAddr;
use rtjam_protocol::client::{Config, DialId, Event};
use rtjam_protocol::control::{self, ClientMessage, MixChoice, SeatRole, ServerMessage};
use rtjam_protocol::datagram::{Class, Header};
use rtjam_protocol::peer::Peer;
use rtjam_protocol::room::{
    ConnectionId, Entropy, NewSession, Origin, Output, RoomRecord, Rooms, Secrets, SlotRecord, Target,
};
use rtjam_protocol::seal::{Counter, Crypto, Lane, Rejected, SendLane, ring::CRYPTO};
use rtjam_protocol::{Micros, SessionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a server keeps in its data folder.
pub(crate) struct Store {
    pub(crate) exists: bool,
    pub(crate) works: bool,
    pub(crate) secrets: Secrets,
    pub(crate) slots: Vec<SlotRecord>,
}

/// A running server.
pub(crate) struct Server {
    rooms: Rooms,
    seated: BTreeMap<SessionId, Seated>,
    epoch: u32,
}

struct Seated {
    peer: Peer,
    what: NewSession,
    forward: SendLane,
}

pub(crate) struct World {
    pub(crate) now: Micros,
    pub(crate) rng: XorShift,
    pub(crate) ends: Vec<End>,
    pub(crate) store: Store,
    server: Option<Server>,
    max_musicians: u16,
    /// Of the server; ends bring their own.
    pub(crate) crypto: Crypto,
    /// Bytes that the server sent to an address.
    pub(crate) sent_to: BTreeMap<SocketAddr, usize>,
    /// What went up, of each end: for replays.
    pub(crate) tap: Vec<(usize, Vec<u8>)>,
    /// Changes what ends say on control.
    pub(crate) tamper: Option<fn(String) -> String>,
    wires: BTreeMap<ConnectionId, Wire>,
    next_wire: u64,
    queue: BTreeMap<(Micros, u64), Happening>,
    happened: u64,
    nonces: BTreeSet<(bool, SessionId, Lane, Counter)>,
    /// Why the server did not open datagrams.
    pub(crate) rejected: Vec<Rejected>,
    keys: BTreeSet<(bool, Lane, u8)>,
    worn_told: BTreeSet<SessionId>,
}

/// A control connection: in order, without loss, as long as it lives.
struct Wire {
    end: usize,
    dial: DialId,
    up: VecDeque<Option<String>>,
    down: VecDeque<Option<String>>,
}

enum Happening {
    ToServer(SocketAddr, Vec<u8>),
    ToEnd(usize, SocketAddr, Vec<u8>),
    /// The n-th try to reach the server.
    Syn(ConnectionId, u32),
    Open(ConnectionId),
    /// The next text of a wire arrives: up or down.
    Pump(ConnectionId, bool),
    Audio(usize),
}

const TCP_TRIES_AGAIN: Micros = Micros::from_millis(300);

impl World {
    pub(crate) fn new(seed: u64, max_musicians: u16) -> World {
        let mut world = World {
            now: Micros::from_secs(1000),
            rng: XorShift::new(seed),
            ends: Vec::new(),
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

    /// A musician's end starts; returns its number.
    pub(crate) fn add(&mut self, identity: u8, role: SeatRole, change: impl FnOnce(&mut Config)) -> usize {
        let end = self.ends.len();
        self.ends.push(End::new(self.now, end as u8 + 1, identity, role, change));
        self.at(self.now + PACKET_EVERY, Happening::Audio(end));
        self.drain_end(end);
        end
    }

    pub(crate) fn musician(&mut self, identity: u8) -> usize {
        self.add(identity, SeatRole::Musician, |_| {})
    }

    pub(crate) fn start_server(&mut self) {
        let rooms = Rooms::new(server_config(self.max_musicians));
        self.server = Some(Server { rooms, seated: BTreeMap::new(), epoch: self.rng.next() as u32 });
    }

    /// As `kill -9` does it: connections break, nothing is said.
    pub(crate) fn kill_server(&mut self) {
        self.server = None;
        let wires: Vec<ConnectionId> = self.wires.keys().copied().collect();
        wires.into_iter().for_each(|w| self.say(w, false, None));
    }

    /// On purpose: everyone is told on both channels.
    pub(crate) fn stop_server(&mut self) {
        if let Some(server) = &mut self.server {
            server.rooms.handle_going_down();
            server.seated.values_mut().for_each(|s| s.peer.end());
        }
        self.drain_server();
        self.server = None;
    }

    /// The server ends one session's media, and forgets it.
    pub(crate) fn say_goodbye_to(&mut self, end: usize) {
        let address = self.ends[end].address;
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

    /// A moderator ends the session of whoever is shown by that name.
    pub(crate) fn kick(&mut self, name: &str) {
        let Some(server) = &mut self.server else { return };
        let kicked = server.rooms.handle_kick(self.now, &crate::common::lobby(), &Target::from(name));
        assert_eq!(kicked.len(), 1, "{kicked:?}");
        self.drain_server();
    }

    /// The end's control connections break.
    pub(crate) fn break_control(&mut self, end: usize) {
        let wires: Vec<ConnectionId> = self.wires.iter().filter(|(_, w)| w.end == end).map(|(id, _)| *id).collect();
        for wire in wires {
            self.say(wire, false, None);
            self.say(wire, true, None);
        }
    }

    /// Where the server sends an end's media, of all sessions.
    pub(crate) fn paths(&self) -> BTreeSet<SocketAddr> {
        let seated = self.server.iter().flat_map(|s| s.seated.values());
        seated.filter_map(|s| s.peer.path()).collect()
    }

    /// How many keys a lane has used, in any session; at most 256.
    pub(crate) fn keys_used(&self, up: bool, lane: Lane) -> usize {
        self.keys.iter().filter(|(u, l, _)| (*u, *l) == (up, lane)).count()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.server.as_ref().map_or(0, |s| s.seated.len())
    }

    /// A datagram from anywhere arrives at the server.
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
        let ends = self.ends.iter().filter_map(|e| e.session.poll_timeout()).min();
        let peers = self.server.iter().flat_map(|s| s.seated.values()).map(|s| s.peer.poll_timeout()).min();
        let rooms = self.server.as_ref().and_then(|s| s.rooms.poll_timeout());
        [queue, ends, peers, rooms].into_iter().flatten().min()
    }

    fn timeouts(&mut self) {
        for end in 0..self.ends.len() {
            let session = &mut self.ends[end].session;
            if session.poll_timeout().is_some_and(|at| at <= self.now) {
                session.handle_timeout(self.now);
                self.drain_end(end);
            }
        }
        let Some(server) = &mut self.server else { return };
        let worn: Vec<SessionId> =
            server.seated.iter().filter(|(_, s)| s.peer.is_worn(self.now)).map(|(id, _)| *id).collect();
        for id in worn.into_iter().filter(|id| self.worn_told.insert(*id)) {
            server.rooms.handle_worn(id);
        }
        let taken_over = server.seated.values().filter(|s| s.peer.has_taken_over(self.now));
        let mut gone: Vec<SessionId> = taken_over.filter_map(|s| s.what.replaces).collect();
        gone.retain(|former| server.seated.contains_key(former));
        let over = |peer: &Peer| peer.is_gone(self.now) || peer.is_exhausted();
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
            Happening::ToEnd(end, to, datagram) => {
                // An address that the end no longer has gets nothing.
                if self.ends[end].address == to {
                    self.ends[end].receive(self.now, datagram);
                    self.drain_end(end);
                }
            }
            Happening::Syn(wire, n) => self.reach(wire, n),
            Happening::Open(wire) => self.open(wire),
            Happening::Pump(wire, up) => self.pump(wire, up),
            Happening::Audio(end) => {
                if let Some(datagram) = self.ends[end].play(self.now) {
                    self.send_up(end, datagram);
                }
                self.drain_end(end);
                self.at(self.now + PACKET_EVERY, Happening::Audio(end));
            }
        }
    }

    // Control.

    fn reach(&mut self, wire: ConnectionId, n: u32) {
        let Some(end) = self.wires.get(&wire).map(|w| w.end) else { return };
        let link = &self.ends[end].link;
        let round_trip = Micros(2 * link.delay.0);
        if !link.control {
            self.at(self.now + Micros::from_secs(1 << n.min(6)), Happening::Syn(wire, n + 1));
        } else if self.server.is_some() {
            // TCP, TLS and the upgrade to WebSocket.
            self.at(self.now + Micros(3 * round_trip.0), Happening::Open(wire));
        } else {
            self.say(wire, false, None);
        }
    }

    fn open(&mut self, wire: ConnectionId) {
        let Some(w) = self.wires.get(&wire) else { return };
        let (end, dial) = (w.end, w.dial);
        if !self.ends[end].link.control {
            return self.at(self.now + TCP_TRIES_AGAIN, Happening::Open(wire));
        }
        let mut nonce = [0; 32];
        self.rng.fill(&mut nonce);
        let Some(server) = &mut self.server else { return self.say(wire, false, None) };
        server.rooms.handle_connected(wire, nonce);
        self.ends[end].session.handle_control_open(dial, crate::common::PIN);
        self.drain_end(end);
        self.drain_server();
    }

    /// A text, or the end of the connection, sets out.
    fn say(&mut self, wire: ConnectionId, up: bool, text: Option<String>) {
        let Some(w) = self.wires.get_mut(&wire) else { return };
        let delay = self.ends[w.end].link.delay;
        if up {
            w.up.push_back(text)
        } else {
            w.down.push_back(text)
        }
        self.at(self.now + delay, Happening::Pump(wire, up));
    }

    fn pump(&mut self, wire: ConnectionId, up: bool) {
        let Some(w) = self.wires.get_mut(&wire) else { return };
        let (end, dial) = (w.end, w.dial);
        if !self.ends[end].link.control {
            return self.at(self.now + TCP_TRIES_AGAIN, Happening::Pump(wire, up));
        }
        let Some(text) = (if up { w.up.pop_front() } else { w.down.pop_front() }) else { return };
        if up {
            let Some(server) = &mut self.server else { return };
            match text.map(|t| control::read::<ClientMessage>(&t)) {
                Some(Ok(message)) => server.rooms.handle_message(self.now, wire, message),
                Some(Err(_)) => server.rooms.handle_bad_message(wire),
                None => server.rooms.handle_disconnected(wire),
            }
            self.drain_server();
        } else {
            let session = &mut self.ends[end].session;
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
            self.drain_end(end);
        }
    }

    // Driving.

    pub(crate) fn drain_end(&mut self, end: usize) {
        while let Some(event) = self.ends[end].session.poll_event() {
            self.take_event(end, event);
        }
        while let Some((dial, message)) = self.ends[end].session.poll_control() {
            let text = control::write(&message);
            let text = self.tamper.map_or(text.clone(), |tamper| tamper(text));
            if let Some(wire) = self.wire_of(end, dial) {
                self.say(wire, true, Some(text));
            }
        }
        let mut out = Vec::new();
        while self.ends[end].session.poll_transmit(self.now, &mut out).is_some() {
            self.send_up(end, out.clone());
        }
    }

    fn take_event(&mut self, end: usize, event: Event) {
        let e = &mut self.ends[end];
        match event {
            Event::Dial(dial) => {
                let wire = ConnectionId(self.next_wire);
                self.next_wire += 1;
                self.wires.insert(wire, Wire { end, dial, up: VecDeque::new(), down: VecDeque::new() });
                self.at(self.now, Happening::Syn(wire, 0));
            }
            Event::HangUp(dial) => {
                if let Some(wire) = self.wire_of(end, dial) {
                    self.wires.remove(&wire);
                    // The server learns of it while it can; what was on the way is lost.
                    if let Some(server) = self.server.as_mut().filter(|_| self.ends[end].link.control) {
                        server.rooms.handle_disconnected(wire);
                    }
                }
            }
            Event::Joined { seat, receive, .. } => {
                e.seats.push(seat);
                e.fresh += usize::from(receive.is_some());
                e.receive = receive.or(e.receive.take());
            }
            Event::Roster { musicians, .. } => e.roster = musicians,
            Event::Mix(_) => {}
            Event::Left { name, .. } => e.left.push(name),
            Event::Refused(refused) => e.refusals.push(refused),
            Event::GoingDown => e.going_down += 1,
            Event::OverRate(_) | Event::Unheard(_) => {}
            Event::MediaLost => e.lost += 1,
        }
    }

    fn wire_of(&self, end: usize, dial: DialId) -> Option<ConnectionId> {
        self.wires.iter().find(|(_, w)| w.end == end && w.dial == dial).map(|(id, _)| *id)
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

    fn carry_out(&mut self, output: Output) {
        let Some(server) = &mut self.server else { return };
        match output {
            Output::Send(wire, message) => self.say(wire, false, Some(control::write(&message))),
            Output::Close(wire) => self.say(wire, false, None),
            Output::LookUp(wire, _) => {
                let origin = Origin { address: [203, 0, 113, 1].into(), exempt: false };
                let record = match (self.store.works, self.store.exists) {
                    (false, _) => RoomRecord::Unavailable,
                    (true, false) => RoomRecord::Unknown,
                    _ => RoomRecord::Found {
                        secrets: self.store.secrets.clone(),
                        slots: self.store.slots.clone(),
                        mix: MixChoice::Separate,
                        bans: Vec::new(),
                    },
                };
                server.rooms.handle_room(self.now, wire, origin, record, self.now.0, &mut self.rng);
            }
            Output::Open(what) => {
                let up = what.keys.uplink(what.session, what.features, self.crypto);
                let down = what.keys.downlink(what.session, what.features, self.crypto);
                let mut peer = Peer::new(self.now, up.receive(), down.send_lane(Lane(0)), server.epoch);
                peer.take_path(what.replaces.and_then(|former| server.seated.get(&former)?.peer.path()));
                let forward = down.send_lane(Lane(1));
                server.seated.insert(what.session, Seated { peer, what, forward });
            }
            Output::End(session) => drop(server.seated.remove(&session)),
            // Sound goes separately here.
            Output::Mix(_) | Output::Pin(..) => {}
            Output::RememberSlot(_, slot) => {
                self.store.slots.retain(|s| s.slot != slot.slot);
                self.store.slots.push(slot);
            }
        }
    }

    // Media.

    fn server_receives(&mut self, from: SocketAddr, mut datagram: Vec<u8>) {
        let Some(server) = &mut self.server else { return };
        let Some(id) = Header::read(&datagram).map(|h| h.session) else { return };
        let Some(seated) = server.seated.get_mut(&id) else { return };
        let mut challenge = [0; 8];
        self.rng.fill(&mut challenge);
        let heard = match seated.peer.handle_datagram(self.now, from, &mut datagram, || challenge) {
            Ok(heard) => heard,
            Err(why) => return self.rejected.push(why),
        };
        let mut frames = Vec::new();
        if seated.what.sends {
            seated.peer.forwardable(heard.plain, seated.what.source, &mut frames);
        }
        if heard.goodbye {
            server.rooms.handle_session_over(self.now, id);
        }
        let mut sent = Vec::new();
        let source = seated.what.source;
        for to in server.seated.values_mut().filter(|to| to.what.source != source) {
            if let (Some(path), false) = (to.peer.path(), frames.is_empty()) {
                let mut out = Vec::new();
                to.forward.seal(Class::Media, &mut out, |out| out.extend_from_slice(&frames));
                sent.push((path, out));
            }
        }
        sent.into_iter().for_each(|(to, out)| self.send_down(to, out));
        self.drain_server();
    }

    fn send_up(&mut self, end: usize, datagram: Vec<u8>) {
        self.note_nonce(true, &datagram);
        let from = self.ends[end].address;
        for delay in self.ends[end].link.carry(&mut self.rng, datagram.len(), true) {
            self.at(self.now + delay, Happening::ToServer(from, datagram.clone()));
        }
        self.tap.push((end, datagram));
    }

    fn send_down(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.note_nonce(false, &datagram);
        *self.sent_to.entry(to).or_default() += datagram.len();
        let Some(end) = self.ends.iter().position(|e| e.address == to) else { return };
        for delay in self.ends[end].link.carry(&mut self.rng, datagram.len(), false) {
            self.at(self.now + delay, Happening::ToEnd(end, to, datagram.clone()));
        }
    }

    fn note_nonce(&mut self, up: bool, datagram: &[u8]) {
        assert!(datagram.len() <= 1200, "{} bytes", datagram.len());
        let h = Header::read(datagram).expect("a header");
        assert!(self.nonces.insert((up, h.session, h.lane, h.counter)), "nonce used twice: {h:?}");
        self.keys.insert((up, h.lane, h.key.0));
    }
}
