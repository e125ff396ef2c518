//! The server's rooms.

mod common;

use common::{Identity, XorShift, hello, seat, secrets, server_config};
use rtjam_protocol::client::Signer;
use rtjam_protocol::control::{
    ClientMessage, DownstreamMode, Hello, Joined, MemberAccess, MixBalance, MixRequest, MixState, Outdated, Refusal,
    Refused, Release, RosterEntry, ServerMessage, StallReport,
};
use rtjam_protocol::legacy::LegacyClientId;
use rtjam_protocol::link::Secret;
use rtjam_protocol::seal::Suite;
use rtjam_protocol::server::rooms::{
    self, AddressKey, Ban, COALESCE, Caps, Census, ConnectionId, DownstreamChange, GatewayMusician, MAX_LISTENERS,
    MemberSelector, Origin, RoleSecret, RoomRecord, RoomSecrets, Rooms, RoomsOutput, SlotRecord,
};
use rtjam_protocol::{Micros, RoomName, SessionId, SourceId};
use std::net::{IpAddr, Ipv4Addr};

const ORIGIN: Origin = Origin { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), exempt: false };

/// A server whose store answers immediately.
struct Server {
    rooms: Rooms,
    slots: Vec<SlotRecord>,
    /// Refusal for clients that ask for a new session.
    limit: Option<Refused>,
    /// The room's default downstream mode.
    mix: DownstreamMode,
    rng: XorShift,
    connections: u64,
    now: Micros,
    /// Features of the next clients, as JSON.
    features: &'static str,
    secrets: RoomSecrets,
    bans: Vec<Ban>,
    /// Origin of the next clients.
    origin: Origin,
}

/// Effects of an input.
#[derive(Default)]
struct Effects {
    sent: Vec<(ConnectionId, ServerMessage)>,
    closed: Vec<ConnectionId>,
    opened: Vec<SessionId>,
    ended: Vec<SessionId>,
    mixes: Vec<DownstreamChange>,
}

impl Effects {
    fn joined(&self) -> &Joined {
        let joined = self.sent.iter().find_map(|(_, m)| if let ServerMessage::Joined(j) = m { Some(j) } else { None });
        joined.unwrap_or_else(|| panic!("not joined: {:?}", self.sent))
    }

    fn refusal(&self) -> Option<Refusal> {
        self.sent.iter().find_map(|(_, m)| if let ServerMessage::Refused(r) = m { Some(r.reason) } else { None })
    }

    fn roster(&self) -> &[RosterEntry] {
        let rosters = self.sent.iter().rev();
        rosters
            .filter_map(
                |(_, m)| if let ServerMessage::Roster { musicians, .. } = m { Some(&musicians[..]) } else { None },
            )
            .next()
            .unwrap_or(&[])
    }

    /// Number of listeners in the last roster.
    fn listeners(&self) -> u16 {
        let rosters = self.sent.iter().rev();
        let counts = rosters
            .filter_map(|(_, m)| if let ServerMessage::Roster { listeners, .. } = m { Some(*listeners) } else { None });
        counts.take(1).sum()
    }

    fn rosters_to(&self, connection: ConnectionId) -> usize {
        self.sent.iter().filter(|(c, m)| *c == connection && matches!(m, ServerMessage::Roster { .. })).count()
    }
}

impl Server {
    fn new(max_musicians: u16) -> Server {
        Server::with(server_config(max_musicians))
    }

    fn with(config: rooms::RoomsConfig) -> Server {
        Server {
            rooms: Rooms::new(config),
            slots: Vec::new(),
            limit: None,
            mix: DownstreamMode::Forwarded,
            rng: XorShift::new(1),
            connections: 0,
            now: Micros::from_secs(1),
            features: "[]",
            secrets: secrets(),
            bans: Vec::new(),
            origin: ORIGIN,
        }
    }

    /// All effects, including those of timeouts.
    fn drain(&mut self) -> Effects {
        let mut effects = Effects::default();
        self.drain_into(&mut effects);
        while let Some(due) = self.rooms.poll_timeout() {
            self.now = due;
            self.rooms.handle_timeout(due);
            self.drain_into(&mut effects);
        }
        effects
    }

    /// The immediate effects.
    fn drain_into(&mut self, effects: &mut Effects) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                RoomsOutput::Send(c, m) => effects.sent.push((c, m)),
                RoomsOutput::Close(c) => effects.closed.push(c),
                RoomsOutput::Open(new) => effects.opened.push(new.session),
                RoomsOutput::End(session) => effects.ended.push(session),
                RoomsOutput::Mix(order) => effects.mixes.push(order),
                RoomsOutput::Pin(..) => {}
                RoomsOutput::RememberSlot(_, slot) => {
                    self.slots.retain(|s| s.slot != slot.slot);
                    self.slots.push(slot);
                }
                RoomsOutput::LookUp(c, _) => {
                    let (secrets, slots, mix, bans) =
                        (self.secrets.clone(), self.slots.clone(), self.mix, self.bans.clone());
                    let record = RoomRecord::Found { secrets, slots, mix, bans, limit: self.limit.clone() };
                    self.rooms.handle_room(self.now, c, self.origin, record, self.connections, &mut self.rng);
                }
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, message: ClientMessage) -> Effects {
        self.rooms.handle_message(self.now, connection, message);
        self.drain()
    }

    fn connect(&mut self) -> (ConnectionId, [u8; 32]) {
        self.connections += 1;
        let (id, nonce) = (ConnectionId(self.connections), [self.connections as u8; 32]);
        self.rooms.handle_connected(id, nonce);
        self.drain_into(&mut Effects::default());
        (id, nonce)
    }

    fn join(&mut self, who: u8, role: &str, more: &str) -> (ConnectionId, Effects) {
        self.join_as("Ann", who, role, more)
    }

    fn join_as(&mut self, name: &str, who: u8, role: &str, more: &str) -> (ConnectionId, Effects) {
        let id = self.request_seat(name, who, role, more);
        (id, self.drain())
    }

    /// Requests a seat without draining the outputs.
    fn request_seat(&mut self, name: &str, who: u8, role: &str, more: &str) -> ConnectionId {
        let (id, nonce) = self.connect();
        let features = rtjam_protocol::control::read(self.features).expect("features");
        let hello = Hello { features, ..hello(&Identity::new(who), name, &nonce) };
        self.rooms.handle_message(self.now, id, ClientMessage::Hello(hello));
        self.rooms.handle_message(self.now, id, ClientMessage::Seat(seat(role, more)));
        id
    }
}

