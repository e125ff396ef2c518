//! Limits by address, and their effect on other addresses.

mod support;

use rtjam_protocol::RoomName;
use rtjam_protocol::control::{ClientMessage, Refusal, Refused, SeatRole, ServerMessage};
use rtjam_protocol::link::{InviteLink, Secret};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::control::{Control, join, join_as};
use support::{Server, TempDir, invite};

fn start(dir: &TempDir, flags: &[&str]) -> Server {
    Server::start_with(dir, &[&["--listen", "127.0.0.1:0"], flags].concat())
}

/// Requests a musician's seat for an address that a proxy names.
fn join_for(link: &InviteLink, who: u8, address: &str) -> (Control, Result<(), Refusal>) {
    let mut control = Control::connect_for(link, Some(address));
    let (hello, seat) = (control.hello(who), control.seat(SeatRole::Musician));
    let answer = control.ask(hello, seat).map(|_| ());
    (control, answer)
}

/// An address has at most so many sessions, and another one when one ends.
#[test]
fn sessions_of_an_address_are_limited() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--max-sessions-per-address", "2"]);
    let (mut ann, joined) = join(&server.link, 1);
    let (_ben, also) = join(&server.link, 2);
    assert!(joined.is_ok() && also.is_ok());
    assert_eq!(join(&server.link, 3).1.err(), Some(Refusal::TooManySessions));
    ann.say(&ClientMessage::Bye);
    while ann.hear().is_some() {}
    assert!(join(&server.link, 3).1.is_ok());
}

/// Listeners take neither sessions nor joins from the musicians of their address.
#[test]
fn listeners_keep_no_musician_out() {
    let dir = TempDir::new();
    let flags = ["--limit-loopback", "--max-sessions-per-address", "2", "--join-burst", "4"];
    let server = start(&dir, &flags);
    let listen = invite(&dir, &["--role", "listener"]);
    let flood: Vec<_> = (0..8).map(|who| join_as(&listen, who, SeatRole::Listener, None)).collect();
    assert_eq!(flood.iter().filter(|(_, joined)| joined.is_ok()).count(), 2);
    let band: Vec<_> = (10..13).map(|who| join(&server.link, who)).collect();
    let refused: Vec<_> = band.iter().map(|(_, joined)| joined.as_ref().err().copied()).collect();
    assert_eq!(refused, [None, None, Some(Refusal::TooManySessions)]);
}

/// A refusal of a join beyond the burst says when to retry, and a later join succeeds.
#[test]
fn excess_joins_succeed_later() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--join-burst", "2"]);
    // All connect before the first one joins, so that a busy machine does not stretch the burst.
    let mut waiting: Vec<Control> = (0..8).map(|_| Control::connect(&server.link)).collect();
    for (who, control) in (1..).zip(&mut waiting) {
        let (hello, seat) = (control.hello(who), control.seat(SeatRole::Musician));
        control.say(&ClientMessage::Hello(hello));
        control.say(&ClientMessage::Seat(seat));
    }
    let refused: Vec<Refused> = waiting.iter_mut().filter_map(refusal).collect();
    assert!((1..=6).contains(&refused.len()), "{refused:?}");
    assert!(refused.iter().all(|r| *r == Refused::after(Refusal::TooManyJoins, 1)), "{refused:?}");
    support::eventually("a seat after a while", || join(&server.link, 99).1.is_ok());
}

fn refusal(control: &mut Control) -> Option<Refused> {
    match control.hear() {
        Some(ServerMessage::Refused(refused)) => Some(refused),
        Some(ServerMessage::Joined(_)) => None,
        other => panic!("{other:?} is not an answer to a seat request"),
    }
}

/// Each wrong secret is answered later than the one before, and right ones at once.
#[test]
fn wrong_secrets_delay_no_right_one() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback"]);
    let mut guessers: Vec<Control> = (0..16).map(|_| Control::connect(&server.link)).collect();
    let mut musician = Control::connect(&server.link);
    let asked = Instant::now();
    for control in &mut guessers {
        let (hello, mut seat) = (control.hello(1), control.seat(SeatRole::Musician));
        seat.secret = Some(Secret([0; 16]));
        control.say(&ClientMessage::Hello(hello));
        control.say(&ClientMessage::Seat(seat));
    }
    let said = asked.elapsed();
    let (hello, seat) = (musician.hello(2), musician.seat(SeatRole::Musician));
    assert!(musician.ask(hello, seat).is_ok());
    let seated = asked.elapsed();
    for control in &mut guessers {
        assert_eq!(refusal(control).map(|r| r.reason), Some(Refusal::WrongSecret));
    }
    // Six guesses exceed the ten, at one a second; the budget refills while they are sent.
    let last = asked.elapsed();
    assert!(last + said >= Duration::from_secs(5), "{last:?}");
    assert!(seated < last, "{seated:?}, {last:?}");
}

/// The answer to a request for a seat in this room with this secret, and its delay.
fn guess(link: &InviteLink, room: &str, secret: Option<Secret>) -> (Option<Refusal>, Duration) {
    let mut control = Control::connect(link);
    let (hello, mut seat) = (control.hello(1), control.seat(SeatRole::Musician));
    seat.room = RoomName::new(room).expect("a name");
    if secret.is_some() {
        seat.secret = secret;
    }
    control.say(&ClientMessage::Hello(hello));
    // After this answer the signature has been verified.
    control.say(&ClientMessage::Ping { id: 1 });
    assert_eq!(control.hear(), Some(ServerMessage::Pong { id: 1 }));
    let asked = Instant::now();
    control.say(&ClientMessage::Seat(seat));
    let refused = refusal(&mut control).map(|refused| refused.reason);
    (refused, asked.elapsed())
}

