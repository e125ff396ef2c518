//! Admission to rooms, refusals, and state that survives.

mod support;

use rtjam_protocol::RoomName;
use rtjam_protocol::SourceId;
use rtjam_protocol::control::{ClientMessage, Features, Hello, Refusal, SeatRequest, SeatRole, ServerMessage};
use rtjam_protocol::link::{InviteLink, Secret};
use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::control::{Control, join, join_as};
use support::{Server, TempDir, invite};

/// A refusal names its reason.
#[test]
fn refusals_name_their_reason() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let ask = |alter: &dyn Fn(&mut Hello, &mut SeatRequest)| {
        let mut control = Control::connect(&server.link);
        let (mut hello, mut seat) = (control.hello(1), control.seat(SeatRole::Musician));
        alter(&mut hello, &mut seat);
        control.ask(hello, seat).map(|joined| joined.source)
    };
    assert_eq!(ask(&|_, _| {}), Ok(SourceId(1)));
    assert_eq!(ask(&|_, seat| seat.secret = Some(Secret([0; 16]))), Err(Refusal::WrongSecret));
    assert_eq!(ask(&|_, seat| seat.secret = None), Err(Refusal::WrongSecret));
    let elsewhere = RoomName::new("elsewhere").expect("a name");
    assert_eq!(ask(&|_, seat| seat.room = elsewhere.clone()), Err(Refusal::WrongSecret));
    assert_eq!(ask(&|hello, _| hello.signature[0] ^= 1), Err(Refusal::BadSignature));
    assert_eq!(ask(&|hello, _| hello.version = 0), Err(Refusal::Version));
    assert_eq!(ask(&|hello, _| hello.suites.clear()), Err(Refusal::Version));

    let listener = invite(&dir, &["--role", "listener"]);
    assert_eq!(join(&listener, 1).1.err(), Some(Refusal::RoleNotAllowed));
    assert!(join_as(&listener, 1, SeatRole::Listener, None).1.is_ok());
}

#[test]
fn malformed_messages_are_refused() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    for text in ["", "hello", "[1]", "{\"type\":\"hello\"}"] {
        let mut control = Control::connect(&server.link);
        control.say_text(text);
        assert_eq!(control.answer().err(), Some(Refusal::BadMessage), "{text}");
    }
    let mut control = Control::connect(&server.link);
    control.say_text("{\"type\":\"of a later version\"}");
    control.say(&ClientMessage::Ping { id: 7 });
    assert_eq!(control.hear(), Some(ServerMessage::Pong { id: 7 }));
}

/// A full room refuses joins until somebody leaves.
#[test]
fn full_room_frees_seats() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--max-musicians", "1"]);
    let (mut first, joined) = join(&server.link, 1);
    assert!(joined.is_ok());
    assert_eq!(join(&server.link, 2).1.err(), Some(Refusal::RoomFull));
    first.say(&ClientMessage::Bye);
    while first.hear().is_some() {}
    assert!(join(&server.link, 2).1.is_ok());
}

/// Clients without the feature `roster-changes` receive whole rosters, and others the changes.
#[test]
fn rosters_tell_joins_and_leaves() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let roster = |message: &ServerMessage| match message {
        ServerMessage::Roster { musicians, .. } => Some(musicians.iter().map(|m| m.name.clone()).collect::<Vec<_>>()),
        _ => None,
    };
    let mut ann = Control::connect(&server.link);
    let old = Hello { features: Features::default(), ..ann.hello(1) };
    ann.ask(old, ann.seat(SeatRole::Musician)).expect("a seat");
    assert_eq!(ann.wait_for(roster), ["Musician 1"]);
    let (mut cat, _) = join(&server.link, 3);
    assert_eq!(ann.wait_for(roster), ["Musician 1", "Musician 3"]);
    assert_eq!(cat.wait_for(roster), ["Musician 1", "Musician 3"]);
    let (mut ben, _) = join(&server.link, 2);
    assert_eq!(ann.wait_for(roster), ["Musician 1", "Musician 3", "Musician 2"]);
    assert_eq!(ben.wait_for(roster), ["Musician 1", "Musician 3", "Musician 2"]);
    let changes = |message: &ServerMessage| match message {
        ServerMessage::RosterChanges { left, musicians, .. } => Some((left.clone(), musicians.len())),
        _ => None,
    };
    assert_eq!(cat.wait_for(changes), (vec![], 1));
    ben.say(&ClientMessage::Bye);
    assert_eq!(cat.wait_for(changes), (vec![SourceId(3)], 0));
    let left = ann.wait_for(|m| if let ServerMessage::Left { name, .. } = m { Some(name.clone()) } else { None });
    assert_eq!(left, "Musician 2");
    assert_eq!(ann.wait_for(roster), ["Musician 1", "Musician 3"]);
}

