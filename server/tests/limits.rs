//! What one address gets from a real server, and that others do not suffer from it.

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

/// Asks for a musician's seat, for an address that a proxy names.
fn join_for(link: &InviteLink, who: u8, address: &str) -> (Control, Result<(), Refusal>) {
    let mut control = Control::connect_for(link, Some(address));
    let (hello, seat) = (control.hello(who), control.seat(SeatRole::Musician));
    let answer = control.ask(hello, seat).map(|_| ());
    (control, answer)
}

#[test]
fn an_address_has_so_many_sessions_and_another_when_one_leaves() {
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

#[test]
fn listeners_of_an_address_keep_none_of_its_musicians_out() {
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

#[test]
fn joins_beyond_the_burst_are_told_when_to_come_again_and_may_then() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--join-burst", "2"]);
    // They have connected before the first asks, so that a busy machine does not stretch the burst.
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
        other => panic!("{other:?} is no answer to a seat"),
    }
}

#[test]
fn wrong_secrets_are_answered_ever_more_slowly_and_a_right_one_at_once() {
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
    // Six tries beyond the ten, one a second, less what came back while they were made.
    let last = asked.elapsed();
    assert!(last + said >= Duration::from_secs(5), "{last:?}");
    assert!(seated < last, "{seated:?}, {last:?}");
}

/// What `control` is told when it asks for a seat by this secret in this room, and how long that took.
fn guess(link: &InviteLink, room: &str, secret: Option<Secret>) -> (Option<Refusal>, Duration) {
    let mut control = Control::connect(link);
    let (hello, mut seat) = (control.hello(1), control.seat(SeatRole::Musician));
    seat.room = RoomName::new(room).expect("a name");
    if secret.is_some() {
        seat.secret = secret;
    }
    control.say(&ClientMessage::Hello(hello));
    // The answer tells that the signature has been checked.
    control.say(&ClientMessage::Ping { id: 1 });
    assert_eq!(control.hear(), Some(ServerMessage::Pong { id: 1 }));
    let asked = Instant::now();
    control.say(&ClientMessage::Seat(seat));
    let refused = refusal(&mut control).map(|refused| refused.reason);
    (refused, asked.elapsed())
}

/// Wrong secrets are paid for from a budget of their own.
#[test]
fn guesses_cost_neighbours_no_joins() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--join-burst", "2"]);
    for n in 0..9 {
        let room = if n % 2 == 0 { "lobby" } else { "attic" };
        assert_eq!(guess(&server.link, room, Some(Secret([n; 16]))).0, Some(Refusal::WrongSecret));
    }
    // Connected before the first asks, so that the budget does not refill meanwhile.
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

/// Whoever has a session gets it back however often the address has joined.
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

/// Neither by what is said nor by how long it takes: of pairs, either is the faster one about as often.
#[test]
fn an_unknown_room_looks_like_a_wrong_secret() {
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

/// Whoever pings without end is answered 20 times a second after a burst.
#[test]
fn websocket_pings_are_paced() {
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    let (mut ann, joined) = join(&server.link, 1);
    assert!(joined.is_ok());
    let pongs = ann.pongs(3000, Duration::from_secs(2));
    assert!((50..=180).contains(&pongs), "{pongs}");
}

/// Requests on one connection, too.
#[test]
fn requests_of_a_connection_are_paced() {
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

#[test]
fn a_full_server_says_so() {
    for flags in [["--max-sessions", "1"], ["--max-memory", "1"]] {
        let dir = TempDir::new();
        let server = start(&dir, &flags);
        // Loopback is exempt from what counts by address, not from what counts in all.
        let (_ann, first) = join(&server.link, 1);
        let second = join(&server.link, 2).1;
        let expected = if flags[0] == "--max-sessions" { None } else { Some(Refusal::ServerFull) };
        assert_eq!((first.err(), second.err()), (expected, Some(Refusal::ServerFull)));
    }
}

#[test]
fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let dir = TempDir::new();
    let flags = ["--limit-loopback", "--max-sessions-per-address", "1", "--trusted-proxy", "127.0.0.1"];
    let server = start(&dir, &flags);
    let (_ann, first) = join_for(&server.link, 1, "203.0.113.7");
    let (_, again) = join_for(&server.link, 2, "203.0.113.7");
    // What a client has made up stands before what the proxy appended.
    let (_, forged) = join_for(&server.link, 2, "198.51.100.1, 203.0.113.7");
    let (_ben, other) = join_for(&server.link, 3, "203.0.113.8");
    let full = Err(Refusal::TooManySessions);
    assert_eq!((first, again, forged, other), (Ok(()), full, full, Ok(())));
}

#[test]
fn nobody_elses_word_is_taken_for_where_they_come_from() {
    let dir = TempDir::new();
    let server = start(&dir, &["--limit-loopback", "--max-sessions-per-address", "1"]);
    let (_ann, first) = join_for(&server.link, 1, "203.0.113.7");
    let (_, second) = join_for(&server.link, 2, "203.0.113.8");
    assert_eq!((first, second), (Ok(()), Err(Refusal::TooManySessions)));
}

#[test]
fn two_hundred_at_once_from_one_address_are_let_in_by_default() {
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
