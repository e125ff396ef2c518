//! The server's rooms.

mod common;

use common::{Identity, XorShift, hello, seat, secrets, server_config};
use rtjam_protocol::classic::ClientId;
use rtjam_protocol::client::Signer;
use rtjam_protocol::control::{
    ClientMessage, Hello, Joined, MemberAccess, MixBalance, MixChoice, MixState, MixWish, Refusal, Refused,
    RosterEntry, ServerMessage,
};
use rtjam_protocol::link::Secret;
use rtjam_protocol::room::{
    self, AddressKey, Ban, COALESCE, Caps, Census, ConnectionId, GatewayMusician, MAX_LISTENERS, MixOrder, Origin,
    Output, RoleSecret, RoomRecord, Rooms, Secrets, SlotRecord, Target,
};
use rtjam_protocol::{Micros, RoomName, SessionId, SourceId};
use std::net::{IpAddr, Ipv4Addr};

const ORIGIN: Origin = Origin { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), exempt: false };

/// A server whose store answers at once.
struct Server {
    rooms: Rooms,
    slots: Vec<SlotRecord>,
    /// What is said to those who would get a new seat.
    limit: Option<Refused>,
    /// What those are sent who do not choose.
    mix: MixChoice,
    rng: XorShift,
    connections: u64,
    now: Micros,
    /// What the next who join say that they know, as JSON.
    features: &'static str,
    secrets: Secrets,
    bans: Vec<Ban>,
    /// Where those who join come from.
    origin: Origin,
}

/// What an input led to.
#[derive(Default)]
struct Done {
    said: Vec<(ConnectionId, ServerMessage)>,
    closed: Vec<ConnectionId>,
    opened: Vec<SessionId>,
    ended: Vec<SessionId>,
    mixes: Vec<MixOrder>,
}

impl Done {
    fn joined(&self) -> &Joined {
        let joined = self.said.iter().find_map(|(_, m)| if let ServerMessage::Joined(j) = m { Some(j) } else { None });
        joined.unwrap_or_else(|| panic!("not joined: {:?}", self.said))
    }

    fn refusal(&self) -> Option<Refusal> {
        self.said.iter().find_map(|(_, m)| if let ServerMessage::Refused(r) = m { Some(r.reason) } else { None })
    }

    fn roster(&self) -> &[RosterEntry] {
        let rosters = self.said.iter().rev();
        rosters
            .filter_map(
                |(_, m)| if let ServerMessage::Roster { musicians, .. } = m { Some(&musicians[..]) } else { None },
            )
            .next()
            .unwrap_or(&[])
    }

    /// How many listen, as the last roster says.
    fn listeners(&self) -> u16 {
        let rosters = self.said.iter().rev();
        let counts = rosters
            .filter_map(|(_, m)| if let ServerMessage::Roster { listeners, .. } = m { Some(*listeners) } else { None });
        counts.take(1).sum()
    }

    fn rosters_to(&self, connection: ConnectionId) -> usize {
        self.said.iter().filter(|(c, m)| *c == connection && matches!(m, ServerMessage::Roster { .. })).count()
    }
}

impl Server {
    fn new(max_musicians: u16) -> Server {
        Server::with(server_config(max_musicians))
    }

    fn with(config: room::Config) -> Server {
        Server {
            rooms: Rooms::new(config),
            slots: Vec::new(),
            limit: None,
            mix: MixChoice::Separate,
            rng: XorShift::new(1),
            connections: 0,
            now: Micros::from_secs(1),
            features: "[]",
            secrets: secrets(),
            bans: Vec::new(),
            origin: ORIGIN,
        }
    }

    /// What happens until everyone has been told everything.
    fn drain(&mut self) -> Done {
        let mut done = Done::default();
        self.drain_into(&mut done);
        while let Some(due) = self.rooms.poll_timeout() {
            self.now = due;
            self.rooms.handle_timeout(due);
            self.drain_into(&mut done);
        }
        done
    }

