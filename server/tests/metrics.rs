//! Health, metrics, and the records of sessions.

mod support;

use rtjam_protocol::SourceId;
use rtjam_protocol::control::{ClientMessage, Refusal, SeatRole};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::Secret;
use rusqlite::{Connection, OpenFlags};
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::control::{Control, join};
use support::media::TestMusician;
use support::{Server, TempDir, eventually, failure, http, program};

fn start(dir: &TempDir, flags: &[&str]) -> Server {
    Server::start_with(dir, &[&["--listen", "127.0.0.1:0"], flags].concat())
}

/// The current value of a metric, by its name and labels.
fn metric(server: &Server, name: &str) -> f64 {
    let text = http(server.address(), "GET /metrics", "");
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// The metrics count members, packets, refusals and drops as they happen.
#[test]
fn metrics_follow_the_rooms() {
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    assert_eq!((metric(&server, "rtjam_rooms"), metric(&server, "rtjam_musicians")), (0.0, 0.0));
    let (mut ann, mut ben) = (TestMusician::join(&server.link, 1), TestMusician::join(&server.link, 2));
    let mut listener = TestMusician::join_as(&server.link, 3, SeatRole::Listener);
    for n in [1, 2, 4, 3, 8] {
        ann.send_audio(n, &[1; 32]);
    }
    ben.wait_for("the last packet", |h| {
        if let support::media::Received::Audio(_, n, _) = h { (n.0 == 8).then_some(()) } else { None }
    });
    let mut intruder = Control::connect(&server.link);
    let (hello, mut seat) = (intruder.hello(9), intruder.seat(SeatRole::Musician));
    seat.secret = Some(Secret([0; 16]));
    assert_eq!(intruder.ask(hello, seat).err(), Some(Refusal::WrongSecret));

    let census = ["rtjam_rooms", "rtjam_musicians", "rtjam_listeners", "rtjam_store_works"].map(|n| metric(&server, n));
    assert_eq!(census, [1.0, 2.0, 1.0, 1.0]);
    let audio =
        ["packets", "lost", "recovered", "repeated"].map(|n| metric(&server, &format!("rtjam_audio_{n}_total")));
    assert_eq!(audio, [5.0, 3.0, 1.0, 0.0]);
    assert_eq!(metric(&server, "rtjam_refused_total{reason=\"wrong_secret\"}"), 1.0);
    assert!(metric(&server, "rtjam_datagrams_sent_total{kind=\"forwarded\"}") >= 5.0);
    listener.wait_for("a mix", |h| (h.source() == Some(SourceId::MIX)).then_some(()));
    assert_eq!(metric(&server, "rtjam_mixes"), 1.0);
    assert!(metric(&server, "rtjam_mix_packets_total") > 0.0);
    listener.send_audio(1, &[1; 32]);
    let played = "rtjam_datagrams_dropped_total{reason=\"listener_plays\"}";
    eventually("what a listener plays", || metric(&server, played) == 1.0);
    let forwarded = metric(&server, "rtjam_forwarding_seconds_count");
    assert!(forwarded >= 5.0 && forwarded == metric(&server, "rtjam_forwarding_seconds_bucket{le=\"+Inf\"}"));
    assert!(
        metric(&server, "rtjam_uptime_seconds") > 0.0
            && metric(&server, "rtjam_media_cpu_seconds_total{thread=\"0\"}") >= 0.0
    );
}

/// Datagrams that are not authentic are counted by reason.
#[test]
fn drops_are_counted_by_reason() {
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    let mut ann = TestMusician::join(&server.link, 1);
    let genuine = ann.seal(&Frame::KeepAlive);
    let mut forged = genuine.clone();
    *forged.last_mut().expect("bytes") ^= 1;
    let mut unknown = genuine.clone();
    // The session id follows class, key and lane.
    unknown[3..7].fill(0xEE);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let dropped = |why: &str| metric(&server, &format!("rtjam_datagrams_dropped_total{{reason=\"{why}\"}}"));
    let before = ["not_ours", "did_not_open", "unknown_session"].map(dropped);
    for datagram in [&b"\x01hello"[..], &forged, &unknown] {
        stranger.send_to(datagram, server.address()).expect("sent");
    }
    eventually("each counted once", || {
        ["not_ours", "did_not_open", "unknown_session"].map(dropped) == before.map(|n| n + 1.0)
    });
    assert_eq!(dropped("kernel_buffer_full"), 0.0);
}

/// `/metrics` is shown to this machine, and to others only with the token.
#[test]
fn metrics_need_loopback_or_token() {
    let dir = TempDir::new();
    let token = dir.0.join("token");
    std::fs::write(&token, "correct-horse-battery\n").expect("written");
    let server = start(&dir, &["--metrics-token-file", token.to_str().expect("text")]);
    let get = |headers: &str| http(server.address(), "GET /metrics", headers);
    assert!(get("").starts_with("HTTP/1.1 200") && get("").contains("text/plain; version=0.0.4"));
    // What a proxy on this machine passes on is not from this machine.
    for header in ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=203.0.113.7"] {
        let refused = get(&format!("{header}\r\n"));
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("--metrics-token-file"), "{refused}");
        let wrong = get(&format!("{header}\r\nAuthorization: Bearer correct-horse-batterz\r\n"));
        assert!(wrong.starts_with("HTTP/1.1 403"), "{wrong}");
        let right = get(&format!("{header}\r\nAuthorization: Bearer correct-horse-battery\r\n"));
        assert!(right.starts_with("HTTP/1.1 200"), "{right}");
    }
    assert!(!get("").contains("correct-horse"));

    std::fs::write(&token, "short\n").expect("written");
    let other = TempDir::new();
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(other.data()).arg("--metrics-token-file").arg(&token);
    let (code, said) = failure(&mut command);
    assert!(code == Some(1) && said.contains("at least 16"), "{said}");
}

