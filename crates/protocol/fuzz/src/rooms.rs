//! A server's rooms and media sessions with scripted musicians.

use super::script::{Script, TALLY};
use core::net::SocketAddr;
use rtjam_protocol::Micros;
use rtjam_protocol::control::{
    ClientMessage, DownstreamMode, Features, Hello, Joined, MixBalance, MixRequest, Refusal, Refused, ResumeToken,
    SeatRequest, SeatRole, ServerMessage,
};
use rtjam_protocol::datagram::{DatagramClass, Frame, write_frame};
use rtjam_protocol::link::{Pin, Secret};
use rtjam_protocol::seal::{Lane, ReceiveKey, SendLane, Suite};
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::server::rooms::{
    Ban, Caps, ConnectionId, Entropy, MemberSelector, NewSession, Origin, RoleSecret, RoomRecord, RoomSecrets, Rooms,
    RoomsConfig, RoomsOutput, SlotRecord,
};
use rtjam_protocol::{MusicianId, RoomName, SessionId, SourceId};
use std::collections::{BTreeMap, BTreeSet};

const MUSICIANS: u16 = 3;

/// Drives a server. Checks that slots are unique, rosters correct, closed connections get nothing, each input has few
/// outputs, and an address gets no more bytes than it caused.
pub fn room(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut server = Server::new();
    while !script.is_over() {
        server.step(&mut script);
        server.drain();
        server.check();
    }
}

struct Server {
    rooms: Rooms,
    now: Micros,
    entropy: Counting,
    next: u64,
    /// Open connections with their session and last roster.
    connections: BTreeMap<ConnectionId, Known>,
    look_ups: Vec<ConnectionId>,
    live: BTreeMap<SessionId, Live>,
    tokens: Vec<ResumeToken>,
    slots: Vec<(RoomName, SlotRecord)>,
    /// Number of times that the secrets were renewed.
    generation: u32,
}

#[derive(Default)]
struct Known {
    session: Option<SessionId>,
    roster: Option<BTreeMap<SourceId, (MusicianId, u8)>>,
}

struct Live {
    what: NewSession,
    peer: ServerSession,
    up: SendLane,
    down: ReceiveKey,
    /// Datagrams sent, for replays.
    sent: Vec<Vec<u8>>,
    /// By address: bytes that opened, and bytes sent there.
    traffic: BTreeMap<SocketAddr, (usize, usize)>,
    proven: BTreeSet<SocketAddr>,
    challenge: Option<(SocketAddr, [u8; 8])>,
}

struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.iter_mut().zip(self.0.to_be_bytes().into_iter().rev().cycle()).for_each(|(o, b)| *o = b);
    }
}

fn name(n: usize) -> RoomName {
    RoomName::new(["lobby", "cellar"][n % 2]).expect("a name")
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8 % 4], 1))
}