    /// What happens at once.
    fn drain_into(&mut self, done: &mut Done) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Send(c, m) => done.said.push((c, m)),
                Output::Close(c) => done.closed.push(c),
                Output::Open(new) => done.opened.push(new.session),
                Output::End(session) => done.ended.push(session),
                Output::Mix(order) => done.mixes.push(order),
                Output::Pin(..) => {}
                Output::RememberSlot(_, slot) => {
                    self.slots.retain(|s| s.slot != slot.slot);
                    self.slots.push(slot);
                }
                Output::LookUp(c, _) => {
                    let (secrets, slots, mix, bans) =
                        (self.secrets.clone(), self.slots.clone(), self.mix, self.bans.clone());
                    let record = match self.limit.clone() {
                        Some(refused) => RoomRecord::Limited { secrets, slots, mix, bans, refused },
                        None => RoomRecord::Found { secrets, slots, mix, bans },
                    };
                    self.rooms.handle_room(self.now, c, self.origin, record, self.connections, &mut self.rng);
                }
            }
        }
    }

    fn says(&mut self, connection: ConnectionId, message: ClientMessage) -> Done {
        self.rooms.handle_message(self.now, connection, message);
        self.drain()
    }

    fn connect(&mut self) -> (ConnectionId, [u8; 32]) {
        self.connections += 1;
        let (id, nonce) = (ConnectionId(self.connections), [self.connections as u8; 32]);
        self.rooms.handle_connected(id, nonce);
        self.drain_into(&mut Done::default());
        (id, nonce)
    }

    fn join(&mut self, who: u8, role: &str, more: &str) -> (ConnectionId, Done) {
        self.join_as("Ann", who, role, more)
    }

    fn join_as(&mut self, name: &str, who: u8, role: &str, more: &str) -> (ConnectionId, Done) {
        let id = self.ask(name, who, role, more);
        (id, self.drain())
    }

    /// Asks for a seat. What comes of it is for `drain` to tell.
    fn ask(&mut self, name: &str, who: u8, role: &str, more: &str) -> ConnectionId {
        let (id, nonce) = self.connect();
        let features = rtjam_protocol::control::read(self.features).expect("features");
        let hello = Hello { features, ..hello(&Identity::new(who), name, &nonce) };
        self.rooms.handle_message(self.now, id, ClientMessage::Hello(hello));
        self.rooms.handle_message(self.now, id, ClientMessage::Seat(seat(role, more)));
        id
    }
}

#[test]
fn a_connection_that_was_refused_gets_no_further_word() {
    let mut server = Server::new(8);
    let (id, _) = server.connect();
    assert_eq!(server.says(id, ClientMessage::Seat(seat("musician", ""))).refusal(), Some(Refusal::BadMessage));
    for message in [ClientMessage::Ping { id: 1 }, ClientMessage::Seat(seat("musician", "")), ClientMessage::Bye] {
        assert_eq!(server.says(id, message).said, []);
    }
    server.rooms.handle_bad_message(id);
    assert_eq!(server.drain().said, []);
}

#[test]
fn a_second_seat_on_a_connection_costs_the_connection_and_not_the_session() {
    let mut server = Server::new(8);
    let (id, done) = server.join(1, "musician", "");
    let joined = done.joined().clone();
    let again = server.says(id, ClientMessage::Seat(seat("musician", "")));
    assert_eq!((again.refusal(), again.ended), (Some(Refusal::BadMessage), vec![]));
    // The session's end later speaks of the dead connection no more.
    server.rooms.handle_session_over(server.now, joined.session);
    let end = server.drain();
    assert_eq!((end.ended, end.closed), (vec![joined.session], vec![]));
}

#[test]
fn who_waited_for_the_store_is_not_let_in_while_the_server_stops() {
    let mut server = Server::new(8);
    let (id, nonce) = server.connect();
    server.rooms.handle_message(server.now, id, ClientMessage::Hello(hello(&Identity::new(1), "Ann", &nonce)));
    server.rooms.handle_message(server.now, id, ClientMessage::Seat(seat("musician", "")));
    server.rooms.handle_going_down();
    let done = server.drain();
    assert_eq!((done.said.last(), done.opened), (Some(&(id, ServerMessage::GoingDown)), vec![]));
    // Nor is who comes now.
    let (_, late) = server.join(2, "musician", "");
    assert_eq!((late.refusal(), late.opened), (Some(Refusal::ServerUnable), vec![]));
}

#[test]
fn nothing_follows_the_word_that_the_server_stops() {
    let mut server = Server::new(8);
    let (id, _) = server.join(1, "musician", "");
    server.rooms.handle_going_down();
    assert_eq!(server.drain().closed, [id]);
    assert_eq!(server.says(id, ClientMessage::Ping { id: 1 }).said, []);
}