/// Wrong secrets have a budget of their own.
#[test]
fn guesses_cost_neighbours_no_joins() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--join-burst", "2"]);
    for n in 0..9 {
        let room = if n % 2 == 0 { "lobby" } else { "attic" };
        assert_eq!(guess(&server.link, room, Some(Secret([n; 16]))).0, Some(Refusal::WrongSecret));
    }
    // All connect before the first one joins, so that the budget does not refill in between.
    let mut band: Vec<Control> = (0..3).map(|_| Control::connect(&server.link)).collect();
    for (who, control) in (1..).zip(&mut band) {
        let (hello, seat) = (control.hello(who), control.seat(SeatRole::Musician));
        control.say(&ClientMessage::Hello(hello));
        control.say(&ClientMessage::Seat(seat));
    }
    let mut told: Vec<_> = band.iter_mut().map(|control| refusal(control).map(|r| r.reason)).collect();
    told.sort_by_key(Option::is_some);
    assert_eq!(told, [None, None, Some(Refusal::TooManyJoins)]);
}

/// Sessions can resume however often the address has joined.
#[test]
fn resumes_cost_no_joins() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--join-burst", "1"]);
    let (_control, joined) = join(&server.link, 1);
    let token = joined.expect("a seat").resume;
    for _ in 0..20 {
        let again = join_as(&server.link, 1, SeatRole::Musician, Some(token.clone())).1;
        assert!(again.expect("the same seat").resumed);
    }
}

/// Answer and delay are the same: either one of a pair is the faster about equally often.
#[test]
fn unknown_room_looks_like_wrong_secret() {
    const PAIRS: usize = 150;
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    let mut unknown_faster = 0;
    let mut medians = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        let (known, took) = guess(&server.link, "lobby", Some(Secret([0; 16])));
        let (unknown, took_unknown) = guess(&server.link, "attic", None);
        assert_eq!([known, unknown], [Some(Refusal::WrongSecret); 2]);
        unknown_faster += usize::from(took_unknown < took);
        medians[0].push(took);
        medians[1].push(took_unknown);
    }
    let [known, unknown] = medians.map(|mut all| {
        all.sort();
        all[PAIRS / 2]
    });
    println!("wrong secret {known:?}, unknown room {unknown:?}; unknown faster in {unknown_faster} of {PAIRS}");
    assert!((PAIRS / 4..=PAIRS * 3 / 4).contains(&unknown_faster), "{unknown_faster} of {PAIRS}");
}

/// After a burst, 20 pings a second are answered.
#[test]
fn websocket_pings_are_rate_limited() {
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    let (mut ann, joined) = join(&server.link, 1);
    assert!(joined.is_ok());
    let pongs = ann.pongs(3000, Duration::from_secs(2));
    assert!((50..=180).contains(&pongs), "{pongs}");
}

/// After a burst, 20 requests a second are answered on one connection.
#[test]
fn requests_are_rate_limited() {
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    let mut stream = TcpStream::connect(server.address()).expect("connected");
    let start = Instant::now();
    stream.write_all("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(69).as_bytes()).expect("sent");
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("answers");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 70);
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
}

/// A server that is full by sessions or by memory refuses with that reason.
#[test]
fn full_server_refuses_sessions() {
    for flags in [["--max-sessions", "1"], ["--max-memory", "1"]] {
        let dir = TempDir::new();
        let server = start(&dir, &flags);
        // Loopback is exempt from the limits by address, but not from those of the whole server.
        let (_ann, first) = join(&server.link, 1);
        let second = join(&server.link, 2).1;
        let expected = if flags[0] == "--max-sessions" { None } else { Some(Refusal::ServerFull) };
        assert_eq!((first.err(), second.err()), (expected, Some(Refusal::ServerFull)));
    }
}

/// Limits behind a trusted proxy apply to each client.
#[test]
fn trusted_proxies_separate_their_clients() {
    let dir = TempDir::new();
    let flags = ["--limit-loopback", "--max-sessions-per-address", "1", "--trusted-proxy", "127.0.0.1"];
    let server = start(&dir, &flags);
    let (_ann, first) = join_for(&server.link, 1, "203.0.113.7");
    let (_, again) = join_for(&server.link, 2, "203.0.113.7");
    // A forged address stands before the one that the proxy appended.
    let (_, forged) = join_for(&server.link, 2, "198.51.100.1, 203.0.113.7");
    let (_ben, other) = join_for(&server.link, 3, "203.0.113.8");
    let full = Err(Refusal::TooManySessions);
    assert_eq!((first, again, forged, other), (Ok(()), full, full, Ok(())));
}

/// The header of a client that is not a trusted proxy has no effect.
#[test]
fn untrusted_proxies_are_ignored() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--max-sessions-per-address", "1"]);
    let (_ann, first) = join_for(&server.link, 1, "203.0.113.7");
    let (_, second) = join_for(&server.link, 2, "203.0.113.8");
    assert_eq!((first, second), (Ok(()), Err(Refusal::TooManySessions)));
}

/// The default limits admit two hundred joins at once from one address.
#[test]
fn two_hundred_joins_at_once_succeed() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--max-musicians", "240", "--max-new-identities", "200"]);
    let join_some = |from: u8| {
        let joins = (0..25).map(|n| join(&server.link, from + n)).collect::<Vec<_>>();
        let refused = joins.iter().filter_map(|(_, joined)| joined.as_ref().err().copied()).collect::<Vec<_>>();
        (joins, refused)
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || join_some(n * 25))).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    assert!(all.iter().all(|(_, refused)| refused.is_empty()), "{:?}", all.iter().map(|a| &a.1).collect::<Vec<_>>());
}
