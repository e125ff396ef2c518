//! A legacy rtjam unit, written from its packet format alone.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames per packet.
pub const FRAMES: usize = 128;

/// Sample value of silence.
pub const SILENCE: u16 = 32766;

/// A packet that the unit received.
#[derive(Clone, Debug)]
pub struct ReceivedPacket {
    /// Arrival time.
    pub at: Instant,
    /// The datagram.
    pub bytes: Vec<u8>,
}

impl ReceivedPacket {
    /// Beat of the metronome.
    pub fn beat(&self) -> u8 {
        self.bytes[3]
    }

    /// Server time, µs.
    pub fn server_time(&self) -> u64 {
        u64::from_be_bytes(self.bytes[4..12].try_into().expect("eight bytes"))
    }

    /// Client id of the sender.
    pub fn client(&self) -> u32 {
        u32::from_be_bytes(self.bytes[20..24].try_into().expect("four bytes"))
    }

    /// Sequence number.
    pub fn sequence(&self) -> u32 {
        u32::from_be_bytes(self.bytes[24..28].try_into().expect("four bytes"))
    }

    /// Encoded samples of a channel.
    pub fn channel(&self, channel: usize) -> Vec<u16> {
        let audio = &self.bytes[28..];
        let half = audio.len() / 2;
        audio[channel * half..][..half].as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b)).collect()
    }
}

/// A packet as a unit encodes it.
pub fn packet(client: u32, sequence: u32, server_time: u64, channels: [&[u16]; 2]) -> Vec<u8> {
    let len = 28 + 4 * channels[0].len();
    let mut bytes = vec![0, 0, (len / 32) as u8, 0];
    bytes.extend(server_time.to_be_bytes());
    bytes.extend(u64::from(sequence).wrapping_mul(2667).to_be_bytes());
    bytes.extend(client.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(channels.iter().flat_map(|channel| channel.iter().flat_map(|n| n.to_be_bytes())));
    bytes
}

/// A unit that plays a sine on channel 1 and silence on channel 2, and keeps the packets that it receives.
pub struct Unit {
    got: Arc<Mutex<Vec<ReceivedPacket>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Time of its first packet.
    pub began: Instant,
}

/// What a unit sends.
#[derive(Clone, Copy, Debug)]
pub struct UnitStream {
    /// Client id.
    pub client: u32,
    /// Frames per packet; 0 sends headers only.
    pub frames: usize,
    /// Interval between packets.
    pub every: Duration,
}

impl UnitStream {
    /// The packets of a real unit.
    pub fn audio(client: u32) -> UnitStream {
        UnitStream { client, frames: FRAMES, every: Duration::from_nanos(2_666_667) }
    }
}

impl Unit {
    /// Starts a unit that plays to a server.
    pub fn start(server: SocketAddr, playing: UnitStream) -> Unit {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("set");
        let (got, stop) = (Arc::<Mutex<Vec<ReceivedPacket>>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (got.clone(), stop.clone());
        let began = Instant::now();
        let thread = std::thread::spawn(move || play(&socket, server, playing, began, &kept, &ends));
        Unit { got, stop, thread: Some(thread), began }
    }

    /// All packets received so far.
    pub fn received(&self) -> Vec<ReceivedPacket> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Packets with audio from `client`, or from anyone if that is `None`.
    pub fn audio_from(&self, client: Option<u32>) -> Vec<ReceivedPacket> {
        let fits = |got: &ReceivedPacket| got.bytes.len() > 28 && client.is_none_or(|client| got.client() == client);
        self.received().into_iter().filter(fits).collect()
    }

    /// Packets without audio, by which units measure the round trip.
    pub fn headers(&self) -> Vec<ReceivedPacket> {
        self.received().into_iter().filter(|got| got.bytes.len() == 28).collect()
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Fails if the thread panicked, which it has printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn play(
    socket: &UdpSocket,
    server: SocketAddr,
    playing: UnitStream,
    began: Instant,
    kept: &Mutex<Vec<ReceivedPacket>>,
    stop: &AtomicBool,
) {
    let (mut sequence, mut server_time, mut buffer) = (0_u32, 0_u64, [0; 2048]);
    while !stop.load(Ordering::Relaxed) {
        // After a stall, send the packets that became due meanwhile.
        while began + playing.every * sequence <= Instant::now() {
            let sine: Vec<u16> = (0..playing.frames).map(|i| sine(sequence as usize * playing.frames + i)).collect();
            let silence = vec![SILENCE; playing.frames];
            let bytes = packet(playing.client, sequence, server_time, [&sine, &silence]);
            // Fails while there is no server.
            let _ = socket.send_to(&bytes, server);
            sequence += 1;
        }
        while let Ok((len, _)) = socket.recv_from(&mut buffer) {
            let got = ReceivedPacket { at: Instant::now(), bytes: buffer[..len].to_vec() };
            if len >= 28 {
                server_time = got.server_time();
            }
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(got);
            if began + playing.every * sequence <= Instant::now() {
                break;
            }
        }
    }
}

/// A sine of 375 Hz with an amplitude of 0.1 (−23 dBFS RMS), as a unit encodes it.
fn sine(frame: usize) -> u16 {
    let v = 0.1 * (std::f64::consts::TAU * frame as f64 / 128.0).sin();
    ((v + 1.0) * 32766.0) as u16
}