impl Server {
    fn new() -> Server {
        let rooms = Rooms::new(RoomsConfig {
            pins: Vec::from([Pin([1; 16])]),
            suites: Vec::from([Suite::Aes128Gcm]),
            media: Vec::new(),
            media_threads: 2,
            max_musicians: MUSICIANS,
            max_listeners: MUSICIANS,
            caps: Caps { per_identity: 2, per_address: Some(2), new_identities: 2 },
            verify: |_, _, signature| signature[0] != 0,
        });
        Server {
            rooms,
            now: Micros::from_secs(1),
            entropy: Counting(0),
            next: 0,
            connections: BTreeMap::new(),
            look_ups: Vec::new(),
            live: BTreeMap::new(),
            tokens: Vec::new(),
            slots: Vec::new(),
            generation: 1,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let connection = ConnectionId(self.next.saturating_sub(script.below(6) as u64));
        match script.below(16) {
            0 | 1 => {
                self.next += 1;
                self.connections.insert(ConnectionId(self.next), Known::default());
                self.rooms.handle_connected(ConnectionId(self.next), [0; 32]);
            }
            2 | 3 => self.says(connection, hello(script)),
            4 | 5 => {
                let seat = self.seat(script);
                self.says(connection, ClientMessage::Seat(seat));
            }
            6..=8 => self.answer(script),
            9 => {
                self.connections.remove(&connection);
                self.rooms.handle_disconnected(connection);
            }
            10 => match script.below(8) {
                0 => self.says(connection, ClientMessage::Bye),
                1 => self.says(connection, ClientMessage::Unknown),
                2 if script.flag() => self.rooms.handle_refused(connection, Refusal::BadMessage),
                2 => {
                    let slot = MemberSelector::Slot(SourceId(script.below(5) as u16));
                    let kicked = self.rooms.handle_kick(self.now, &name(script.below(2)), &slot);
                    assert!(kicked.len() <= 1, "two in one slot");
                }
                3 | 4 => {
                    let source = SourceId(u16::from(script.byte()));
                    let balance =
                        MixBalance { source, gains: [u32::MAX, 0], pans: [None, Some(i16::MIN)], layout: None };
                    let mode = script.flag().then_some(DownstreamMode::Mixed);
                    let balances = [balance].repeat(usize::from(script.byte()));
                    self.says(connection, ClientMessage::Mix(MixRequest { mode, balances, ..MixRequest::default() }));
                }
                5 => {
                    let session = self.any_session(script).unwrap_or(SessionId(1));
                    self.rooms.handle_mix_waits(session, Micros(script.span()));
                }
                _ => self.says(connection, ClientMessage::Ping { id: 1 }),
            },
            11 => {
                let session = self.any_session(script).unwrap_or(SessionId(1));
                self.rooms.handle_session_over(self.now, session);
            }
            12 => self.pass(Micros(script.span())),
            13 | 14 => self.media(script),
            _ if script.byte() < 4 => {
                self.rooms.handle_going_down();
                self.live.values_mut().for_each(|l| l.peer.end());
            }
            _ => {}
        }
    }

    fn says(&mut self, connection: ConnectionId, message: ClientMessage) {
        self.rooms.handle_message(self.now, connection, message);
    }

    fn seat(&self, script: &mut Script<'_>) -> SeatRequest {
        let secret = [Some(2), Some(2), Some(1), Some(3), Some(9), None][script.below(6)];
        SeatRequest {
            room: name(script.below(2)),
            role: [SeatRole::Musician, SeatRole::Musician, SeatRole::Listener, SeatRole::None][script.below(4)],
            secret: secret.map(|s| Secret([s; 16])),
            instance: script.flag().then(|| script.byte()),
            resume: self.any_token(script),
            replaces: self.any_token(script),
            mix: script.flag().then_some(DownstreamMode::Mixed),
        }
    }

    fn any_token(&self, script: &mut Script<'_>) -> Option<ResumeToken> {
        let n = script.below(8);
        self.tokens.len().checked_sub(n).and_then(|at| self.tokens.get(at)).cloned()
    }

    fn any_session(&self, script: &mut Script<'_>) -> Option<SessionId> {
        self.live.keys().nth(script.below(self.live.len().max(1))).copied()
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.look_ups.pop() else { return };
        self.generation += u32::from(script.byte() < 8);
        let generation = self.generation;
        let secret = |n| RoleSecret { secret: Secret([n; 16]), generation, valid_from: generation };
        let secrets = RoomSecrets { listener: secret(1), musician: secret(2), moderator: secret(3) };
        // Records of both rooms, mixed.
        let slots = self.slots.iter().map(|(_, s)| *s).collect();
        let mix = [DownstreamMode::Forwarded, DownstreamMode::Mixed][script.below(2)];
        let ban = Ban { name: String::new(), musician: Some(MusicianId([2; 32])), address: None };
        let bans = if script.byte() < 32 { Vec::from([ban]) } else { Vec::new() };
        let record = match script.below(8) {
            0 => RoomRecord::Unknown,
            1 => RoomRecord::Unavailable,
            n => {
                let limit = (n == 2).then(|| Refused::after(Refusal::ServerFull, 60));
                RoomRecord::Found { secrets, slots, mix, bans, limit }
            }
        };
        let origin = Origin { address: address(script.below(4)).ip(), exempt: script.flag() };
        self.rooms.handle_room(self.now, connection, origin, record, self.now.0, &mut self.entropy);
    }

    fn pass(&mut self, span: Micros) {
        self.now += span;
        let now = self.now;
        self.rooms.handle_timeout(now);
        assert!(self.rooms.poll_timeout().is_none_or(|due| due > now), "a timeout that does not advance");
        self.drain();
        let gone: Vec<SessionId> = self.live.iter().filter(|(_, l)| l.peer.is_gone(now)).map(|(id, _)| *id).collect();
        for session in gone {
            self.rooms.handle_session_over(self.now, session);
            self.drain();
        }
        for live in self.live.values_mut() {
            live.drain(now);
            assert!(live.peer.poll_timeout() > now, "a timeout that does not advance");
        }
    }

    fn media(&mut self, script: &mut Script<'_>) {
        let (now, challenge) = (self.now, self.entropy.0.to_be_bytes());
        self.entropy.0 += 1;
        let Some(id) = self.any_session(script) else { return };
        let Some(live) = self.live.get_mut(&id) else { return };
        if live.receive(now, challenge, script) {
            self.rooms.handle_session_over(self.now, id);
        }
    }

    fn drain(&mut self) {
        let most = 16 + 8 * self.connections.len();
        let mut outputs = 0;
        while let Some(output) = self.rooms.poll_output() {
            outputs += 1;
            assert!(outputs <= most, "more than {most} outputs");
            match output {
                RoomsOutput::Send(to, message) => self.sent(to, message),
                RoomsOutput::Close(connection) => drop(self.connections.remove(&connection)),
                RoomsOutput::LookUp(connection, _) => self.look_ups.push(connection),
                RoomsOutput::Open(what) => {
                    let live = Live::new(self.now, what);
                    assert!(self.live.insert(live.what.session, live).is_none(), "a session's number twice");
                }
                RoomsOutput::End(session) => {
                    assert!(self.live.remove(&session).is_some(), "the end of what never began")
                }
                RoomsOutput::Mix(change) => {
                    let what = &self.live.get(&change.session).expect("a session that lives").what;
                    assert!(what.sends || change.mode == DownstreamMode::Mixed, "a listener without a mix");
                    let heard = |s| self.live.values().any(|l| l.what.room == what.room && l.what.source == s);
                    assert!(change.balances.iter().all(|b| heard(b.source)), "a gain for an absent musician");
                }
                RoomsOutput::Pin(session, sources) => {
                    assert!(
                        self.live.contains_key(&session) && sources.len() <= 32,
                        "pins of an unknown session, or too many"
                    );
                }
                RoomsOutput::RememberSlot(room, slot) => {
                    self.slots.retain(|(r, s)| (r, s.slot) != (&room, slot.slot));
                    self.slots.push((room, slot));
                }
            }
        }
    }

    fn sent(&mut self, to: ConnectionId, message: ServerMessage) {
        let known = self.connections.get_mut(&to).unwrap_or_else(|| panic!("{message:?} to a closed connection"));
        match message {
            ServerMessage::Joined(Joined { session, source, resume, resumed, .. }) => {
                known.session = Some(session);
                let live = self.live.get(&session).expect("a session that was opened");
                assert_eq!(live.what.source, source);
                assert_eq!(self.tokens.contains(&resume), resumed, "a token for two sessions");
                if !resumed {
                    self.tokens.push(resume);
                }
            }
            ServerMessage::Roster { musicians, .. } => {
                known.roster = Some(musicians.iter().map(|m| (m.source, (m.musician, m.instance))).collect());
                let named: BTreeSet<_> = musicians.iter().map(|m| (m.musician, m.instance)).collect();
                assert_eq!(named.len(), musicians.len(), "two of one instance");
            }
            ServerMessage::RosterChanges { left, musicians, .. } => {
                let roster = known.roster.as_mut().expect("a roster before its changes");
                roster.retain(|source, _| !left.contains(source));
                roster.extend(musicians.iter().map(|m| (m.source, (m.musician, m.instance))));
            }
            _ => {}
        }
    }

    fn check(&self) {
        assert_eq!(self.rooms.seated(), self.live.len());
        let seats: BTreeSet<_> = self.live.values().map(|l| (&l.what.room, l.what.source)).collect();
        assert_eq!(seats.len(), self.live.len(), "two in one seat");
        for what in self.live.values().map(|l| &l.what) {
            let first = if what.sends { 1 } else { MUSICIANS + 1 };
            assert!((first..first + MUSICIANS).contains(&what.source.0), "{what:?}");
        }
        // Rosters are announced with a delay.
        for known in self.connections.values().filter(|_| self.rooms.poll_timeout().is_none()) {
            let Some(what) = known.session.and_then(|s| self.live.get(&s)).map(|l| &l.what) else { continue };
            let there = self.live.values().map(|l| &l.what).filter(|w| w.sends && w.room == what.room);
            let musicians: BTreeMap<SourceId, MusicianId> = there.map(|w| (w.source, w.musician)).collect();
            let told = known.roster.iter().flatten().map(|(source, (musician, _))| (*source, *musician));
            assert_eq!(told.collect::<BTreeMap<_, _>>(), musicians, "a roster that is not so");
        }
    }
}

fn hello(script: &mut Script<'_>) -> ClientMessage {
    let len = script.below(9);
    ClientMessage::Hello(Hello {
        version: u16::from(script.byte() != 1),
        musician: MusicianId([script.byte() % 3; 32]),
        signature: [script.byte(); 64],
        name: String::from_utf8_lossy(script.take(len)).into_owned(),
        suites: Vec::from([Suite::ChaCha20Poly1305, Suite::Aes128Gcm]),
        features: Features::SUPPORTED,
    })
}

impl Live {
    fn new(now: Micros, what: NewSession) -> Live {
        let up = what.keys.uplink(what.session, what.features, TALLY);
        let down = what.keys.downlink(what.session, what.features, TALLY);
        let peer = ServerSession::new(now, up.receive(), down.send_lane(Lane::session(0)), 1);
        let (up, down) = (up.send_lane(Lane::UPLINK[0]), down.receive());
        Live {
            what,
            peer,
            up,
            down,
            sent: Vec::new(),
            traffic: BTreeMap::new(),
            proven: BTreeSet::new(),
            challenge: None,
        }
    }

