//! An impaired network between musicians and a server: the same port number on another loopback address.
//!
//! TCP is piped. Each musician's UDP reaches the server from a socket of its own, as behind a NAT.

use rtjam_load::process;
use rtjam_load::timestamps::{self, StampedDatagram};
use rtjam_protocol::datagram::DatagramClass;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The address at which musicians join.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Interval at which a thread checks whether the relay has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running relay.
pub struct Relay {
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    server: SocketAddr,
    entry: UdpSocket,
    tcp_passes: AtomicBool,
    udp_passes: AtomicBool,
    /// Larger UDP payloads are lost.
    largest: AtomicUsize,
    /// One audio datagram in this many is lost, to the server and from it; 0 loses none.
    lossy: [Loss; 2],
    ended: AtomicBool,
    exits: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    /// Datagrams of musicians, newest last.
    heard: Mutex<Vec<Vec<u8>>>,
    /// Send times of musicians' audio datagrams, once a test asks for them.
    audio_left: Mutex<Option<Vec<Duration>>>,
}

/// Loses audio datagrams at regular intervals, and counts them.
#[derive(Default)]
struct Loss {
    every: AtomicUsize,
    seen: AtomicUsize,
    lost: AtomicUsize,
}

/// A direction through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From musicians to the server.
    Up,
    /// From the server to musicians.
    Down,
}

/// Number of datagrams kept for [`Relay::captured`].
const KEPT: usize = 5000;

impl Relay {
    /// Starts a relay in front of the server on 127.0.0.1:`port`.
    ///
    /// # Panics
    /// If its port is in use.
    pub fn in_front_of(port: u16) -> Relay {
        let listener = TcpListener::bind((ADDRESS, port)).expect("the relay's TCP port is free");
        let entry = UdpSocket::bind((ADDRESS, port)).expect("the relay's UDP port is free");
        entry.set_read_timeout(Some(LOOK_EVERY)).expect("a timeout can be set");
        timestamps::enable(&entry).expect("the kernel stamps datagrams");
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            entry,
            tcp_passes: AtomicBool::new(true),
            udp_passes: AtomicBool::new(true),
            largest: AtomicUsize::new(usize::MAX),
            lossy: Default::default(),
            ended: AtomicBool::new(false),
            exits: Mutex::default(),
            heard: Mutex::default(),
            audio_left: Mutex::default(),
        });
        let (tcp, udp) = (shared.clone(), shared.clone());
        thread::spawn(move || pipe_connections(&tcp, &listener));
        thread::spawn(move || carry_up(&udp));
        Relay { shared, port }
    }

    /// `link`, through this relay.
    pub fn link(&self, link: &str) -> String {
        let direct = format!("127.0.0.1:{}", self.port);
        assert!(link.contains(&direct), "{link} does not lead to {direct}");
        link.replace(&direct, &format!("{ADDRESS}:{}", self.port))
    }

    /// Passes TCP, or neither accepts nor carries any.
    pub fn pass_tcp(&self, passes: bool) {
        self.shared.tcp_passes.store(passes, Ordering::SeqCst);
    }

    /// Passes UDP, or loses all of it.
    pub fn pass_udp(&self, passes: bool) {
        self.shared.udp_passes.store(passes, Ordering::SeqCst);
    }

    /// Loses UDP payloads larger than `bytes`.
    pub fn limit_size(&self, bytes: usize) {
        self.shared.largest.store(bytes, Ordering::SeqCst);
    }

    /// Loses one audio datagram in `every` in that direction; 0 loses none.
    pub fn lose(&self, way: Direction, every: usize) {
        self.shared.lossy[way as usize].every.store(every, Ordering::SeqCst);
    }

    /// Number of audio datagrams that [`Relay::lose`] has lost in that direction.
    pub fn lost(&self, way: Direction) -> usize {
        self.shared.lossy[way as usize].lost.load(Ordering::SeqCst)
    }

    /// From now on each musician's UDP comes from another port, as when a NAT has lost its table.
    pub fn rebind(&self) {
        self.shared.exits.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Source addresses of the musicians, as the relay sees them.
    pub fn musicians(&self) -> Vec<SocketAddr> {
        self.shared.exits.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Send time of each audio datagram since the last call (wall clock, by the kernel). The first call starts the recording.
    pub fn audio_left(&self) -> Vec<Duration> {
        let mut left = self.shared.audio_left.lock().unwrap_or_else(PoisonError::into_inner);
        left.replace(Vec::new()).unwrap_or_default()
    }

    /// The last datagrams of musicians, oldest first.
    pub fn captured(&self) -> Vec<Vec<u8>> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees the end.
        let _ = TcpStream::connect((ADDRESS, self.port));
    }
}