/// `/health` fails while the database does, and recovers with it.
#[test]
fn health_follows_the_database() {
    let dir = TempDir::new();
    let server = start(&dir, &[]);
    assert!(http(server.address(), "GET /health", "").ends_with("\r\n\r\nok"));
    let db = Connection::open(dir.data().join("rooms.sqlite3")).expect("opens");
    db.execute_batch("ALTER TABLE slots RENAME TO gone").expect("renamed");
    assert_eq!(join(&server.link, 1).1.err(), Some(Refusal::ServerUnable));
    let health = || http(server.address(), "GET /health", "");
    eventually("bad health", || health().starts_with("HTTP/1.1 503") && health().contains("database"));
    db.execute_batch("ALTER TABLE gone RENAME TO slots").expect("renamed");
    assert!(join(&server.link, 1).1.is_ok());
    eventually("health", || http(server.address(), "GET /health", "").ends_with("\r\n\r\nok"));
}

/// A session is recorded when the musician leaves and when the server stops.
#[test]
fn session_records_are_stored() {
    let dir = TempDir::new();
    let mut server = start(&dir, &[]);
    let mut ann = TestMusician::join(&server.link, 1);
    let _ben = TestMusician::join(&server.link, 2);
    for n in [1, 2, 3, 6] {
        ann.send_audio(n, &[1; 32]);
    }
    // The server pings a second after the join; the client answers while it reads.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        ann.control.say(&ClientMessage::Ping { id: 1 });
        ann.control.wait_for(|m| matches!(m, rtjam_protocol::control::ServerMessage::Pong { .. }).then_some(()));
        ann.listen(Duration::from_millis(20));
        ann.send(&Frame::KeepAlive);
    }
    ann.control.say(&ClientMessage::Bye);
    while ann.control.hear().is_some() {}

    let path = dir.data().join("rooms.sqlite3");
    let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens");
    let rows = |what: &str| -> Vec<String> {
        let mut query = db.prepare(&format!("SELECT {what} FROM sessions ORDER BY slot")).expect("a query");
        let rows = query.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    };
    eventually("Ann's record", || rows("room").len() == 1);
    let numbers =
        "room || ' ' || slot || ' ' || role || ' ' || packets || ' ' || lost || ' ' || recovered || ' ' || repeated";
    assert_eq!(rows(numbers), ["lobby 1 musician 4 2 0 0"]);
    let sums = "(SELECT sum(value ->> 1) FROM json_each(jitter_us)) || ' ' || (SELECT sum(value ->> 1) FROM json_each(round_trip_us))";
    assert_eq!(rows(sums), ["2 1"]);
    assert!(rows("CAST(duration_ms AS TEXT)")[0].parse::<u64>().expect("a number") >= 3000);

    server.signal(libc::SIGTERM);
    server.wait();
    assert_eq!(rows("role || slot"), ["musician1", "musician2"]);
}