/// A renewed link works at once, and the old one no longer does.
#[test]
fn renewed_link_replaces_the_old() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (_seated, joined) = join(&server.link, 1);
    assert!(joined.is_ok());
    let renewed = invite(&dir, &["--renew"]);
    let start = Instant::now();
    assert_eq!(join(&server.link, 2).1.err(), Some(Refusal::WrongSecret));
    assert!(join(&renewed, 2).1.is_ok());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn resume_keeps_session_and_keys() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (control, joined) = join(&server.link, 1);
    let joined = joined.expect("a seat");
    drop(control);
    let (_control, again) = join_as(&server.link, 1, SeatRole::Musician, Some(joined.resume.clone()));
    let again = again.expect("the same seat");
    assert!(again.resumed);
    assert_eq!((again.session, again.keys), (joined.session, joined.keys));
}

/// Seats, links and the key survive SIGKILL.
#[cfg(unix)]
#[test]
fn state_survives_a_kill() {
    let dir = TempDir::new();
    let mut server = Server::start(&dir);
    let mut seats = Vec::new();
    for who in [1, 2, 3] {
        let (control, joined) = join(&server.link, who);
        seats.push((control, who, joined.expect("a seat").source));
    }
    server.signal(libc::SIGKILL);
    server.wait();
    let address = server.address().to_string();
    let again = Server::start_with(&dir, &["--listen", &address]);
    assert_eq!(again.link, server.link);
    // In reverse order.
    for (_, who, source) in seats.iter().rev() {
        assert_eq!(join(&server.link, *who).1.map(|j| j.source), Ok(*source));
    }
}

/// Connections that make no progress are closed after ten seconds.
#[test]
fn idle_connections_time_out() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let silent = TcpStream::connect(server.address()).expect("connected");
    let mut greeted = Control::connect(&server.link);
    let start = Instant::now();
    assert_eq!(greeted.hear(), None);
    assert!(start.elapsed() > Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(is_closed(silent));
}

/// Whether the server closes a connection without sending anything. Silent connections are reset.
fn is_closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(support::SOON)).expect("set");
    match stream.read(&mut [0; 16]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn silent_connections_keep_nobody_out() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let _silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address()).expect("connected")).collect();
    let link: &InviteLink = &server.link;
    assert!(join(link, 1).1.is_ok());
}

/// The server promises 30 MB when idle and 1 MB per musician; a debug build uses a little more.
#[cfg(target_os = "linux")]
#[test]
fn full_room_uses_little_memory() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let peak_kib = || {
        let status = support::read(std::path::Path::new(&format!("/proc/{}/status", server.child.id())));
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a peak").trim();
        line.trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let idle = peak_kib();
    assert!(idle < 30 * 1024, "{idle} KiB");
    let seated: Vec<_> = (0..40).map(|who| join(&server.link, who)).collect();
    assert!(seated.iter().all(|(_, joined)| joined.is_ok()));
    let full = peak_kib();
    println!("idle {idle} KiB, with 40 musicians {full} KiB");
    assert!(full - idle < 40 * 1024, "{idle} KiB, then {full} KiB");
}