impl Shared {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn loses(&self, way: Direction, datagram: &[u8]) -> bool {
        let loss = &self.lossy[way as usize];
        let every = loss.every.load(Ordering::SeqCst);
        if every == 0 || datagram.first() != Some(&(DatagramClass::Media as u8)) {
            return false;
        }
        let lost = loss.seen.fetch_add(1, Ordering::SeqCst) % every == every - 1;
        loss.lost.fetch_add(usize::from(lost), Ordering::SeqCst);
        lost
    }

    fn carries(&self, size: usize) -> bool {
        self.udp_passes.load(Ordering::SeqCst) && size <= self.largest.load(Ordering::SeqCst)
    }
}

/// Above the programs under test: their load must not become network delay.
const PRIORITY: i32 = 50;

fn carry_up(shared: &Arc<Shared>) {
    process::be_real_time(PRIORITY);
    let mut buffer = [0; 2048];
    while !shared.has_ended() {
        let Ok(StampedDatagram { len: n, from: musician, at }) = timestamps::receive(&shared.entry, &mut buffer) else {
            continue;
        };
        if !shared.carries(n) || shared.loses(Direction::Up, &buffer[..n]) {
            continue;
        }
        note_audio(shared, &buffer[..n], at);
        keep(shared, &buffer[..n]);
        let exit = exit_for(shared, musician);
        // A server that is down refuses, as on a real network.
        let _ = exit.send_to(&buffer[..n], shared.server);
    }
}

fn note_audio(shared: &Shared, datagram: &[u8], at: Option<Duration>) {
    let is_audio = datagram.first() == Some(&(DatagramClass::Media as u8));
    if let (true, Some(at), Some(left)) =
        (is_audio, at, shared.audio_left.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    {
        left.push(at);
    }
}

fn keep(shared: &Shared, datagram: &[u8]) {
    let mut heard = shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.len() == KEPT {
        heard.drain(..KEPT / 2);
    }
    heard.push(datagram.to_vec());
}

fn exit_for(shared: &Arc<Shared>, musician: SocketAddr) -> Arc<UdpSocket> {
    let mut exits = shared.exits.lock().unwrap_or_else(PoisonError::into_inner);
    let exit = exits.entry(musician).or_insert_with(|| {
        let exit = Arc::new(UdpSocket::bind("127.0.0.1:0").expect("a free port"));
        exit.set_read_timeout(Some(LOOK_EVERY)).expect("a timeout can be set");
        let (shared, socket) = (shared.clone(), exit.clone());
        thread::spawn(move || carry_down(&shared, &socket, musician));
        exit
    });
    exit.clone()
}

/// Ends when the NAT has dropped `exit`.
fn carry_down(shared: &Shared, exit: &Arc<UdpSocket>, musician: SocketAddr) {
    process::be_real_time(PRIORITY);
    let mut buffer = [0; 2048];
    let is_current = || {
        let exits = shared.exits.lock().unwrap_or_else(PoisonError::into_inner);
        exits.get(&musician).is_some_and(|current| Arc::ptr_eq(current, exit))
    };
    while !shared.has_ended() && is_current() {
        let Ok((n, _)) = exit.recv_from(&mut buffer) else { continue };
        if shared.carries(n) && is_current() && !shared.loses(Direction::Down, &buffer[..n]) {
            let _ = shared.entry.send_to(&buffer[..n], musician);
        }
    }
}

fn pipe_connections(shared: &Arc<Shared>, listener: &TcpListener) {
    for near in listener.incoming().map_while(Result::ok) {
        if shared.has_ended() {
            return;
        }
        if !shared.tcp_passes.load(Ordering::SeqCst) {
            continue;
        }
        if let Ok(far) = TcpStream::connect(shared.server) {
            pipe(shared, &near, &far);
            pipe(shared, &far, &near);
        }
    }
}

fn pipe(shared: &Arc<Shared>, from: &TcpStream, to: &TcpStream) {
    let (shared, Ok(mut from), Ok(mut to)) = (shared.clone(), from.try_clone(), to.try_clone()) else { return };
    let _ = from.set_read_timeout(Some(LOOK_EVERY));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while !shared.has_ended() {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) if shared.tcp_passes.load(Ordering::SeqCst) => {
                    if to.write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
                // Lost, as on a broken network.
                Ok(_) => {}
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
