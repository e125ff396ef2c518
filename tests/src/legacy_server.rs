//! A legacy server, written from its packet format alone: it shares no code with RTJam.

use rtjam_load::batch_receiver::enlarge_buffer;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How the server distributes audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each client receives the packets of the others, and the header of its own.
    Separate,
    /// Each client receives one mix of the others, from client id 40002.
    Mix,
}

/// Frames per mix packet, and the interval between them.
const MIX_FRAMES: usize = 128;
const MIX_EVERY: Duration = Duration::from_nanos(2_666_667);

/// A client that has been silent for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);

/// Frames of one client that may wait for the mix.
const MOST_WAITING: usize = 1024;

/// A packet that the server received.
#[derive(Clone, Copy, Debug)]
pub struct LoggedPacket {
    /// Source address.
    pub from: SocketAddr,
    /// Client id.
    pub client: u32,
    /// Length in bytes.
    pub len: usize,
    /// Sequence number.
    pub sequence: u32,
    /// Whether it echoes a server time that was sent to this client.
    pub returned: bool,
}

/// A running server.
pub struct LegacyServer {
    /// Address on which it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<LoggedPacket>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LegacyServer {
    /// Starts a server on a free port.
    pub fn start(mode: Mode) -> LegacyServer {
        LegacyServer::start_at(mode, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a server at `address`.
    pub fn start_at(mode: Mode, address: SocketAddr) -> LegacyServer {
        let socket = UdpSocket::bind(address).expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("set");
        enlarge_buffer(&socket).expect("set");
        let address = socket.local_addr().expect("bound");
        let (received, stop) = (Arc::<Mutex<Vec<LoggedPacket>>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (received.clone(), stop.clone());
        let thread = std::thread::spawn(move || serve(&socket, mode, &kept, &ends));
        LegacyServer { address, received, stop, thread: Some(thread) }
    }

    /// A link to this server.
    pub fn link(&self) -> String {
        format!("classic://{}", self.address)
    }

    /// All packets received so far.
    pub fn packets(&self) -> Vec<LoggedPacket> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LegacyServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Fails if the thread panicked, which it has printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Client {
    last_heard: Instant,
    /// Newest header, for the mix.
    header: [u8; 28],
    sent_times: HashSet<u64>,
    waiting: VecDeque<[f32; 2]>,
}

fn serve(socket: &UdpSocket, mode: Mode, kept: &Mutex<Vec<LoggedPacket>>, stop: &AtomicBool) {
    let began = Instant::now();
    let mut clients: HashMap<SocketAddr, Client> = HashMap::new();
    let (mut buffer, mut mixes) = ([0; 2048], 0_u32);
    while !stop.load(Ordering::Relaxed) {
        if let Ok((len, from)) = socket.recv_from(&mut buffer)
            && (28..=1024).contains(&len)
            && len % 2 == 0
        {
            let now = Instant::now();
            let packet = &mut buffer[..len];
            let client = clients.entry(from).or_insert_with(|| new_client(now));
            client.last_heard = now;
            client.header.copy_from_slice(&packet[..28]);
            let returned = client.sent_times.contains(&number(&packet[4..12]));
            let received = LoggedPacket {
                from,
                client: number(&packet[20..24]) as u32,
                len,
                sequence: number(&packet[24..28]) as u32,
                returned,
            };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(received);
            match mode {
                Mode::Separate => forward(socket, began, &mut clients, from, packet),
                Mode::Mix => enqueue(client, &packet[28..]),
            }
        }
        clients.retain(|_, client| client.last_heard.elapsed() <= FORGOTTEN_AFTER);
        while mode == Mode::Mix && began + MIX_EVERY * mixes <= Instant::now() {
            mix(socket, began, &mut clients, mixes);
            mixes += 1;
        }
    }
}

fn new_client(now: Instant) -> Client {
    Client { last_heard: now, header: [0; 28], sent_times: HashSet::new(), waiting: VecDeque::new() }
}

/// A big-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Writes the current time and beat into a header; no time is written twice.
fn stamp(packet: &mut [u8], began: Instant, sent_times: &mut HashSet<u64>) {
    let mut time = began.elapsed().as_micros() as u64 + 1;
    while !sent_times.insert(time) {
        time += 1;
    }
    packet[3] = (time / 500_000 % 4) as u8;
    packet[4..12].copy_from_slice(&time.to_be_bytes());
}

fn forward(
    socket: &UdpSocket,
    began: Instant,
    clients: &mut HashMap<SocketAddr, Client>,
    from: SocketAddr,
    packet: &mut [u8],
) {
    for (to, client) in clients {
        let len = if *to == from { 28 } else { packet.len() };
        stamp(packet, began, &mut client.sent_times);
        // Fails while the client's port is closed.
        let _ = socket.send_to(&packet[..len], to);
    }
}

fn enqueue(client: &mut Client, audio: &[u8]) {
    let (first, second) = audio.split_at(audio.len() / 2);
    let read = |bytes: &[u8; 2]| f32::from(u16::from_be_bytes(*bytes)) / 32768.0 - 1.0;
    let frames = first.as_chunks::<2>().0.iter().zip(second.as_chunks::<2>().0);
    client.waiting.extend(frames.map(|(a, b)| [read(a), read(b)]));
    let beyond = client.waiting.len().saturating_sub(MOST_WAITING);
    client.waiting.drain(..beyond);
}

fn mix(socket: &UdpSocket, began: Instant, clients: &mut HashMap<SocketAddr, Client>, sequence: u32) {
    let blocks: HashMap<SocketAddr, Vec<[f32; 2]>> = clients
        .iter_mut()
        .map(|(from, client)| {
            let whole = client.waiting.len() >= MIX_FRAMES;
            (*from, client.waiting.drain(..if whole { MIX_FRAMES } else { 0 }).collect())
        })
        .collect();
    for (to, client) in clients {
        let mut sum = [[0.0_f32; 2]; MIX_FRAMES];
        for (_, block) in blocks.iter().filter(|(from, _)| *from != to) {
            sum.iter_mut().zip(block).for_each(|(sum, frame)| (0..2).for_each(|c| sum[c] += frame[c]));
        }
        let mut packet = client.header.to_vec();
        packet[2] = ((28 + 4 * MIX_FRAMES) / 32) as u8;
        packet[20..24].copy_from_slice(&40_002_u32.to_be_bytes());
        packet[24..28].copy_from_slice(&sequence.to_be_bytes());
        for c in 0..2 {
            let write = |frame: &[f32; 2]| (((frame[c] + 1.0) * 32766.0).clamp(0.0, 65532.0) as u16).to_be_bytes();
            packet.extend(sum.iter().flat_map(write));
        }
        stamp(&mut packet, began, &mut client.sent_times);
        let _ = socket.send_to(&packet, to);
    }
}