#[test]
fn a_listener_takes_neither_slot_nor_name_of_a_musician() {
    let mut server = Server::new(1);
    let (_, listener) = server.join(1, "listener", "");
    assert!(listener.joined().source.0 > 1);
    let (_, musician) = server.join(1, "musician", "");
    let joined = musician.joined();
    assert_eq!((joined.source, joined.instance, joined.name.as_str()), (SourceId(1), 0, "Ann"));
    assert_eq!(musician.roster().len(), 1);
}

#[test]
fn a_musician_is_sent_what_they_choose_else_what_the_room_says_and_a_listener_a_mix() {
    let mut server = Server::new(9);
    for room in [MixChoice::Separate, MixChoice::One] {
        server.mix = room;
        for (role, wish, given) in [
            ("musician", "", room),
            ("musician", r#","mix":"one""#, MixChoice::One),
            ("musician", r#","mix":"separate""#, MixChoice::Separate),
            ("musician", r#","mix":"of a later version""#, MixChoice::Separate),
            ("listener", r#","mix":"separate""#, MixChoice::One),
        ] {
            let (id, done) = server.join(1, role, wish);
            assert_eq!(done.joined().mix, given, "{role} {wish}");
            server.says(id, ClientMessage::Bye);
        }
    }
}

#[test]
fn who_changes_their_mind_is_told_and_gains_are_those_of_musicians_who_are_there() {
    let mut server = Server::new(9);
    let (ann, done) = server.join(1, "musician", "");
    let session = done.joined().session;
    server.join(2, "musician", "");
    let (cat, _) = server.join(3, "listener", "");
    let balance = |source| MixBalance { source: SourceId(source), gains: [5000, 0], pans: [None; 2], layout: None };
    let balances = vec![balance(2), balance(7), balance(0)];
    let wish = MixWish { take: Some(MixChoice::One), balances, ..MixWish::default() };
    let done = server.says(ann, ClientMessage::Mix(wish.clone()));
    assert_eq!((done.mixes[0].session, done.mixes[0].take), (session, MixChoice::One));
    assert_eq!(done.mixes[0].balances, [balance(2)]);
    let now = |take| (ann, ServerMessage::Mix(MixState { take, wait_us: None }));
    assert_eq!(done.said, [now(MixChoice::One)]);
    // The same again changes gains alone.
    assert_eq!(server.says(ann, ClientMessage::Mix(wish.clone())).said, []);
    server.rooms.handle_mix_waits(session, Micros(900));
    assert_eq!(server.drain().said, [(ann, ServerMessage::Mix(MixState::waits(Micros(900))))]);
    // As the room says.
    assert_eq!(server.says(ann, ClientMessage::Mix(MixWish::default())).said, [now(MixChoice::Separate)]);
    server.rooms.handle_mix_waits(session, Micros(900));
    assert_eq!(server.drain().said, [], "there is no mix any more");
    let done = server.says(cat, ClientMessage::Mix(MixWish { take: Some(MixChoice::Separate), ..wish.clone() }));
    assert_eq!((done.mixes[0].take, done.said), (MixChoice::One, vec![]));
    let flood = MixWish { balances: vec![balance(2); 241], ..wish };
    assert_eq!(server.says(ann, ClientMessage::Mix(flood)).refusal(), Some(Refusal::BadMessage));
}

#[test]
fn listeners_have_a_limit_of_their_own_and_everyone_is_told_how_many_there_are() {
    let mut server = Server::new(1);
    let (_, musician) = server.join(1, "musician", "");
    assert_eq!((musician.listeners(), musician.roster().len()), (0, 1));
    let (_, listener) = server.join(2, "listener", "");
    assert_eq!((listener.listeners(), listener.roster().len()), (1, 1));
    assert_eq!(server.join(3, "listener", "").1.refusal(), Some(Refusal::RoomFull));
    assert_eq!(server.join(4, "musician", "").1.refusal(), Some(Refusal::RoomFull));
    server.rooms.handle_session_over(server.now, listener.joined().session);
    let done = server.drain();
    assert_eq!((done.listeners(), done.roster().len()), (0, 1));
    assert!(!done.said.iter().any(|(_, m)| matches!(m, ServerMessage::Left { .. })), "nobody who was heard left");
}

#[test]
fn a_second_session_of_an_identity_is_named_so_and_has_a_slot_of_its_own() {
    let mut server = Server::new(8);
    server.join(1, "musician", "");
    let (_, second) = server.join(1, "musician", r#","instance":0"#);
    let joined = second.joined();
    assert_eq!((joined.source, joined.instance, joined.name.as_str()), (SourceId(2), 1, "Ann 2"));
    assert_eq!(second.roster().iter().map(|m| m.source.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_resume_is_told_to_the_one_who_resumes() {
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

#[test]
fn a_token_is_worth_nothing_to_another_musician_or_as_another_role() {
    let mut server = Server::new(8);
    let (_, first) = server.join(1, "musician", "");
    let token = token_text(first.joined());
    let (_, thief) = server.join(2, "musician", &format!(r#","resume":"{token}""#));
    assert!(!thief.joined().resumed);
    let (_, listener) = server.join(1, "listener", &format!(r#","resume":"{token}""#));
    assert!(!listener.joined().resumed);
}

#[test]
fn a_newer_musicians_end_that_offers_an_unknown_suite_is_understood() {
    let text = r#"{"type":"hello","version":2,"musician":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "signature":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "name":"Ann","suites":["aes-256-gcm","chacha20-poly1305"],"wings":2}"#;
    let Ok(ClientMessage::Hello(hello)) = rtjam_protocol::control::read(text) else { panic!("not understood") };
    assert_eq!(hello.suites, [rtjam_protocol::seal::Suite::ChaCha20Poly1305]);
}

#[test]
fn the_fullest_room_has_a_roster_that_both_ends_accept_and_one_slot_each() {
    let mut server = Server::new(u16::MAX);
    let mut last = Done::default();
    for who in 0..=u8::MAX {
        let done = server.join(who, "musician", "").1;
        if done.refusal().is_some() {
            break;
        }
        last = done;
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

#[test]
fn where_the_server_grants_no_more_seats_whoever_has_one_keeps_it_and_others_are_told_when() {
    let mut server = Server::new(8);
    let first = server.join(1, "musician", "").1;
    let token = rtjam_protocol::control::write(&first.joined().resume);
    let refused = Refused::after(Refusal::TooManySessions, 60);
    server.limit = Some(refused.clone());
    let full = server.join(2, "musician", "").1;
    assert_eq!(full.said.iter().find_map(|(_, m)| as_refused(m)), Some(refused));
    assert!(server.join(1, "musician", &format!(r#","resume":{token}"#)).1.joined().resumed);
    let replaced = server.join(1, "musician", &format!(r#","replaces":{token}"#)).1;
    assert_eq!((replaced.opened.len(), replaced.ended.len()), (1, 1));
    assert_eq!(server.rooms.census(), Census { rooms: 1, musicians: 1, listeners: 0, connections: 1 });
}

#[test]
fn a_connection_that_asks_for_too_much_is_refused_and_not_heard_again() {
    let mut server = Server::new(8);
    let (id, nonce) = server.connect();
    server.rooms.handle_limited(id, Refused::after(Refusal::TooManyJoins, 3));
    let done = server.drain();
    assert_eq!((done.refusal(), &done.closed[..]), (Some(Refusal::TooManyJoins), &[id][..]));
    let late = server.says(id, ClientMessage::Hello(hello(&Identity::new(1), "Ann", &nonce)));
    assert!(late.said.is_empty() && late.closed.is_empty());
}

/// Whoever takes a name that looks like another musician's gets a number, also where it is another spelling of it.
#[test]
fn confusable_duplicate_names_get_numbers() {
    let mut server = Server::new(9);
    let mut name = |who, name: &str| server.join_as(name, who, "musician", "").1.joined().name.clone();
    assert_eq!(name(1, "Ann"), "Ann");
    // A Cyrillic letter, invisible characters, another case, and the number itself.
    assert_eq!(name(2, "\u{410}nn"), "\u{410}nn 2");
    assert_eq!(name(3, "An\u{200B}n\u{61C}"), "Ann 3");
    assert_eq!(name(4, "ANN"), "ANN 4");
    assert_eq!(name(5, "Ann 2"), "Ann 2 2");
    assert_eq!(name(1, "Ann"), "Ann 5");
    let long = "n".repeat(50);
    assert_eq!((name(6, &long), name(7, &long)), ("n".repeat(40), "n".repeat(38) + " 2"));
    // Listeners are not named to others.
    assert_eq!(server.join(8, "listener", "").1.joined().name, "Ann");
}

#[test]
fn wrong_words_are_refused_by_reason() {
    let mut server = Server::new(1);
    let (id, nonce) = server.connect();
    let mut old = hello(&Identity::new(1), "Ann", &nonce);
    old.version = 0;
    assert_eq!(server.says(id, ClientMessage::Hello(old)).refusal(), Some(Refusal::Version));
    let (id, _) = server.connect();
    let stolen = hello(&Identity::new(1), "Ann", &nonce);
    assert_eq!(server.says(id, ClientMessage::Hello(stolen)).refusal(), Some(Refusal::BadSignature));
    let (_, listens) = server.join(1, "musician", "");
    assert_eq!(listens.refusal(), None);
    let (_, full) = server.join(2, "musician", "");
    assert_eq!(full.said.iter().find_map(|(_, m)| as_refused(m)), Some(Refused::new(Refusal::RoomFull)));
    let (id, nonce) = server.connect();
    server.says(id, ClientMessage::Hello(hello(&Identity::new(3), "Ann", &nonce)));
    let mut wish = seat("listener", "");
    wish.role = rtjam_protocol::control::SeatRole::Musician;
    assert_eq!(server.says(id, ClientMessage::Seat(wish)).refusal(), Some(Refusal::RoleNotAllowed));
}

#[test]
fn a_bye_ends_the_session_and_the_others_are_told() {
    let mut server = Server::new(8);
    let (other, _) = server.join(2, "musician", "");
    let (id, first) = server.join(1, "musician", "");
    let session = first.joined().session;
    let done = server.says(id, ClientMessage::Bye);
    assert_eq!((done.ended.clone(), done.closed.clone()), (vec![session], vec![id]));
    let left = ServerMessage::Left { source: SourceId(2), name: "Ann 2".into() };
    assert!(done.said.contains(&(other, left)));
    assert_eq!(done.roster().iter().map(|m| m.musician).collect::<Vec<_>>(), [Identity::new(2).musician()]);
    assert_eq!(server.rooms.seated(), 1);
}

fn as_refused(message: &ServerMessage) -> Option<Refused> {
    if let ServerMessage::Refused(r) = message { Some(r.clone()) } else { None }
}

fn token_text(joined: &Joined) -> String {
    let text = rtjam_protocol::control::write(&ServerMessage::Joined(joined.clone()));
    text.split(r#""resume":""#).nth(1).expect("a token").split('"').next().expect("its end").to_owned()
}

#[test]
fn a_seat_that_replaces_a_lost_session_has_its_slot_and_name_and_keys_of_its_own() {
    let mut server = Server::new(2);
    let (other, _) = server.join(2, "musician", "");
    let (old, first) = server.join(1, "musician", "");
    let lost = first.joined().clone();
    let (_, again) = server.join(1, "musician", &format!(r#","replaces":"{}""#, token_text(&lost)));
    let joined = again.joined();
    assert_eq!((joined.source, joined.instance, &joined.name), (lost.source, lost.instance, &lost.name));
    assert!(!joined.resumed && joined.keys != lost.keys && joined.session != lost.session);
    assert_eq!((&again.ended, &again.closed), (&vec![lost.session], &vec![old]));
    assert!(!again.said.iter().any(|(_, m)| matches!(m, ServerMessage::Left { .. })));
    assert_eq!(again.rosters_to(other), 1);
    assert_eq!(server.rooms.seated(), 2);
}

#[test]
fn nobody_can_replace_the_session_of_another() {
    let mut server = Server::new(8);
    let (_, first) = server.join(1, "musician", "");
    let (_, thief) = server.join(2, "musician", &format!(r#","replaces":"{}""#, token_text(first.joined())));
    assert_eq!((thief.ended.len(), server.rooms.seated()), (0, 2));
}

/// Musicians of a gateway take slots and are marked in the roster; nothing about them is remembered.
#[test]
fn gateway_musicians_take_slots() {
    let mut server = Server::new(3);
    let (ann, _) = server.join(1, "musician", "");
    let room = RoomName::new("lobby").expect("a name");
    let via = MemberAccess::Legacy;
    let musician = |client| GatewayMusician {
        room: room.clone(),
        via,
        musician: ClientId(client).identity(),
        name: format!("Classic {client}"),
        mix: MixChoice::Separate,
        origin: ORIGIN,
        bans: Vec::new(),
    };
    let first = server
        .rooms
        .handle_gateway_musician(server.now, &musician(17), &server.slots, &mut server.rng)
        .expect("a seat");
    let second = server
        .rooms
        .handle_gateway_musician(server.now, &musician(17), &server.slots, &mut server.rng)
        .expect("a seat");
    let ear = server.rooms.handle_gateway_listener(&room, via, &mut server.rng).expect("a session");
    assert!(first.sends && !ear.sends && first.session != second.session && ear.session != first.session);
    let done = server.drain();
    let listed: Vec<_> = done.roster().iter().map(|e| (e.source.0, e.name.as_str(), e.classic)).collect();
    assert_eq!(listed, [(1, "Ann", false), (2, "Classic 17", true), (3, "Classic 17 2", true)]);
    assert_eq!((done.rosters_to(ann), server.slots.len()), (1, 1));
    let full = server.rooms.handle_gateway_musician(server.now, &musician(18), &server.slots, &mut server.rng);
    assert_eq!(full.err(), Some(Refusal::RoomFull));
    assert_eq!(server.rooms.census(), Census { rooms: 1, musicians: 3, listeners: 0, connections: 1 });

    server.rooms.handle_session_over(server.now, first.session);
    server.rooms.handle_session_over(server.now, ear.session);
    let done = server.drain();
    assert_eq!(done.ended, [first.session, ear.session]);
    let left: Vec<_> = done.roster().iter().map(|e| e.source.0).collect();
    assert_eq!(left, [1, 3]);
}

const KNOWS_CHANGES: &str = r#"["roster-changes"]"#;

impl Done {
    fn told(&self, connection: ConnectionId) -> Vec<&ServerMessage> {
        self.said.iter().filter(|(c, _)| *c == connection).map(|(_, m)| m).collect()
    }

    fn refusals_to(&self, connection: ConnectionId) -> Vec<Refusal> {
        self.told(connection).into_iter().filter_map(as_refused).map(|refused| refused.reason).collect()
    }

    fn bytes(&self) -> usize {
        self.said.iter().map(|(_, m)| rtjam_protocol::control::write(m).len()).sum()
    }
}

/// Whoever knows `roster-changes` is sent the roster once, and then those alone who joined or left; others are sent all.
#[test]
fn roster_changes_replace_whole_rosters() {
    let mut server = Server::new(8);
    let (old, _) = server.join(1, "musician", "");
    server.features = KNOWS_CHANGES;
    let (new, done) = server.join(2, "musician", "");
    assert_eq!((done.rosters_to(new), done.rosters_to(old)), (1, 1));
    server.features = "[]";
    let (id, joined) = server.join(3, "musician", "");
    assert!(matches!(joined.told(id)[..], [ServerMessage::Joined(_), ServerMessage::Roster { .. }]), "and not twice");
    let [ServerMessage::RosterChanges { left, musicians, listeners: 0 }] = joined.told(new)[..] else {
        panic!("{:?}", joined.told(new))
    };
    assert_eq!((&left[..], musicians.iter().map(|m| m.source.0).collect::<Vec<_>>()), (&[][..], vec![3]));
    assert!(matches!(joined.told(old)[..], [ServerMessage::Roster { .. }]));

    let gone = server.says(id, ClientMessage::Bye);
    let changes = ServerMessage::RosterChanges { left: vec![SourceId(3)], musicians: vec![], listeners: 0 };
    assert_eq!(gone.told(new), [&changes]);
    assert!(matches!(gone.told(old)[..], [ServerMessage::Left { .. }, ServerMessage::Roster { .. }]));

    let (_, listener) = server.join(4, "listener", "");
    let changes = ServerMessage::RosterChanges { left: vec![], musicians: vec![], listeners: 1 };
    assert_eq!(listener.told(new), [&changes]);
}

/// Changes within 50 ms make one message, which is right for those as well who came in between.
#[test]
fn changes_within_the_window_are_coalesced() {
    for features in ["[]", KNOWS_CHANGES] {
        let mut server = Server::new(8);
        server.features = features;
        let (ann, _) = server.join(1, "musician", "");
        let began = server.now;
        let ben = server.ask("Ben", 2, "musician", "");
        let mut done = Done::default();
        server.drain_into(&mut done);
        server.now = began + Micros::from_millis(30);
        let cat = server.ask("Cat", 3, "musician", "");
        server.drain_into(&mut done);
        server.rooms.handle_message(server.now, ben, ClientMessage::Bye);
        server.drain_into(&mut done);
        assert!(!done.told(ann).iter().any(|m| is_roster(m)));
        assert_eq!(server.rooms.poll_timeout(), Some(began + COALESCE));
        let done = server.drain();
        assert_eq!(done.told(ann).iter().filter(|m| is_roster(m)).count(), 1);
        // Cat's roster named Ben.
        match done.told(cat)[..] {
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

/// One join and leave in a full room of 64 costs the server a fiftieth of what whole rosters cost.
#[test]
fn a_join_and_leave_in_a_full_room_send_little() {
    let bytes = [("[]", 1_000_000..3_000_000), (KNOWS_CHANGES, 10_000..60_000)].map(|(features, expected)| {
        let mut server = Server::new(64);
        server.features = features;
        let name = "🎸".repeat(40);
        (1..64).for_each(|who| drop(server.join_as(&name, who, "musician", "")));
        let (id, joined) = server.join_as(&name, 64, "musician", "");
        let bytes = joined.bytes() + server.says(id, ClientMessage::Bye).bytes();
        assert!(expected.contains(&bytes), "{features}: {bytes} bytes");
        bytes
    });
    println!("one join and leave among 64: {} bytes by whole rosters, {} by changes", bytes[0], bytes[1]);
    assert!(bytes[1] * 50 < bytes[0], "{bytes:?}");
}

/// Renewing a secret ends the sessions that the old one admitted, and their tokens open nothing.
#[test]
fn renewed_secret_ends_old_sessions() {
    let mut server = Server::new(8);
    let (ann, joined) = server.join(1, "musician", "");
    let (watcher, _) = server.join(4, "none", "");
    let (listener, _) = server.join(2, "listener", "");
    let token = token_text(joined.joined());
    server.secrets.musician = RoleSecret { secret: Secret([9; 16]), generation: 2, valid_from: 2 };
    server.rooms.handle_rules(server.now, &common::lobby(), &server.secrets.clone(), &[]);
    let done = server.drain();
    assert_eq!((&done.ended[..], &done.closed[..]), (&[joined.joined().session][..], &[ann, watcher][..]));
    let told: Vec<_> = done.told(ann).into_iter().filter_map(as_refused).collect();
    assert_eq!(told, [Refused::new(Refusal::SecretRenewed)]);
    assert_eq!(done.refusals_to(watcher), [Refusal::SecretRenewed]);
    assert!(done.refusals_to(listener).is_empty());

    // One who was not told comes back by their token, and one who has the old link.
    let (_, again) = server.join(1, "musician", &format!(r#","resume":"{token}""#));
    assert_eq!(again.refusal(), Some(Refusal::SecretRenewed));
    assert_eq!(server.join(1, "musician", "").1.refusal(), Some(Refusal::WrongSecret));
}

/// A resume that comes before the server has looked at the new secret is refused all the same.
#[test]
fn resume_after_renewal_is_refused() {
    let mut server = Server::new(8);
    let (_, joined) = server.join(1, "musician", "");
    let token = token_text(joined.joined());
    server.secrets.musician = RoleSecret { secret: Secret([9; 16]), generation: 2, valid_from: 2 };
    let (_, again) = server.join(1, "musician", &format!(r#","resume":"{token}""#));
    assert_eq!((again.refusal(), &again.ended[..]), (Some(Refusal::SecretRenewed), &[joined.joined().session][..]));
}

/// Where sessions are to be kept, those of the old secret go on and resume; nobody new comes in by it.
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

/// Whoever is kicked is told so, also when they come back by their token; joining anew lets them in.
#[test]
fn a_kicked_musician_is_told_and_may_join_anew() {
    let mut server = Server::new(8);
    let (ann, joined) = server.join_as("Ann", 1, "musician", "");
    let (ben, _) = server.join_as("Ben", 2, "musician", "");
    let token = token_text(joined.joined());
    let room = common::lobby();
    for (target, fits) in [
        (Target::from("7"), false),
        (Target::from("Cat"), false),
        (Target::from("198.51.100.1"), false),
        (Target::Identity(Identity::new(1).musician()), true),
    ] {
        assert_eq!(!server.rooms.handle_kick(server.now, &room, &target).is_empty(), fits, "{target}");
    }
    let done = server.drain();
    assert_eq!(done.refusals_to(ann), [Refusal::Kicked]);
    assert!(done.refusals_to(ben).is_empty() && done.roster().len() == 1);
    for word in ["resume", "replaces"] {
        let (_, again) = server.join(1, "musician", &format!(r#","{word}":"{token}""#));
        assert_eq!(again.refusal(), Some(Refusal::Kicked), "{word}");
    }
    assert_eq!(server.join_as("Ann", 1, "musician", "").1.refusal(), None);
    // By name, by address, and as text.
    assert_eq!(server.rooms.handle_kick(server.now, &room, &Target::from("Ben"))[0].name, "Ben");
    assert_eq!(server.rooms.handle_kick(server.now, &room, &Target::from("203.0.113.1")).len(), 1);
    let identity = room::identity_text(&Identity::new(1).musician());
    assert_eq!(Target::from(identity.as_str()), Target::Identity(Identity::new(1).musician()));
}

/// A ban by slot concerns the identity from everywhere, and everyone from that address, unless the address is exempt.
#[test]
fn a_ban_keeps_identity_and_address_out() {
    let room = common::lobby();
    for exempt in [false, true] {
        let mut server = Server::new(8);
        server.origin.exempt = exempt;
        server.join(1, "musician", "");
        let ban = server.rooms.ban_against(&room, &Target::from("1")).expect("somebody there");
        assert_eq!(ban.musician, Some(Identity::new(1).musician()));
        assert_eq!(ban.address, (!exempt).then(|| AddressKey::of(ORIGIN.address)));
        server.bans = vec![ban];
        server.rooms.handle_rules(server.now, &room, &server.secrets.clone(), &server.bans.clone());
        assert_eq!(server.drain().refusal(), Some(Refusal::Banned));
        assert_eq!(server.join(2, "musician", "").1.refusal(), (!exempt).then_some(Refusal::Banned));
        server.origin.address = [198, 51, 100, 1].into();
        assert_eq!(server.join(1, "listener", "").1.refusal(), Some(Refusal::Banned));
        assert_eq!(server.join(3, "musician", "").1.refusal(), None);
        // Without the secret nobody learns of a ban.
        let wrong = r#","secret":"AAAAAAAAAAAAAAAAAAAAAA""#;
        let text = format!(r#"{{"room":"lobby","role":"musician"{wrong}}}"#);
        let (id, nonce) = server.connect();
        server.says(id, ClientMessage::Hello(hello(&Identity::new(1), "Ann", &nonce)));
        let seat = rtjam_protocol::control::read(&text).expect("a seat");
        assert_eq!(server.says(id, ClientMessage::Seat(seat)).refusal(), Some(Refusal::WrongSecret));
    }
}

fn capped(caps: Caps) -> Server {
    Server::with(room::Config { caps, ..server_config(64) })
}

/// One identity has four seats at most; a session that replaces one of them needs no fifth.
#[test]
fn an_identity_has_four_seats() {
    let mut server = capped(Caps::default());
    let first = server.join(1, "musician", "").1;
    (0..3).for_each(|_| assert_eq!(server.join(1, "musician", "").1.refusal(), None));
    let (_, fifth) = server.join(1, "musician", "");
    assert_eq!(fifth.said.iter().find_map(|(_, m)| as_refused(m)), Some(Refused::new(Refusal::TooManyInstances)));
    let token = token_text(first.joined());
    assert_eq!(server.join(1, "musician", &format!(r#","replaces":"{token}""#)).1.refusal(), None);
    assert_eq!(server.join(1, "listener", "").1.refusal(), None);
    assert_eq!(server.join(2, "musician", "").1.refusal(), None);
}

/// From one address sixteen identities a minute come that the room has never seen; the seventeenth is told when.
#[test]
fn new_identities_of_an_address_are_paced() {
    let mut server = capped(Caps::default());
    let began = server.now;
    (1..=16).for_each(|who| assert_eq!(server.join(who, "musician", "").1.refusal(), None));
    let (_, refused) = server.join(17, "musician", "");
    let refused = refused.said.iter().find_map(|(_, m)| as_refused(m)).expect("refused");
    assert_eq!((refused.reason, refused.after), (Refusal::TooManyFromNetwork, Some(60)));
    // Whoever was there before is not new, nor is one more session of theirs; others' addresses are not concerned.
    let (bye, _) = server.join(3, "musician", "");
    server.says(bye, ClientMessage::Bye);
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

/// What one address may have of a room can be limited.
#[test]
fn an_address_has_its_share_of_a_room() {
    let mut server = capped(Caps { per_address: Some(2), ..Caps::default() });
    (1..=2).for_each(|who| assert_eq!(server.join(who, "musician", "").1.refusal(), None));
    assert_eq!(server.join(3, "musician", "").1.refusal(), Some(Refusal::TooManyFromNetwork));
    server.origin.exempt = true;
    assert_eq!(server.join(3, "musician", "").1.refusal(), None);
}
