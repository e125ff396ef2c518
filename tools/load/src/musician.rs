//! One musician: a session, a socket, and the packets received.

use super::batch_receiver::{self, BatchReceiver};
use super::control::{ConnectionEvent, ControlConnections, LoadConnection};
use super::error::LoadError;
use super::reception::{DelayHistogram, Reception};
use rtjam_client::Identity;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession};
use rtjam_protocol::control::{DownstreamMode, MixRequest, SeatRole};
use rtjam_protocol::datagram::{DatagramClass, DatagramHeader, Frame};
use rtjam_protocol::link::{InviteLink, Pin};
use rtjam_protocol::seal::ring::{CRYPTO, preferred_suites};
use rtjam_protocol::seal::{NonceCounter, ReceiveKey};
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::net::{SocketAddr, UdpSocket};

/// The stream of packets before counting begins.
pub const WARM_UP: StreamId = StreamId(1);

/// The stream of packets that count.
pub const COUNTED: StreamId = StreamId(2);

/// A musician.
pub struct LoadMusician {
    /// The index among all musicians, which identifies the control connections.
    index: usize,
    /// The index of the room.
    pub room: usize,
    /// The packets received.
    pub reception: Reception,
    /// Packets sent in the stream that counts.
    pub sent: u64,
    session: ClientSession,
    pin: Pin,
    socket: UdpSocket,
    server: SocketAddr,
    receive: Option<Box<ReceiveKey>>,
    source: Option<SourceId>,
    /// Whether the server sends to this socket.
    has_path: bool,
    error: Option<LoadError>,
    out: Vec<u8>,
    payload: Vec<u8>,
}

/// The stream position and length of a packet.
#[derive(Clone, Copy)]
pub struct PacketStamp {
    /// The stream.
    pub stream: StreamId,
    /// The number in the stream.
    pub number: u32,
    /// The length in frames.
    pub frames: u16,
}

