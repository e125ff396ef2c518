//! Datagrams by hand, under the keys of a seat.

use crate::guest::Seated;
use crate::trouble::Trouble;
use rtjam_load::inlet::{self, Inlet};
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::control::Joined;
use rtjam_protocol::datagram::{
    ClockRequest, DatagramClass, DatagramHeader, Frame, MAX_DATAGRAM, write_audio, write_frame,
};
use rtjam_protocol::seal::ring::{CRYPTO, make_sealer};
use rtjam_protocol::seal::{Lane, Nonce, ReceiveKey, Sealer};
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The server sends to a new address within this time.
const PATH: Duration = Duration::from_secs(4);

/// The lane that clients use.
pub const LANE: Lane = Lane::UPLINK[0];

/// One end of a seat's media: seals whatever it is told to, under any lane and counter.
pub struct Media {
    /// What the server said of the seat.
    pub joined: Joined,
    socket: UdpSocket,
    up: Box<dyn Sealer>,
    down: ReceiveKey,
    counters: [u64; 256],
    inlet: Inlet,
    out: Vec<u8>,
}

impl Media {
    /// The media of a seat, from `from` to the server at `server`. The calling thread's namespace is the socket's.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn open(joined: &Joined, from: IpAddr, server: IpAddr) -> io::Result<Media> {
        let socket = UdpSocket::bind(SocketAddr::new(from, 0))?;
        let port = joined.media.first().map_or(rtjam_protocol::link::DEFAULT_PORT, |m| m.port);
        socket.connect(SocketAddr::new(server, port))?;
        socket.set_nonblocking(true)?;
        inlet::prepare(&socket)?;
        let keys = &joined.keys;
        Ok(Media {
            joined: joined.clone(),
            socket,
            up: make_sealer(keys.suite, &keys.up),
            // No feature was offered: both directions have one key.
            down: keys.downlink(joined.session, joined.features, CRYPTO).receive(),
            counters: [0; 256],
            inlet: Inlet::default(),
            out: Vec::new(),
        })
    }

    /// The same, and waits until the server sends here.
    ///
    /// # Errors
    /// When it never does.
    pub fn settled(seated: &Seated, from: IpAddr, server: IpAddr) -> Result<Media, Trouble> {
        let mut media = Media::open(&seated.joined, from, server)?;
        let deadline = Instant::now() + PATH;
        while Instant::now() < deadline {
            media.send(&Frame::ClockRequest(ClockRequest { sent: Micros::ZERO }));
            let mut answered = false;
            media.hear_for(Duration::from_millis(20), |frame, _| answered |= matches!(frame, Frame::ClockReply(_)));
            if answered {
                return Ok(media);
            }
        }
        Err(Trouble::NoPath)
    }

    /// Sends a datagram with one frame on the clients' lane.
    pub fn send(&mut self, frame: &Frame<'_>) {
        self.send_with(|out| write_frame(frame, out));
    }

    /// Sends a datagram on the clients' lane, whose frames `write` appends. Returns its counter.
    pub fn send_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let counter = self.counters[usize::from(LANE.number())] + 1;
        self.send_as(LANE, counter, write);
        counter
    }

    /// Leaves a counter of the clients' lane out, as if that datagram had been lost.
    pub fn lose_one(&mut self) {
        self.counters[usize::from(LANE.number())] += 1;
    }

    /// Sends a datagram under any lane and counter, which must not have been used before.
    pub fn send_as(&mut self, lane: Lane, counter: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.counters[usize::from(lane.number())] = counter;
        write_header(self.joined.keys.id.0, lane, self.joined.session, counter, &mut self.out);
        write(&mut self.out);
        let (head, frames) = self.out.split_at_mut(DatagramHeader::LEN);
        let tag = self.up.seal(nonce(lane, counter), head, frames);
        self.out.extend_from_slice(&tag);
        // What does not fit into the socket is lost on the way.
        let _ = self.socket.send(&self.out);
    }

    /// HostRecording what has arrived, frame by frame, each with the time of its arrival (ns of the wall clock). Challenges are
    /// answered.
    pub fn hear(&mut self, mut take: impl FnMut(&Frame<'_>, u64)) {
        let Media { socket, down, inlet, .. } = self;
        let mut challenges = Vec::new();
        inlet.drain(socket, |datagram, stamp| {
            let Ok(opened) = down.open(Micros::ZERO, datagram) else { return };
            for frame in opened.frames() {
                if let Frame::PathChallenge(data) = &frame {
                    challenges.push(*data);
                }
                take(&frame, stamp);
            }
        });
        for data in challenges {
            self.send(&Frame::PathResponse(data));
        }
    }

    /// Takes the headers of what has arrived and opens.
    pub fn hear_datagrams(&mut self, mut take: impl FnMut(&DatagramHeader)) {
        let Media { socket, down, inlet, .. } = self;
        inlet.drain(socket, |datagram, _| {
            if let Ok(opened) = down.open(Micros::ZERO, datagram) {
                take(&opened.header);
            }
        });
    }

    /// [`Media::hear`] for a while.
    pub fn hear_for(&mut self, time: Duration, mut take: impl FnMut(&Frame<'_>, u64)) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.hear(&mut take);
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// Writes a datagram's header in place of what is in `out`.
pub fn write_header(key: u8, lane: Lane, session: SessionId, counter: u64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[DatagramClass::Media as u8, key, lane.number()]);
    out.extend_from_slice(&session.0.to_be_bytes());
    out.extend_from_slice(&counter.to_be_bytes()[1..]);
}

fn nonce(lane: Lane, counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4] = lane.number();
    bytes[5..].copy_from_slice(&counter.to_be_bytes()[1..]);
    Nonce(bytes)
}

/// A packet of a stream: its number, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Which stream.
    pub stream: u32,
    /// Its number there.
    pub number: u32,
    /// Frames.
    pub frames: u16,
    /// How samples are written.
    pub codec: Codec,
}

impl Packet {
    /// Appends it as an audio frame with this payload to a datagram.
    pub fn write(self, payload: &[u8], out: &mut Vec<u8>) {
        debug_assert!(payload.len() < MAX_DATAGRAM);
        write_audio(&self.header(), payload, out);
    }

    fn header(self) -> AudioHeader {
        AudioHeader {
            source: SourceId(0),
            stream: StreamId(self.stream),
            sequence: Sequence(self.number),
            position: FramePosition(u64::from(self.number) * u64::from(self.frames)),
            codec: self.codec,
            layout: Layout::Stereo,
            frames: self.frames,
            peak: [Peak(64); 2],
        }
    }
}
