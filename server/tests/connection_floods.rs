//! Floods of connections do not keep musicians from joining, resuming and playing.
#![cfg(target_os = "linux")]

mod support;

use rtjam_protocol::control::{ClientMessage, Joined, Refusal, ResumeToken, SeatRole, ServerMessage};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::InviteLink;
use rtjam_server::system;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::control::Control;
use support::media::TestMusician;
use support::{Server, TempDir};

/// What a stranger sends on a connection before going silent.
#[derive(Clone, Copy, PartialEq)]
enum Sends {
    Nothing,
    OneByte,
    HalfHello,
    /// A complete hello; the stranger does not read the answer.
    Hello,
    HalfHead,
}

const ALL: [Sends; 5] = [Sends::Nothing, Sends::OneByte, Sends::HalfHello, Sends::Hello, Sends::HalfHead];

/// A flood of connections that lasts until this is dropped.
struct ConnectionFlood {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
}

impl ConnectionFlood {
    /// Opens `per_second` connections from 16 addresses, and holds the last `most` open.
    fn begin(server: SocketAddr, kinds: &'static [Sends], per_second: u32, most: usize) -> ConnectionFlood {
        system::raise_open_file_limit();
        let (stop, opened) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let hello = Arc::new(client_hello());
        let threads = (0..4).map(|thread| {
            let (stop, opened, hello) = (stop.clone(), opened.clone(), hello.clone());
            std::thread::spawn(move || {
                let mut held = VecDeque::new();
                let start = Instant::now();
                for n in 0_u32.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let due = start + Duration::from_secs(4) * n / per_second;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let from = Ipv4Addr::new(127, 0, 9, (thread * 4 + n % 4) as u8 + 1);
                    // The test is out of ports or files; other connections stay open.
                    let Ok(stream) = connect(from, server) else { continue };
                    send(&stream, kinds[n as usize % kinds.len()], &hello);
                    held.push_back(stream);
                    if held.len() > most / 4 {
                        held.pop_front();
                    }
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        ConnectionFlood { threads: threads.collect(), stop, opened }
    }

    fn wait_for(&self, connections: u32) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.opened() < connections {
            assert!(Instant::now() < deadline, "{} of {connections} connections", self.opened());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn opened(&self) -> u32 {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectionFlood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), Duration::from_secs(1))?;
    // No socket lingers when the test is over.
    socket.set_linger(Some(Duration::ZERO))?;
    Ok(socket.into())
}

fn send(mut stream: &TcpStream, what: Sends, hello: &[u8]) {
    let bytes = match what {
        Sends::Nothing => &[],
        Sends::OneByte => &hello[..1],
        Sends::HalfHello => &hello[..hello.len() / 2],
        Sends::Hello => hello,
        Sends::HalfHead => b"GET / HTTP/1.1\r\nHost: x\r\n",
    };
    // Fails when the server has closed already.
    let _ = stream.write_all(bytes);
}

/// The first message of a native client.
fn client_hello() -> Vec<u8> {
    let mut tls = support::control::tls_client([127, 0, 0, 1].into(), &[rtjam_protocol::control::ALPN]).0;
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).expect("into memory");
    }
    bytes
}

/// 20 musicians at 127.0.0.1, whose sessions live until this is dropped.
struct Band {
    tokens: Vec<ResumeToken>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Band {
    fn seated(link: &InviteLink) -> Band {
        let mut band: Vec<_> = (0..20).map(|who| TestMusician::join(link, who)).collect();
        let tokens = band.iter().map(|musician| musician.joined.resume.clone()).collect();
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                band.iter_mut().for_each(|musician| musician.send(&Frame::KeepAlive));
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Band { tokens, stop, thread: Some(thread) }
    }
}

impl Drop for Band {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Requests a seat from this address.
fn join_from(
    link: &InviteLink,
    from: Ipv4Addr,
    who: u8,
    resume: Option<ResumeToken>,
) -> (Control, Result<Joined, Refusal>) {
    let mut control = Control::connect_from(link, from.into());
    let (hello, mut seat) = (control.hello(who), control.seat(SeatRole::Musician));
    seat.resume = resume;
    let answer = control.ask(hello, seat);
    (control, answer)
}

/// Runs `f` 20 times and returns the durations.
fn time_twenty(mut f: impl FnMut(u8)) -> Vec<Duration> {
    let times = (0..20).map(|n| {
        let start = Instant::now();
        f(n);
        start.elapsed()
    });
    times.collect()
}

/// Joins and resumes succeed within 3 s during a flood, also from an address that has no session yet.
#[test]
fn joins_and_resumes_get_through_floods() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let band = Band::seated(&server.link);
    let flood = ConnectionFlood::begin(server.address(), &ALL, 3000, 10_000);
    flood.wait_for(10_000);
    let (mut kept, link) = (Vec::new(), &server.link);
    let joins = time_twenty(|n| {
        let (control, joined) = join_from(link, Ipv4Addr::new(127, 0, 8, n + 1), 100 + n, None);
        assert!(joined.is_ok(), "{joined:?}");
        kept.push(control);
    });
    let mut resume = |n: u8, from| {
        let (control, joined) = join_from(link, from, n, Some(band.tokens[usize::from(n)].clone()));
        assert!(joined.expect("the same seat").resumed);
        kept.push(control);
    };
    let resumes = time_twenty(|n| resume(n, Ipv4Addr::LOCALHOST));
    let moved = time_twenty(|n| resume(n, Ipv4Addr::new(127, 0, 6, n + 1)));
    println!(
        "flood: {} connections; slowest join {:?}, resume {:?}, resume from a new address {:?}",
        flood.opened(),
        joins.iter().max(),
        resumes.iter().max(),
        moved.iter().max()
    );
    let slowest = joins.iter().chain(&resumes).chain(&moved).max();
    assert!(slowest.is_some_and(|slowest| *slowest < Duration::from_secs(3)), "{joins:?}\n{resumes:?}\n{moved:?}");
}

/// The longest and the median of 80 round trips of control messages; that many are answered without rate limit.
fn round_trips(ann: &mut TestMusician) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..80)
        .map(|id| {
            std::thread::sleep(Duration::from_millis(30));
            ann.send(&Frame::KeepAlive);
            let asked = Instant::now();
            ann.control.say(&ClientMessage::Ping { id });
            ann.control
                .wait_for(|m| matches!(m, ServerMessage::Pong { id: answered } if *answered == id).then_some(()));
            asked.elapsed()
        })
        .collect();
    times.sort();
    (times[times.len() - 1], times[times.len() / 2])
}

/// Control messages of a seated musician do not wait for others' handshakes.
#[test]
fn handshakes_delay_no_seated_musician() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let calm = round_trips(&mut ann);
    let flood = ConnectionFlood::begin(server.address(), &[Sends::Hello], 3000, 1000);
    flood.wait_for(1000);
    let flooded = round_trips(&mut ann);
    println!("longest and median: calm {calm:?}, in a flood of {} handshakes {flooded:?}", flood.opened());
    assert!(flooded.1 < Duration::from_millis(5) && flooded.0 < Duration::from_millis(80), "{calm:?}, {flooded:?}");
}