impl LoadMusician {
    /// Begins to join, and asks for everyone separately or for one mix.
    ///
    /// # Errors
    /// When the link cannot be used, or the system gives no socket or no random numbers.
    pub fn join(
        now: Micros,
        index: usize,
        room: usize,
        link: &InviteLink,
        server: SocketAddr,
        mix: DownstreamMode,
    ) -> Result<LoadMusician, LoadError> {
        let key = link.key.clone().ok_or(LoadError::LinkWithoutKey)?;
        let rtjam_protocol::link::Trust::Pinned(pin) = key.trust else {
            return Err(LoadError::LinkWithoutPin);
        };
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            batch_receiver::prepare(&socket)?;
            Ok(socket)
        });
        let identity = Identity::ephemeral().map_err(|e| LoadError::Identity(e.to_string()))?;
        let config = ClientConfig {
            room: link.room.clone(),
            role: SeatRole::Musician,
            secret: key.secret,
            name: format!("Load {}", index + 1),
            suites: preferred_suites().to_vec(),
            instance: None,
            crypto: CRYPTO,
            mix: MixRequest { mode: Some(mix), ..MixRequest::default() },
        };
        Ok(LoadMusician {
            index,
            room,
            reception: Reception::default(),
            sent: 0,
            session: ClientSession::new(now, config, Box::new(identity)),
            pin,
            socket: socket.map_err(LoadError::Socket)?,
            server,
            receive: None,
            source: None,
            has_path: false,
            error: None,
            out: Vec::new(),
            payload: Vec::new(),
        })
    }

    /// Whether the musician has joined and the server sends to this socket.
    pub fn is_ready(&self) -> bool {
        self.has_path
    }

    /// The source number of this musician.
    pub fn source(&self) -> Option<SourceId> {
        self.source
    }

    /// Takes what has gone wrong, if anything has.
    pub fn take_error(&mut self) -> Option<LoadError> {
        self.error.take()
    }

    /// Datagrams that the kernel dropped because the socket was full.
    pub fn own_drops(&self) -> u64 {
        u64::from(batch_receiver::drops(&self.socket))
    }

    /// Handles an event of a control connection.
    pub fn handle(
        &mut self,
        now: Micros,
        connection: LoadConnection,
        event: ConnectionEvent,
        control: &ControlConnections,
    ) {
        let id = connection.1;
        match event {
            ConnectionEvent::Opened => self.session.handle_control_open(id, self.pin),
            ConnectionEvent::Said(message) => self.session.handle_control(now, id, message),
            ConnectionEvent::Closed => self.session.handle_control_closed(now, id),
        }
        self.drive(now, control);
    }

    /// Handles timeouts that are due.
    pub fn handle_timeout(&mut self, now: Micros, control: &ControlConnections) {
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
            self.drive(now, control);
        }
    }

    /// Says goodbye on the control connection and in media.
    pub fn leave(&mut self, now: Micros, control: &ControlConnections) {
        self.session.leave();
        self.drive(now, control);
    }

    fn drive(&mut self, now: Micros, control: &ControlConnections) {
        while let Some(event) = self.session.poll_event() {
            self.handle_event(event, control);
        }
        while let Some((id, message)) = self.session.poll_control() {
            control.say((self.index, id), message);
        }
        while self.session.poll_transmit(now, &mut self.out).is_some() {
            self.send();
        }
    }

    fn handle_event(&mut self, event: ClientEvent, control: &ControlConnections) {
        match event {
            ClientEvent::Dial(id) => control.dial((self.index, id)),
            ClientEvent::HangUp(id) => control.hang_up((self.index, id)),
            ClientEvent::Joined { seat, media, receive } => {
                self.source = Some(seat.source);
                if let Some(key) = receive {
                    self.receive = Some(key);
                    self.has_path = false;
                }
                // The first endpoint is the advertised one.
                if let Some(port) = media.first().map(|m| m.port) {
                    self.server.set_port(port);
                    let _ = self.socket.connect(self.server);
                }
            }
            ClientEvent::Refused(refused) => self.error = Some(LoadError::Refused(refused.reason)),
            ClientEvent::MediaLost => self.error = Some(LoadError::SessionLost),
            ClientEvent::Roster { .. }
            | ClientEvent::Mix(_)
            | ClientEvent::Left { .. }
            | ClientEvent::OverRate(_)
            | ClientEvent::Unheard(_)
            | ClientEvent::GoingDown => {}
        }
    }

    /// Sends a packet of quiet noise whose payload begins with the time of sending.
    pub fn play(&mut self, packet: PacketStamp, now_ns: u64) {
        let PacketStamp { stream, number, frames } = packet;
        let header = AudioHeader {
            source: SourceId(0),
            stream,
            sequence: Sequence(number),
            position: FramePosition(u64::from(number) * u64::from(frames)),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames,
            peak: [Peak(64); 2],
        };
        self.payload.resize(usize::from(frames) * 4, 0x15);
        self.payload[..8].copy_from_slice(&now_ns.to_be_bytes());
        if self.session.seal_audio(Micros(now_ns / 1000), &header, &self.payload, &mut self.out).is_some() {
            self.sent += u64::from(stream == COUNTED);
            self.send();
        }
    }

    /// The session of this musician, once something was sent in it.
    pub fn session(&self) -> Option<SessionId> {
        DatagramHeader::read(&self.out).map(|header| header.session)
    }

    /// The datagram that was sent last.
    pub fn last_sent(&self) -> &[u8] {
        &self.out
    }

    fn send(&self) {
        // An error of an earlier datagram fails this call, so the datagram is sent again.
        if self.socket.send(&self.out).is_err() {
            let _ = self.socket.send(&self.out);
        }
    }

    /// Receives the datagrams that have arrived, and opens one media datagram in `share`.
    pub fn receive(
        &mut self,
        now: Micros,
        share: u64,
        receiver: &mut BatchReceiver,
        delays: &mut DelayHistogram,
        control: &ControlConnections,
    ) {
        let LoadMusician { reception, receive, session, socket, has_path, .. } = self;
        let Some(receive) = receive else { return };
        let mut session_frames = false;
        receiver.drain(socket, |datagram, stamp| {
            let Some(header) = DatagramHeader::read(datagram) else { return };
            if header.class == DatagramClass::Media {
                let fresh = reception.datagram(&header);
                if !fresh || !hash(header.counter).is_multiple_of(share) {
                    return;
                }
            }
            let Ok(opened) = receive.open(now, datagram) else { return };
            session.handle_heard(now);
            for frame in opened.frames() {
                match frame {
                    Frame::Audio(audio) if audio.header.stream == COUNTED => {
                        reception.packet(audio.header.source, audio.header.sequence);
                        delays.note(delay_us(audio.payload, stamp));
                    }
                    Frame::Audio(audio) if audio.header.source == SourceId::MIX => {
                        reception.packet(audio.header.source, audio.header.sequence);
                    }
                    Frame::Audio(_) => {}
                    other => {
                        *has_path |= matches!(other, Frame::ClockReply(_));
                        session.handle_frame(now, &other);
                        session_frames = true;
                    }
                }
            }
        });
        if session_frames {
            self.drive(now, control);
        }
    }
}

/// Hashes a counter, so that a share of the datagrams contains packets of all musicians equally: the order of their packets
/// is periodic.
fn hash(counter: NonceCounter) -> u64 {
    counter.get().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

fn delay_us(payload: &[u8], stamp: u64) -> u64 {
    let sent = payload.first_chunk().map_or(stamp, |bytes| u64::from_be_bytes(*bytes));
    stamp.saturating_sub(sent) / 1000
}