/// A refused connection receives no further message.
#[test]
fn refused_connections_get_nothing_more() {
    let mut server = Server::new(8);
    let (id, _) = server.connect();
    assert_eq!(server.send(id, ClientMessage::Seat(seat("musician", ""))).refusal(), Some(Refusal::BadMessage));
    for message in [ClientMessage::Ping { id: 1 }, ClientMessage::Seat(seat("musician", "")), ClientMessage::Bye] {
        assert_eq!(server.send(id, message).sent, []);
    }
    server.rooms.handle_refused(id, Refusal::BadMessage);
    assert_eq!(server.drain().sent, []);
}

/// A second seat request closes the connection but not the session.
#[test]
fn second_seat_closes_the_connection() {
    let mut server = Server::new(8);
    let (id, effects) = server.join(1, "musician", "");
    let joined = effects.joined().clone();
    let again = server.send(id, ClientMessage::Seat(seat("musician", "")));
    assert_eq!((again.refusal(), again.ended), (Some(Refusal::BadMessage), vec![]));
    // The later end of the session does not concern the closed connection.
    server.rooms.handle_session_over(server.now, joined.session);
    let end = server.drain();
    assert_eq!((end.ended, end.closed), (vec![joined.session], vec![]));
}

/// Nobody is admitted while the server stops, not even pending requests.
#[test]
fn shutdown_admits_nobody() {
    let mut server = Server::new(8);
    let (id, nonce) = server.connect();
    server.rooms.handle_message(server.now, id, ClientMessage::Hello(hello(&Identity::new(1), "Ann", &nonce)));
    server.rooms.handle_message(server.now, id, ClientMessage::Seat(seat("musician", "")));
    server.rooms.handle_going_down();
    let effects = server.drain();
    assert_eq!((effects.sent.last(), effects.opened), (Some(&(id, ServerMessage::GoingDown)), vec![]));
    // Later clients are refused, too.
    let (_, late) = server.join(2, "musician", "");
    assert_eq!((late.refusal(), late.opened), (Some(Refusal::ServerUnable), vec![]));
}

/// `going_down` is the last message on a connection.
#[test]
fn going_down_is_the_last_message() {
    let mut server = Server::new(8);
    let (id, _) = server.join(1, "musician", "");
    server.rooms.handle_going_down();
    assert_eq!(server.drain().closed, [id]);
    assert_eq!(server.send(id, ClientMessage::Ping { id: 1 }).sent, []);
}

/// A listener takes neither a slot nor a name from musicians.
#[test]
fn listeners_take_no_slots() {
    let mut server = Server::new(1);
    let (_, listener) = server.join(1, "listener", "");
    assert!(listener.joined().source.0 > 1);
    let (_, musician) = server.join(1, "musician", "");
    let joined = musician.joined();
    assert_eq!((joined.source, joined.instance, joined.name.as_str()), (SourceId(1), 0, "Ann"));
    assert_eq!(musician.roster().len(), 1);
}

