//! A musician's media without a client.

use super::SOON;
use super::control::{Control, join_as};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::control::{Joined, SeatRole};
use rtjam_protocol::datagram::{DatagramClass, Frame, MixedMusician, write_frame};
use rtjam_protocol::link::InviteLink;
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Lane, ReceiveKey, SendLane};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// After this much silence nothing more is expected: no datagram takes that long on loopback.
pub const QUIET: Duration = Duration::from_millis(300);

/// A musician with a control connection and a media socket.
pub struct TestMusician {
    pub control: Control,
    pub joined: Joined,
    pub socket: UdpSocket,
    /// Whether challenges are answered.
    pub answers: bool,
    server: SocketAddr,
    up: SendLane,
    down: ReceiveKey,
}

/// The contents of a received frame that tests check.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    Audio(SourceId, Sequence, Vec<u8>),
    Challenge([u8; 8]),
    KeepAlive,
    ClockReply,
    Goodbye,
    Feedback,
    MixReport(Vec<MixedMusician>),
    Other,
}

impl Received {
    /// The source of an audio frame.
    pub fn source(&self) -> Option<SourceId> {
        if let Received::Audio(source, ..) = self { Some(*source) } else { None }
    }
}

impl TestMusician {
    /// Joins, and waits until the server has accepted the address.
    pub fn join(link: &InviteLink, who: u8) -> TestMusician {
        TestMusician::join_as(link, who, SeatRole::Musician)
    }

    pub fn join_as(link: &InviteLink, who: u8, role: SeatRole) -> TestMusician {
        let mut musician = TestMusician::seated(link, who, role);
        musician.settle();
        musician
    }

    /// Joins without sending anything.
    pub fn seated(link: &InviteLink, who: u8, role: SeatRole) -> TestMusician {
        let (control, joined) = join_as(link, who, role, None);
        let joined = joined.expect("a seat");
        let keys = &joined.keys;
        let server = SocketAddr::new(control.server.ip(), joined.media[0].port);
        let up = keys.uplink(joined.session, joined.features, CRYPTO).send_lane(Lane::UPLINK[0]);
        let down = keys.downlink(joined.session, joined.features, CRYPTO).receive();
        let socket = socket_beside(server);
        TestMusician { control, joined, socket, answers: true, server, up, down }
    }

    /// Continues from another port, as after a NAT rebinding.
    pub fn change_address(&mut self) {
        self.socket = socket_beside(self.server);
    }

    /// Sends until the server sends to this address.
    pub fn settle(&mut self) {
        let deadline = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < deadline, "the server does not accept the address");
            self.send(&Frame::ClockRequest(rtjam_protocol::datagram::ClockRequest { sent: Default::default() }));
            if self.listen_for(Duration::from_millis(20)).contains(&Received::ClockReply) {
                return;
            }
        }
    }

    /// Sends until the server challenges this address, at most four times a second.
    pub fn challenged(&mut self) -> [u8; 8] {
        let deadline = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < deadline, "no challenge");
            self.send_audio(0, &[0; 32]);
            let heard = self.listen(Duration::from_millis(20));
            let challenge =
                heard.iter().find_map(|h| if let Received::Challenge(data) = h { Some(*data) } else { None });
            if let Some(challenge) = challenge {
                return challenge;
            }
        }
    }

    /// Seals a datagram with one frame.
    pub fn seal(&mut self, frame: &Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.up.seal(DatagramClass::Media, &mut out, |out| write_frame(frame, out));
        out
    }

    pub fn send(&mut self, frame: &Frame<'_>) {
        let datagram = self.seal(frame);
        self.send_raw(&datagram);
    }

    pub fn send_raw(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.server).expect("sent");
    }

    pub fn send_audio(&mut self, sequence: u32, samples: &[i16; 32]) {
        let payload = payload(samples);
        self.send(&audio(sequence, &payload));
    }

    /// Receives until nothing has arrived for `quiet`.
    pub fn listen(&mut self, quiet: Duration) -> Vec<Received> {
        let mut all = Vec::new();
        while let Some(heard) = self.receive(quiet) {
            all.extend(heard);
        }
        all
    }

    /// Receives for this long.
    pub fn listen_for(&mut self, time: Duration) -> Vec<Received> {
        let (deadline, mut all) = (Instant::now() + time, Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(heard) = (if left.is_zero() { None } else { self.receive(left) }) else { return all };
            all.extend(heard);
        }
    }

    /// Receives until a wanted frame arrives.
    pub fn wait_for<T>(&mut self, what: &str, wanted: impl Fn(&Received) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let heard = self.receive(SOON).unwrap_or_default();
            if let Some(found) = heard.iter().find_map(&wanted) {
                return found;
            }
        }
        panic!("timed out waiting for {what}");
    }

    /// Waits at most `timeout` for a datagram other than keep-alives and feedback.
    fn receive(&mut self, timeout: Duration) -> Option<Vec<Received>> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left)).expect("set");
            let mut buffer = [0; 2048];
            let Ok((len, from)) = self.socket.recv_from(&mut buffer) else { return None };
            assert_eq!(from, self.server);
            let heard = self.open(&mut buffer[..len]);
            for frame in &heard {
                if let (Received::Challenge(data), true) = (frame, self.answers) {
                    self.send(&Frame::PathResponse(*data));
                }
            }
            if !matches!(heard[..], [Received::KeepAlive | Received::Feedback]) {
                return Some(heard);
            }
        }
    }

    fn open(&mut self, datagram: &mut [u8]) -> Vec<Received> {
        let opened = self.down.open(Micros::ZERO, datagram).expect("the server's datagrams are authentic and new");
        opened.frames().map(|frame| Received::of(&frame)).collect()
    }
}

impl Received {
    fn of(frame: &Frame<'_>) -> Received {
        match frame {
            Frame::Audio(a) => Received::Audio(a.header.source, a.header.sequence, a.payload.to_vec()),
            Frame::PathChallenge(data) => Received::Challenge(*data),
            Frame::KeepAlive => Received::KeepAlive,
            Frame::ClockReply(_) => Received::ClockReply,
            Frame::Goodbye => Received::Goodbye,
            Frame::Feedback(_) => Received::Feedback,
            Frame::MixReport(report) => Received::MixReport(report.iter().collect()),
            _ => Received::Other,
        }
    }

    pub fn is_audio(&self) -> bool {
        matches!(self, Received::Audio(..))
    }
}

fn socket_beside(server: SocketAddr) -> UdpSocket {
    UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a socket")
}

/// The payload of 16 stereo frames.
pub fn payload(samples: &[i16; 32]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_be_bytes()).collect()
}

/// An audio frame with a wrong source, which the server must replace.
pub fn audio(sequence: u32, payload: &[u8]) -> Frame<'_> {
    let header = AudioHeader {
        source: SourceId(777),
        stream: StreamId(5),
        sequence: Sequence(sequence),
        position: FramePosition(u64::from(sequence) * 16),
        codec: Codec::Pcm16,
        layout: Layout::Stereo,
        frames: 16,
        peak: [Peak(1), Peak(2)],
    };
    Frame::Audio(AudioFrame { header, payload })
}
