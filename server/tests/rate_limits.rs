//! Rate limits of sessions, and datagrams forged in their name.

mod support;

use rtjam_protocol::control::ServerMessage;
use rtjam_protocol::datagram::Frame;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::media::{Received, TestMusician, audio, payload};
use support::{Server, TempDir, http, invite};

const SOUND: [i16; 32] = [7; 32];

/// Packets of 16 frames in one second of audio.
const PACKETS_PER_SECOND: u32 = 3000;

/// Sends datagrams to the server at a constant rate until it ends.
struct DatagramFlood {
    ends: std::sync::Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl DatagramFlood {
    fn start(per_second: u64, mut send: impl FnMut(u64) + Send + 'static) -> DatagramFlood {
        let ends = std::sync::Arc::new(AtomicBool::new(false));
        let ended = ends.clone();
        let thread = thread::spawn(move || {
            let (begin, mut sent) = (Instant::now(), 0);
            while !ended.load(Ordering::Relaxed) {
                while sent < (begin.elapsed().as_micros() as u64 * per_second) / 1_000_000 {
                    send(sent);
                    sent += 1;
                }
                thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        DatagramFlood { ends, thread: Some(thread) }
    }

    /// Ends the flood and returns the number of datagrams.
    fn end(mut self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().expect("no panic"))
    }
}

/// Of 10,000 packets a second, the audio of one musician is forwarded. The sender is told, and the metrics show it.
#[test]
fn floods_are_cut_to_one_musician() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    let (begin, mut sent, mut heard) = (Instant::now(), 0_u32, 0);
    while begin.elapsed() < Duration::from_secs(4) {
        while u128::from(sent) < begin.elapsed().as_millis() * 10 {
            ann.send_audio(sent, &SOUND);
            sent += 1;
        }
        heard += ben.listen_for(Duration::from_millis(1)).iter().filter(|h| h.is_audio()).count();
    }
    let seconds = begin.elapsed().as_secs_f64();
    heard += ben.listen(support::media::QUIET).iter().filter(|h| h.is_audio()).count();
    let most = f64::from(PACKETS_PER_SECOND) * (seconds * 1.01 + 0.25);
    assert!(heard as f64 <= most + 1.0, "{heard} of {sent} were forwarded, more than {most}");
    assert!(heard as f64 > most * 0.8, "{heard} of {sent} were forwarded");
    let told =
        ann.control.wait_for(|m| if let ServerMessage::OverRate { dropped } = m { Some(*dropped) } else { None });
    assert!(told > 1000, "{told}");
    let metrics = http(server.address(), "GET /metrics", "");
    let line = format!("rtjam_session_over_rate_total{{session=\"{:08x}\"}} ", ann.joined.session.0);
    assert!(metrics.contains(&line), "{metrics}");
    assert!(!metrics.contains("rtjam_datagrams_dropped_total{reason=\"over_rate\"} 0\n"), "{metrics}");
}

/// 30,000 forged datagrams a second in a musician's session cost that musician no packet, and do not stop a change of
/// address.
#[test]
fn forgeries_cost_the_musician_nothing() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    let sound = payload(&SOUND);
    let mut forged = ann.seal(&audio(9_999_999, &sound));
    let last = forged.len() - 1;
    let (stranger, address) = (UdpSocket::bind("127.0.0.1:0").expect("a socket"), server.address());
    let flood = DatagramFlood::start(30_000, move |n| {
        // A new counter each time, so that the replay window does not drop it.
        forged[7..14].copy_from_slice(&(1_000_000 + n).to_be_bytes()[1..]);
        forged[last] ^= 1;
        let _ = stranger.send_to(&forged, address);
    });
    loses_nothing(&mut ann, &mut ben);

    ann.change_address();
    let moved = Instant::now();
    while !ann.listen_for(Duration::from_micros(2667)).contains(&Received::ClockReply) {
        assert!(moved.elapsed() < Duration::from_secs(3), "the server has not accepted the new address");
        ann.send(&Frame::ClockRequest(rtjam_protocol::datagram::ClockRequest { sent: Default::default() }));
    }
    assert!(flood.end() > 50_000, "the flood is too slow");
}

/// A musician who sends as much as 20 do to a room of 20 costs another room no packet.
#[test]
fn greedy_session_costs_other_rooms_nothing() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut greedy = TestMusician::join(&server.link, 1);
    let crowd: Vec<TestMusician> = (2..20).map(|n| TestMusician::join(&server.link, n)).collect();
    let elsewhere = invite(&dir, &["elsewhere"]);
    let mut ann = TestMusician::join(&elsewhere, 100);
    let mut ben = TestMusician::join(&elsewhere, 101);
    let mut sequence = 0;
    let flood = DatagramFlood::start(20_000, move |_| {
        greedy.send_audio(sequence, &SOUND);
        sequence += 1;
    });
    loses_nothing(&mut ann, &mut ben);
    assert!(flood.end() > 30_000, "the flood is too slow");
    drop(crowd);
}

/// `from` sends 375 packets a second for three seconds, and `to` receives every one.
#[track_caller]
fn loses_nothing(from: &mut TestMusician, to: &mut TestMusician) {
    let (begin, mut sent, mut heard) = (Instant::now(), 0_u32, 0);
    while begin.elapsed() < Duration::from_secs(3) {
        while u128::from(sent) < begin.elapsed().as_millis() * 375 / 1000 {
            from.send_audio(sent, &SOUND);
            sent += 1;
        }
        heard += to.listen_for(Duration::from_millis(1)).iter().filter(|h| h.is_audio()).count();
    }
    heard += to.listen(support::media::QUIET).iter().filter(|h| h.is_audio()).count();
    assert_eq!(heard, sent as usize, "packets were lost");
}
