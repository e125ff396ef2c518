//! Datagrams made without a client, with the keys of a seat.

use crate::error::AttackError;
use crate::raw_client::RawSession;
use rtjam_load::batch_receiver::{self, BatchReceiver};
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

/// How long the server can take to send to a new address.
const PATH_TIMEOUT: Duration = Duration::from_secs(4);

/// The lane that clients use.
pub const LANE: Lane = Lane::UPLINK[0];

/// The media of a seat. Seals any frames with any lane and counter.
pub struct RawMedia {
    /// The server's answer to the join.
    pub joined: Joined,
    socket: UdpSocket,
    up: Box<dyn Sealer>,
    down: ReceiveKey,
    counters: [u64; 256],
    receiver: BatchReceiver,
    out: Vec<u8>,
}

impl RawMedia {
    /// Opens a socket at `from` to the server at `server`, in the namespace of the calling thread.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn open(joined: &Joined, from: IpAddr, server: IpAddr) -> io::Result<RawMedia> {
        let socket = UdpSocket::bind(SocketAddr::new(from, 0))?;
        let port = joined.media.first().map_or(rtjam_protocol::link::DEFAULT_PORT, |m| m.port);
        socket.connect(SocketAddr::new(server, port))?;
        socket.set_nonblocking(true)?;
        batch_receiver::prepare(&socket)?;
        let keys = &joined.keys;
        Ok(RawMedia {
            joined: joined.clone(),
            socket,
            up: make_sealer(keys.suite, &keys.up),
            // Without features, both directions have the same key.
            down: keys.downlink(joined.session, joined.features, CRYPTO).receive(),
            counters: [0; 256],
            receiver: BatchReceiver::default(),
            out: Vec::new(),
        })
    }

    /// Opens the media of a seat, and waits until the server sends to it.
    ///
    /// # Errors
    /// When the system gives no socket, or the server sends nothing.
    pub fn settled(seated: &RawSession, from: IpAddr, server: IpAddr) -> Result<RawMedia, AttackError> {
        let mut media = RawMedia::open(&seated.joined, from, server)?;
        let deadline = Instant::now() + PATH_TIMEOUT;
        while Instant::now() < deadline {
            media.send(&Frame::ClockRequest(ClockRequest { sent: Micros::ZERO }));
            let mut answered = false;
            media.receive_for(Duration::from_millis(20), |frame, _| answered |= matches!(frame, Frame::ClockReply(_)));
            if answered {
                return Ok(media);
            }
        }
        Err(AttackError::NoPath)
    }

    /// Sends a datagram with one frame on the clients' lane.
    pub fn send(&mut self, frame: &Frame<'_>) {
        self.send_with(|out| write_frame(frame, out));
    }

    /// Sends a datagram on the clients' lane with the frames that `write` appends. Returns its counter.
    pub fn send_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let counter = self.counters[usize::from(LANE.number())] + 1;
        self.send_as(LANE, counter, write);
        counter
    }

    /// Skips a counter of the clients' lane, as if the datagram had been lost.
    pub fn lose_one(&mut self) {
        self.counters[usize::from(LANE.number())] += 1;
    }

    /// Sends a datagram with any lane and counter that were not used together before.
    pub fn send_as(&mut self, lane: Lane, counter: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.counters[usize::from(lane.number())] = counter;
        write_header(self.joined.keys.id.0, lane, self.joined.session, counter, &mut self.out);
        write(&mut self.out);
        let (head, frames) = self.out.split_at_mut(DatagramHeader::LEN);
        let tag = self.up.seal(nonce(lane, counter), head, frames);
        self.out.extend_from_slice(&tag);
        // A datagram that the socket refuses counts as lost.
        let _ = self.socket.send(&self.out);
    }

    /// Passes every frame that has arrived to `take`, with its arrival in ns of the wall clock. Answers challenges.
    pub fn receive(&mut self, mut take: impl FnMut(&Frame<'_>, u64)) {
        let RawMedia { socket, down, receiver, .. } = self;
        let mut challenges = Vec::new();
        receiver.drain(socket, |datagram, stamp| {
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

    /// Passes the header of every authentic datagram that has arrived to `take`.
    pub fn receive_headers(&mut self, mut take: impl FnMut(&DatagramHeader)) {
        let RawMedia { socket, down, receiver, .. } = self;
        receiver.drain(socket, |datagram, _| {
            if let Ok(opened) = down.open(Micros::ZERO, datagram) {
                take(&opened.header);
            }
        });
    }

    /// Calls [`RawMedia::receive`] for this long.
    pub fn receive_for(&mut self, time: Duration, mut take: impl FnMut(&Frame<'_>, u64)) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.receive(&mut take);
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// Replaces the contents of `out` with the header of a datagram.
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

/// An audio packet without its payload.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket {
    /// The stream.
    pub stream: u32,
    /// The number in the stream.
    pub number: u32,
    /// The length in frames.
    pub frames: u16,
    /// The codec of the payload.
    pub codec: Codec,
}

impl RawPacket {
    /// Appends the packet with this payload to a datagram, as an audio frame.
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