    /// The musician or an attacker sends a datagram. Returns true for a goodbye.
    fn receive(&mut self, now: Micros, challenge: [u8; 8], script: &mut Script<'_>) -> bool {
        let mut from = address(script.below(4));
        let len = script.below(64);
        let mut datagram = match script.below(8) {
            0 => script.take(len).to_vec(),
            1 => self.sent.get(script.below(self.sent.len().max(1))).cloned().unwrap_or_default(),
            2 | 3 => {
                let answer = self.challenge.take();
                from = answer.map_or(from, |(to, _)| to);
                self.seal(&|out| write_frame(&Frame::PathResponse(answer.map_or([0; 8], |(_, data)| data)), out))
            }
            _ => {
                let frames = script.take(len);
                self.seal(&|out| out.extend_from_slice(frames))
            }
        };
        if script.byte() < 32 {
            let at = script.below(datagram.len().max(1));
            datagram.iter_mut().skip(at).take(1).for_each(|b| *b ^= script.byte());
        }
        let size = datagram.len();
        let path = self.peer.path();
        let heard = self.peer.handle_datagram(now, from, &mut datagram, || challenge);
        let (opened, goodbye) = heard.map_or((false, false), |h| {
            self.proven.extend(h.moved_to);
            (true, h.goodbye)
        });
        if opened {
            self.traffic.entry(from).or_default().0 += size;
        } else {
            assert_eq!(self.peer.path(), path, "moved by what did not open");
        }
        self.drain(now);
        goodbye
    }

    fn seal(&mut self, write: &dyn Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        self.up.seal(DatagramClass::Session, &mut out, |out| write(out));
        self.sent.push(out.clone());
        out
    }

    fn drain(&mut self, now: Micros) {
        let mut out = Vec::new();
        let mut datagrams = 0;
        while let Some(to) = self.peer.poll_transmit(now, &mut out) {
            datagrams += 1;
            assert!(datagrams <= 4, "too many answers");
            let (caused, sent) = self.traffic.entry(to).or_default();
            *sent += out.len();
            assert!(self.proven.contains(&to) || *sent <= *caused, "{sent} bytes for {caused} to an unproven address");
            let opened = self.down.open(now, &mut out).unwrap_or_else(|why| panic!("{why:?}"));
            for frame in opened.frames() {
                match frame {
                    Frame::PathChallenge(data) => self.challenge = Some((to, data)),
                    _ => assert_eq!(self.peer.path(), Some(to), "{frame:?} off the path"),
                }
            }
        }
    }
}