/// A musician gets the requested mode or the room's default, and a listener gets a mix.
#[test]
fn downstream_mode_follows_request_and_room() {
    let mut server = Server::new(9);
    for room in [DownstreamMode::Forwarded, DownstreamMode::Mixed] {
        server.mix = room;
        for (role, request, given) in [
            ("musician", "", room),
            ("musician", r#","mix":"one""#, DownstreamMode::Mixed),
            ("musician", r#","mix":"separate""#, DownstreamMode::Forwarded),
            ("musician", r#","mix":"of a later version""#, DownstreamMode::Forwarded),
            ("listener", r#","mix":"separate""#, DownstreamMode::Mixed),
        ] {
            let (id, effects) = server.join(1, role, request);
            assert_eq!(effects.joined().mix, given, "{role} {request}");
            server.send(id, ClientMessage::Bye);
        }
    }
}

/// A mode change is confirmed, and gains of absent musicians are dropped.
#[test]
fn mode_changes_are_confirmed() {
    let mut server = Server::new(9);
    let (ann, effects) = server.join(1, "musician", "");
    let session = effects.joined().session;
    server.join(2, "musician", "");
    let (cat, _) = server.join(3, "listener", "");
    let balance = |source| MixBalance { source: SourceId(source), gains: [5000, 0], pans: [None; 2], layout: None };
    let balances = vec![balance(2), balance(7), balance(0)];
    let request = MixRequest { mode: Some(DownstreamMode::Mixed), balances, ..MixRequest::default() };
    let effects = server.send(ann, ClientMessage::Mix(request.clone()));
    assert_eq!((effects.mixes[0].session, effects.mixes[0].mode), (session, DownstreamMode::Mixed));
    assert_eq!(effects.mixes[0].balances, [balance(2)]);
    let now = |take| (ann, ServerMessage::Mix(MixState { mode: take, wait_us: None }));
    assert_eq!(effects.sent, [now(DownstreamMode::Mixed)]);
    // The same mode again changes only the gains.
    assert_eq!(server.send(ann, ClientMessage::Mix(request.clone())).sent, []);
    server.rooms.handle_mix_waits(session, Micros(900));
    assert_eq!(server.drain().sent, [(ann, ServerMessage::Mix(MixState::mixed(Micros(900))))]);
    // Back to the room's default.
    assert_eq!(server.send(ann, ClientMessage::Mix(MixRequest::default())).sent, [now(DownstreamMode::Forwarded)]);
    server.rooms.handle_mix_waits(session, Micros(900));
    assert_eq!(server.drain().sent, [], "there is no mix any more");
    let effects =
        server.send(cat, ClientMessage::Mix(MixRequest { mode: Some(DownstreamMode::Forwarded), ..request.clone() }));
    assert_eq!((effects.mixes[0].mode, effects.sent), (DownstreamMode::Mixed, vec![]));
    let flood = MixRequest { balances: vec![balance(2); 241], ..request };
    assert_eq!(server.send(ann, ClientMessage::Mix(flood)).refusal(), Some(Refusal::BadMessage));
}

/// Listeners have their own limit, and rosters tell their number.
#[test]
fn listeners_are_limited_and_counted() {
    let mut server = Server::new(1);
    let (_, musician) = server.join(1, "musician", "");
    assert_eq!((musician.listeners(), musician.roster().len()), (0, 1));
    let (_, listener) = server.join(2, "listener", "");
    assert_eq!((listener.listeners(), listener.roster().len()), (1, 1));
    assert_eq!(server.join(3, "listener", "").1.refusal(), Some(Refusal::RoomFull));
    assert_eq!(server.join(4, "musician", "").1.refusal(), Some(Refusal::RoomFull));
    server.rooms.handle_session_over(server.now, listener.joined().session);
    let effects = server.drain();
    assert_eq!((effects.listeners(), effects.roster().len()), (0, 1));
    assert!(
        !effects.sent.iter().any(|(_, m)| matches!(m, ServerMessage::Left { .. })),
        "a listener is announced as leaving"
    );
}

/// A second session of an identity gets its own name and slot.
#[test]
fn second_sessions_get_name_and_slot() {
    let mut server = Server::new(8);
    server.join(1, "musician", "");
    let (_, second) = server.join(1, "musician", r#","instance":0"#);
    let joined = second.joined();
    assert_eq!((joined.source, joined.instance, joined.name.as_str()), (SourceId(2), 1, "Ann 2"));
    assert_eq!(second.roster().iter().map(|m| m.source.0).collect::<Vec<_>>(), [1, 2]);
}

/// Only the client that resumes is informed.
#[test]
fn resuming_informs_only_the_client() {
    let mut server = Server::new(8);
    let (other, _) = server.join(2, "musician", "");
    let (old, first) = server.join(1, "musician", "");
    let token = token_text(first.joined());
    let (new, resumed) = server.join(1, "musician", &format!(r#","resume":"{token}""#));
    let joined = resumed.joined();
    assert!(joined.resumed && joined.keys == first.joined().keys && joined.session == first.joined().session);
    assert_eq!((resumed.closed.clone(), resumed.opened.len()), (vec![old], 0));
    assert_eq!((resumed.rosters_to(new), resumed.rosters_to(other)), (1, 0));
}

/// A token is valid only for its identity and role.
#[test]
fn tokens_are_bound_to_identity_and_role() {
    let mut server = Server::new(8);
    let (_, first) = server.join(1, "musician", "");
    let token = token_text(first.joined());
    let (_, thief) = server.join(2, "musician", &format!(r#","resume":"{token}""#));
    assert!(!thief.joined().resumed);
    let (_, listener) = server.join(1, "listener", &format!(r#","resume":"{token}""#));
    assert!(!listener.joined().resumed);
}

/// A `hello` with unknown suites and fields is accepted.
#[test]
fn unknown_suites_are_skipped() {
    let text = r#"{"type":"hello","version":2,"musician":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "signature":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "name":"Ann","suites":["aes-256-gcm","chacha20-poly1305"],"wings":2}"#;
    let Ok(ClientMessage::Hello(hello)) = rtjam_protocol::control::read(text) else { panic!("not understood") };
    assert_eq!(hello.suites, [Suite::ChaCha20Poly1305]);
}

/// The session gets the suite that the client prefers: a Raspberry Pi asks for ChaCha20 of a server that prefers AES.
#[test]
fn client_preference_chooses_the_suite() {
    let mut server = Server::new(8);
    for suites in [[Suite::ChaCha20Poly1305, Suite::Aes128Gcm], [Suite::Aes128Gcm, Suite::ChaCha20Poly1305]] {
        let (id, nonce) = server.connect();
        let hello = Hello { suites: suites.to_vec(), ..hello(&Identity::new(1), "Ann", &nonce) };
        server.rooms.handle_message(server.now, id, ClientMessage::Hello(hello));
        let effects = server.send(id, ClientMessage::Seat(seat("musician", "")));
        assert_eq!(effects.joined().keys.suite, suites[0]);
    }
}

/// The largest roster fits into a message, and each member has a slot.
#[test]
fn the_largest_roster_fits() {
    let mut server = Server::new(u16::MAX);
    let mut last = Effects::default();
    for who in 0..=u8::MAX {
        let effects = server.join(who, "musician", "").1;
        if effects.refusal().is_some() {
            break;
        }
        last = effects;
    }
    let (_, full) = server.join(0, "musician", "");
    assert_eq!(full.refusal(), Some(Refusal::RoomFull));
    let longest = RosterEntry { name: "🎸".repeat(40), ..last.roster()[0].clone() };
    let entries: Vec<_> = last.roster().iter().map(|e| RosterEntry { source: e.source, ..longest.clone() }).collect();
    let text = rtjam_protocol::control::write(&ServerMessage::Roster { musicians: entries, listeners: MAX_LISTENERS });
    assert!(text.len() <= rtjam_protocol::control::MAX_TEXT, "{} bytes", text.len());
    let (_, listener) = server.join(1, "listener", "");
    assert!(last.roster().iter().all(|m| m.source != listener.joined().source));
}

/// At a server limit, members keep their seats and others are told when to retry.
#[test]
fn limited_servers_keep_their_members() {
    let mut server = Server::new(8);
    let first = server.join(1, "musician", "").1;
    let token = rtjam_protocol::control::write(&first.joined().resume);
    let refused = Refused::after(Refusal::TooManySessions, 60);
    server.limit = Some(refused.clone());
    let full = server.join(2, "musician", "").1;
    assert_eq!(full.sent.iter().find_map(|(_, m)| as_refused(m)), Some(refused));
    assert!(server.join(1, "musician", &format!(r#","resume":{token}"#)).1.joined().resumed);
    let replaced = server.join(1, "musician", &format!(r#","replaces":{token}"#)).1;
    assert_eq!((replaced.opened.len(), replaced.ended.len()), (1, 1));
    assert_eq!(server.rooms.census(), Census { rooms: 1, musicians: 1, listeners: 0, connections: 1 });
}

/// A connection above the driver's limit is refused and then ignored.
#[test]
fn limited_connections_are_refused() {
    let mut server = Server::new(8);
    let (id, nonce) = server.connect();
    server.rooms.handle_refused(id, Refused::after(Refusal::TooManyJoins, 3));
    let effects = server.drain();
    assert_eq!((effects.refusal(), &effects.closed[..]), (Some(Refusal::TooManyJoins), &[id][..]));
    let late = server.send(id, ClientMessage::Hello(hello(&Identity::new(1), "Ann", &nonce)));
    assert!(late.sent.is_empty() && late.closed.is_empty());
}

/// A name that looks like another musician's gets a number, in any spelling.
#[test]
fn confusable_names_get_numbers() {
    let mut server = Server::new(9);
    let mut name = |who, name: &str| server.join_as(name, who, "musician", "").1.joined().name.clone();
    assert_eq!(name(1, "Ann"), "Ann");
    // A Cyrillic letter, invisible characters, another case, and the numbered name itself.
    assert_eq!(name(2, "\u{410}nn"), "\u{410}nn 2");
    assert_eq!(name(3, "An\u{200B}n\u{61C}"), "Ann 3");
    assert_eq!(name(4, "ANN"), "ANN 4");
    assert_eq!(name(5, "Ann 2"), "Ann 2 2");
    assert_eq!(name(1, "Ann"), "Ann 5");
    let long = "n".repeat(50);
    assert_eq!((name(6, &long), name(7, &long)), ("n".repeat(40), "n".repeat(38) + " 2"));
    // Listeners' names are not shown to others.
    assert_eq!(server.join(8, "listener", "").1.joined().name, "Ann");
}

/// Each invalid request is refused with its reason.
#[test]
fn refusals_name_their_reason() {
    let mut server = Server::new(1);
    let (id, nonce) = server.connect();
    let mut old = hello(&Identity::new(1), "Ann", &nonce);
    old.version = 0;
    assert_eq!(server.send(id, ClientMessage::Hello(old)).refusal(), Some(Refusal::Version));
    for (minor, outdated) in [(3, None), (4, Some(Outdated::Server))] {
        let (id, nonce) = server.connect();
        let new = Hello { release: Some(Release { major: 0, minor }), ..hello(&Identity::new(9), "Ann", &nonce) };
        let answers = server.send(id, ClientMessage::Hello(new)).sent;
        let refused = answers.iter().find_map(|(_, message)| as_refused(message));
        assert_eq!(refused, outdated.map(Refused::update_needed), "0.{minor}");
    }
    let (id, _) = server.connect();
    let stolen = hello(&Identity::new(1), "Ann", &nonce);
    assert_eq!(server.send(id, ClientMessage::Hello(stolen)).refusal(), Some(Refusal::BadSignature));
    let (_, listens) = server.join(1, "musician", "");
    assert_eq!(listens.refusal(), None);
    let (_, full) = server.join(2, "musician", "");
    assert_eq!(full.sent.iter().find_map(|(_, m)| as_refused(m)), Some(Refused::new(Refusal::RoomFull)));
    let (id, nonce) = server.connect();
    server.send(id, ClientMessage::Hello(hello(&Identity::new(3), "Ann", &nonce)));
    let mut request = seat("listener", "");
    request.role = rtjam_protocol::control::SeatRole::Musician;
    assert_eq!(server.send(id, ClientMessage::Seat(request)).refusal(), Some(Refusal::RoleNotAllowed));
}

/// A `bye` ends the session and informs the others.
#[test]
fn bye_ends_the_session() {
    let mut server = Server::new(8);
    let (other, _) = server.join(2, "musician", "");
    let (id, first) = server.join(1, "musician", "");
    let session = first.joined().session;
    let effects = server.send(id, ClientMessage::Bye);
    assert_eq!((effects.ended.clone(), effects.closed.clone()), (vec![session], vec![id]));
    let left = ServerMessage::Left { source: SourceId(2), name: "Ann 2".into() };
    assert!(effects.sent.contains(&(other, left)));
    assert_eq!(effects.roster().iter().map(|m| m.musician).collect::<Vec<_>>(), [Identity::new(2).musician()]);
    assert_eq!(server.rooms.seated(), 1);
}

fn as_refused(message: &ServerMessage) -> Option<Refused> {
    if let ServerMessage::Refused(r) = message { Some(r.clone()) } else { None }
}

fn token_text(joined: &Joined) -> String {
    let text = rtjam_protocol::control::write(&ServerMessage::Joined(joined.clone()));
    text.split(r#""resume":""#).nth(1).expect("a token").split('"').next().expect("its end").to_owned()
}

/// A seat that replaces a lost session keeps slot and name and gets fresh keys.
#[test]
fn replaced_sessions_keep_slot_and_name() {
    let mut server = Server::new(2);
    let (other, _) = server.join(2, "musician", "");
    let (old, first) = server.join(1, "musician", "");
    let lost = first.joined().clone();
    let (_, again) = server.join(1, "musician", &format!(r#","replaces":"{}""#, token_text(&lost)));
    let joined = again.joined();
    assert_eq!((joined.source, joined.instance, &joined.name), (lost.source, lost.instance, &lost.name));
    assert!(!joined.resumed && joined.keys != lost.keys && joined.session != lost.session);
    assert_eq!((&again.ended, &again.closed), (&vec![lost.session], &vec![old]));
    assert!(!again.sent.iter().any(|(_, m)| matches!(m, ServerMessage::Left { .. })));
    assert_eq!(again.rosters_to(other), 1);
    assert_eq!(server.rooms.seated(), 2);
}

/// Nobody can replace the session of another identity.
#[test]
fn sessions_of_others_cannot_be_replaced() {
    let mut server = Server::new(8);
    let (_, first) = server.join(1, "musician", "");
    let (_, thief) = server.join(2, "musician", &format!(r#","replaces":"{}""#, token_text(first.joined())));
    assert_eq!((thief.ended.len(), server.rooms.seated()), (0, 2));
}

/// Musicians who come through a gateway get slots and are listed, and their slots are not stored.
#[test]
fn gateway_musicians_get_slots() {
    let mut server = Server::new(3);
    let (ann, _) = server.join(1, "musician", "");
    let room = RoomName::new("lobby").expect("a name");
    let newcomer = |client| GatewayMusician {
        room: room.clone(),
        via: MemberAccess::Legacy,
        musician: LegacyClientId(client).identity(),
        name: format!("Classic {client}"),
        mix: DownstreamMode::Forwarded,
        origin: ORIGIN,
        bans: Vec::new(),
    };
    let first = server
        .rooms
        .handle_gateway_musician(server.now, &newcomer(17), &server.slots, &mut server.rng)
        .expect("a seat");
    let second = server
        .rooms
        .handle_gateway_musician(server.now, &newcomer(17), &server.slots, &mut server.rng)
        .expect("a seat");
    let listening =
        server.rooms.handle_gateway_listener(&room, MemberAccess::Legacy, &mut server.rng).expect("a session");
    assert!(first.sends && !listening.sends && first.session != second.session && listening.session != first.session);
    let effects = server.drain();
    let listed: Vec<_> = effects.roster().iter().map(|e| (e.source.0, e.name.as_str(), !e.via.is_direct())).collect();
    assert_eq!(listed, [(1, "Ann", false), (2, "Classic 17", true), (3, "Classic 17 2", true)]);
    assert_eq!((effects.rosters_to(ann), server.slots.len()), (1, 1));
    let full = server.rooms.handle_gateway_musician(server.now, &newcomer(18), &server.slots, &mut server.rng);
    assert_eq!(full.err(), Some(Refusal::RoomFull));
    assert_eq!(server.rooms.census(), Census { rooms: 1, musicians: 3, listeners: 0, connections: 1 });

    server.rooms.handle_session_over(server.now, first.session);
    server.rooms.handle_session_over(server.now, listening.session);
    let effects = server.drain();
    assert_eq!(effects.ended, [first.session, listening.session]);
    let left: Vec<_> = effects.roster().iter().map(|e| e.source.0).collect();
    assert_eq!(left, [1, 3]);
}

const KNOWS_CHANGES: &str = r#"["roster-changes"]"#;

impl Effects {
    fn sent_to(&self, connection: ConnectionId) -> Vec<&ServerMessage> {
        self.sent.iter().filter(|(c, _)| *c == connection).map(|(_, m)| m).collect()
    }

    fn refusals_to(&self, connection: ConnectionId) -> Vec<Refusal> {
        self.sent_to(connection).into_iter().filter_map(as_refused).map(|refused| refused.reason).collect()
    }

    fn bytes(&self) -> usize {
        self.sent.iter().map(|(_, m)| rtjam_protocol::control::write(m).len()).sum()
    }
}

/// Clients with `roster-changes` get the roster once and then only changes; others get whole rosters.
#[test]
fn roster_changes_replace_whole_rosters() {
    let mut server = Server::new(8);
    let (old, _) = server.join(1, "musician", "");
    server.features = KNOWS_CHANGES;
    let (new, effects) = server.join(2, "musician", "");
    assert_eq!((effects.rosters_to(new), effects.rosters_to(old)), (1, 1));
    server.features = "[]";
    let (id, joined) = server.join(3, "musician", "");
    assert!(
        matches!(joined.sent_to(id)[..], [ServerMessage::Joined(_), ServerMessage::Roster { .. }]),
        "and not twice"
    );
    let [ServerMessage::RosterChanges { left, musicians, listeners: 0 }] = joined.sent_to(new)[..] else {
        panic!("{:?}", joined.sent_to(new))
    };
    assert_eq!((&left[..], musicians.iter().map(|m| m.source.0).collect::<Vec<_>>()), (&[][..], vec![3]));
    assert!(matches!(joined.sent_to(old)[..], [ServerMessage::Roster { .. }]));

    let gone = server.send(id, ClientMessage::Bye);
    let changes = ServerMessage::RosterChanges { left: vec![SourceId(3)], musicians: vec![], listeners: 0 };
    assert_eq!(gone.sent_to(new), [&changes]);
    assert!(matches!(gone.sent_to(old)[..], [ServerMessage::Left { .. }, ServerMessage::Roster { .. }]));

    let (_, listener) = server.join(4, "listener", "");
    let changes = ServerMessage::RosterChanges { left: vec![], musicians: vec![], listeners: 1 };
    assert_eq!(listener.sent_to(new), [&changes]);
}

/// Changes within 50 ms make one message, which is correct for clients who joined in between as well.
#[test]
fn changes_within_the_window_are_coalesced() {
    for features in ["[]", KNOWS_CHANGES] {
        let mut server = Server::new(8);
        server.features = features;
        let (ann, _) = server.join(1, "musician", "");
        let began = server.now;
        let ben = server.request_seat("Ben", 2, "musician", "");
        let mut effects = Effects::default();
        server.drain_into(&mut effects);
        server.now = began + Micros::from_millis(30);
        let cat = server.request_seat("Cat", 3, "musician", "");
        server.drain_into(&mut effects);
        server.rooms.handle_message(server.now, ben, ClientMessage::Bye);
        server.drain_into(&mut effects);
        assert!(!effects.sent_to(ann).iter().any(|m| is_roster(m)));
        assert_eq!(server.rooms.poll_timeout(), Some(began + COALESCE));
        let effects = server.drain();
        assert_eq!(effects.sent_to(ann).iter().filter(|m| is_roster(m)).count(), 1);
        // Cat's first roster contained Ben.
        match effects.sent_to(cat)[..] {
            [ServerMessage::RosterChanges { left, musicians, .. }] => {
                assert_eq!((&left[..], musicians.len()), (&[SourceId(2)][..], 1));
            }
            [ServerMessage::Roster { musicians, .. }] => assert_eq!(musicians.len(), 2),
            ref other => panic!("{other:?}"),
        }
    }
}

fn is_roster(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Roster { .. } | ServerMessage::RosterChanges { .. })
}

/// With `roster-changes`, a join and a leave in a room of 64 take a fiftieth of the bytes.
#[test]
fn roster_changes_are_small() {
    let bytes = [("[]", 1_000_000..3_000_000), (KNOWS_CHANGES, 10_000..60_000)].map(|(features, expected)| {
        let mut server = Server::new(64);
        server.features = features;
        let name = "🎸".repeat(40);
        (1..64).for_each(|who| drop(server.join_as(&name, who, "musician", "")));
        let (id, joined) = server.join_as(&name, 64, "musician", "");
        let bytes = joined.bytes() + server.send(id, ClientMessage::Bye).bytes();
        assert!(expected.contains(&bytes), "{features}: {bytes} bytes");
        bytes
    });
    println!("one join and leave among 64: {} bytes by whole rosters, {} by changes", bytes[0], bytes[1]);
    assert!(bytes[1] * 50 < bytes[0], "{bytes:?}");
}

/// What a connection was told of stalls: source, length and interval of each entry, by message.
fn stalls_told(effects: &Effects, connection: ConnectionId) -> Vec<Vec<(u16, u16, u16)>> {
    let entries = |m: &ServerMessage| {
        let ServerMessage::Stalling { musicians } = m else { return None };
        Some(musicians.iter().map(|m| (m.source.0, m.stalls.ms(), m.stalls.every_ms())).collect())
    };
    effects.sent_to(connection).into_iter().filter_map(entries).collect()
}

fn stalling(ms: u64, every_ms: u64) -> ClientMessage {
    ClientMessage::Stalling { stalls: Some(StallReport::new(ms, every_ms)) }
}

/// The room is told whose computer stalls, also those who join later, until the stalls are over or the musician leaves.
#[test]
fn stalls_are_told_to_the_room() {
    let mut server = Server::new(8);
    let (ann, _) = server.join(1, "musician", "");
    let (ben, _) = server.join(2, "musician", "");
    let told = server.send(ann, stalling(4, 1000));
    assert_eq!(stalls_told(&told, ben), [[(1, 4, 1000)]]);
    assert_eq!(server.send(ann, stalling(4, 1000)).sent, [], "nothing has changed");
    let (cat, joined) = server.join(3, "listener", "");
    assert_eq!((stalls_told(&joined, cat), stalls_told(&joined, ben)), (vec![vec![(1, 4, 1000)]], vec![]));
    let over = server.send(ann, ClientMessage::Stalling { stalls: None });
    assert_eq!(stalls_told(&over, ben), [vec![]]);

    server.send(ann, stalling(4, 1000));
    let gone = server.send(ann, ClientMessage::Bye);
    assert_eq!(stalls_told(&gone, ben), [vec![]]);
    assert_eq!(server.send(cat, stalling(4, 1000)).sent, [], "a listener's stalls concern nobody");
}

/// Absurd reports count as the limits, and a flood of them makes one message per second.
#[test]
fn reports_of_stalls_are_bounded() {
    let mut server = Server::new(8);
    let (mallory, _) = server.join(1, "musician", "");
    let (ben, _) = server.join(2, "musician", "");
    for (ms, every_ms, bounded) in [(u64::MAX, u64::MAX, (1, 1000, 60_000)), (0, 0, (1, 1, 100))] {
        let text = format!(r#"{{"type":"stalling","stalls":{{"ms":{ms},"every_ms":{every_ms}}}}}"#);
        let report = rtjam_protocol::control::read(&text).expect("a message");
        assert_eq!(stalls_told(&server.send(mallory, report), ben), [[bounded]]);
    }
    for nonsense in [r#"{"ms":-1,"every_ms":1}"#, r#"{"ms":1e300,"every_ms":1}"#, r#"{"ms":1}"#, r#""often""#] {
        let text = format!(r#"{{"type":"stalling","stalls":{nonsense}}}"#);
        assert!(rtjam_protocol::control::read::<ClientMessage>(&text).is_err(), "{nonsense}");
    }

    let mut effects = Effects::default();
    for n in 0..10_000 {
        server.now += Micros::from_millis(1);
        server.rooms.handle_timeout(server.now);
        server.rooms.handle_message(server.now, mallory, stalling(1 + n % 2, 1000));
        server.drain_into(&mut effects);
    }
    let messages = stalls_told(&effects, ben).len();
    assert!((8..=10).contains(&messages), "{messages} messages in ten seconds");
    assert_eq!(effects.sent.len(), 2 * messages);
}

/// Renewing a secret ends the sessions that it admitted, and their tokens become invalid.
#[test]
fn renewed_secret_ends_old_sessions() {
    let mut server = Server::new(8);
    let (ann, joined) = server.join(1, "musician", "");
    let (watcher, _) = server.join(4, "none", "");
    let (listener, _) = server.join(2, "listener", "");
    let token = token_text(joined.joined());
    server.secrets.musician = RoleSecret { secret: Secret([9; 16]), generation: 2, valid_from: 2 };
    server.rooms.handle_rules(server.now, &common::lobby(), &server.secrets.clone(), &[]);
    let effects = server.drain();
    assert_eq!((&effects.ended[..], &effects.closed[..]), (&[joined.joined().session][..], &[ann, watcher][..]));
    let told: Vec<_> = effects.sent_to(ann).into_iter().filter_map(as_refused).collect();
    assert_eq!(told, [Refused::new(Refusal::SecretRenewed)]);
    assert_eq!(effects.refusals_to(watcher), [Refusal::SecretRenewed]);
    assert!(effects.refusals_to(listener).is_empty());

    // A client that was not informed resumes by its token, and another one uses the old link.
    let (_, again) = server.join(1, "musician", &format!(r#","resume":"{token}""#));
    assert_eq!(again.refusal(), Some(Refusal::SecretRenewed));
    assert_eq!(server.join(1, "musician", "").1.refusal(), Some(Refusal::WrongSecret));
}

/// A resume is refused even before the server has applied the new secret.
#[test]
fn resume_after_renewal_is_refused() {
    let mut server = Server::new(8);
    let (_, joined) = server.join(1, "musician", "");
    let token = token_text(joined.joined());
    server.secrets.musician = RoleSecret { secret: Secret([9; 16]), generation: 2, valid_from: 2 };
    let (_, again) = server.join(1, "musician", &format!(r#","resume":"{token}""#));
    assert_eq!((again.refusal(), &again.ended[..]), (Some(Refusal::SecretRenewed), &[joined.joined().session][..]));
}

/// If the operator keeps sessions, those of the old secret continue and resume, but it admits nobody.
#[test]
fn kept_sessions_outlive_their_secret() {
    let mut server = Server::new(8);
    let (_, joined) = server.join(1, "musician", "");
    let token = token_text(joined.joined());
    server.secrets.musician = RoleSecret { secret: Secret([9; 16]), generation: 2, valid_from: 1 };
    server.rooms.handle_rules(server.now, &common::lobby(), &server.secrets.clone(), &[]);
    assert!(server.drain().ended.is_empty());
    assert!(server.join(1, "musician", &format!(r#","resume":"{token}""#)).1.joined().resumed);
    assert_eq!(server.join(2, "musician", "").1.refusal(), Some(Refusal::WrongSecret));
}

/// A kicked musician is told so, also when resuming, and may join again.
#[test]
fn kicked_musicians_may_join_again() {
    let mut server = Server::new(8);
    let (ann, joined) = server.join_as("Ann", 1, "musician", "");
    let (ben, _) = server.join_as("Ben", 2, "musician", "");
    let token = token_text(joined.joined());
    let room = common::lobby();
    for (target, fits) in [
        (MemberSelector::from("7"), false),
        (MemberSelector::from("Cat"), false),
        (MemberSelector::from("198.51.100.1"), false),
        (MemberSelector::Identity(Identity::new(1).musician()), true),
    ] {
        assert_eq!(!server.rooms.handle_kick(server.now, &room, &target).is_empty(), fits, "{target}");
    }
    let effects = server.drain();
    assert_eq!(effects.refusals_to(ann), [Refusal::Kicked]);
    assert!(effects.refusals_to(ben).is_empty() && effects.roster().len() == 1);
    for word in ["resume", "replaces"] {
        let (_, again) = server.join(1, "musician", &format!(r#","{word}":"{token}""#));
        assert_eq!(again.refusal(), Some(Refusal::Kicked), "{word}");
    }
    assert_eq!(server.join_as("Ann", 1, "musician", "").1.refusal(), None);
    // By name, by address, and by identity as text.
    assert_eq!(server.rooms.handle_kick(server.now, &room, &MemberSelector::from("Ben"))[0].name, "Ben");
    assert_eq!(server.rooms.handle_kick(server.now, &room, &MemberSelector::from("203.0.113.1")).len(), 1);
    let identity = rooms::identity_text(&Identity::new(1).musician());
    assert_eq!(MemberSelector::from(identity.as_str()), MemberSelector::Identity(Identity::new(1).musician()));
}

/// A ban by slot covers the identity, and the address unless it is exempt.
#[test]
fn bans_cover_identity_and_address() {
    let room = common::lobby();
    for exempt in [false, true] {
        let mut server = Server::new(8);
        server.origin.exempt = exempt;
        server.join(1, "musician", "");
        let ban = server.rooms.ban_against(&room, &MemberSelector::from("1")).expect("somebody there");
        assert_eq!(ban.musician, Some(Identity::new(1).musician()));
        assert_eq!(ban.address, (!exempt).then(|| AddressKey::of(ORIGIN.address)));
        server.bans = vec![ban];
        server.rooms.handle_rules(server.now, &room, &server.secrets.clone(), &server.bans.clone());
        assert_eq!(server.drain().refusal(), Some(Refusal::Banned));
        assert_eq!(server.join(2, "musician", "").1.refusal(), (!exempt).then_some(Refusal::Banned));
        server.origin.address = [198, 51, 100, 1].into();
        assert_eq!(server.join(1, "listener", "").1.refusal(), Some(Refusal::Banned));
        assert_eq!(server.join(3, "musician", "").1.refusal(), None);
        // Without the secret, nobody learns of a ban.
        let wrong = r#","secret":"AAAAAAAAAAAAAAAAAAAAAA""#;
        let text = format!(r#"{{"room":"lobby","role":"musician"{wrong}}}"#);
        let (id, nonce) = server.connect();
        server.send(id, ClientMessage::Hello(hello(&Identity::new(1), "Ann", &nonce)));
        let seat = rtjam_protocol::control::read(&text).expect("a seat");
        assert_eq!(server.send(id, ClientMessage::Seat(seat)).refusal(), Some(Refusal::WrongSecret));
    }
}

fn capped(caps: Caps) -> Server {
    Server::with(rooms::RoomsConfig { caps, ..server_config(64) })
}

/// An identity has at most four seats. A session that replaces one of them needs no fifth.
#[test]
fn an_identity_has_four_seats() {
    let mut server = capped(Caps::default());
    let first = server.join(1, "musician", "").1;
    (0..3).for_each(|_| assert_eq!(server.join(1, "musician", "").1.refusal(), None));
    let (_, fifth) = server.join(1, "musician", "");
    assert_eq!(fifth.sent.iter().find_map(|(_, m)| as_refused(m)), Some(Refused::new(Refusal::TooManyInstances)));
    let token = token_text(first.joined());
    assert_eq!(server.join(1, "musician", &format!(r#","replaces":"{token}""#)).1.refusal(), None);
    assert_eq!(server.join(1, "listener", "").1.refusal(), None);
    assert_eq!(server.join(2, "musician", "").1.refusal(), None);
}

/// An address brings at most sixteen new identities a minute, and the next one is told when to retry.
#[test]
fn new_identities_are_limited() {
    let mut server = capped(Caps::default());
    let began = server.now;
    (1..=16).for_each(|who| assert_eq!(server.join(who, "musician", "").1.refusal(), None));
    let (_, refused) = server.join(17, "musician", "");
    let refused = refused.sent.iter().find_map(|(_, m)| as_refused(m)).expect("refused");
    assert_eq!((refused.reason, refused.after), (Refusal::TooManyFromNetwork, Some(60)));
    // Known identities and other addresses are not limited.
    let (bye, _) = server.join(3, "musician", "");
    server.send(bye, ClientMessage::Bye);
    assert_eq!(server.join(3, "musician", "").1.refusal(), None);
    assert_eq!(server.join(18, "listener", "").1.refusal(), None);
    let there = server.origin;
    server.origin.address = [198, 51, 100, 1].into();
    assert_eq!(server.join(17, "musician", "").1.refusal(), None);
    server.origin = Origin { exempt: true, ..there };
    (30..60).for_each(|who| assert_eq!(server.join(who, "musician", "").1.refusal(), None));
    server.origin = there;
    server.now = began + Micros::from_secs(60);
    assert_eq!(server.join(19, "musician", "").1.refusal(), None);
}

/// The seats of one address can be limited.
#[test]
fn seats_per_address_are_limited() {
    let mut server = capped(Caps { per_address: Some(2), ..Caps::default() });
    (1..=2).for_each(|who| assert_eq!(server.join(who, "musician", "").1.refusal(), None));
    assert_eq!(server.join(3, "musician", "").1.refusal(), Some(Refusal::TooManyFromNetwork));
    server.origin.exempt = true;
    assert_eq!(server.join(3, "musician", "").1.refusal(), None);
}
