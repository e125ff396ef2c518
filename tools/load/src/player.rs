//! One musician: a session, a socket, what was heard.

use super::control::{Connection, Desk, Happened};
use super::inlet::{self, Inlet};
use super::tally::{Delays, Heard};
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

/// Before counting begins.
pub const WARM_UP: StreamId = StreamId(1);

/// What is counted.
pub const COUNTED: StreamId = StreamId(2);

/// A musician.
pub struct Player {
    /// Whose number among all; names their control connections.
    index: usize,
    /// In which of the rooms.
    pub room: usize,
    /// What was heard.
    pub heard: Heard,
    /// Packets sent of the stream that counts.
    pub sent: u64,
    session: ClientSession,
    pin: Pin,
    socket: UdpSocket,
    server: SocketAddr,
    receive: Option<Box<ReceiveKey>>,
    source: Option<SourceId>,
    /// Answers came to this socket: the server sends here.
    has_path: bool,
    trouble: Option<String>,
    out: Vec<u8>,
    payload: Vec<u8>,
}

/// What is needed to play a packet.
#[derive(Clone, Copy)]
pub struct Packet {
    /// Which run of the timeline.
    pub stream: StreamId,
    /// Its number there.
    pub number: u32,
    /// How long it is.
    pub frames: u16,
}

impl Player {
    /// Begins to join, to hear everyone separately or one mix.
    ///
    /// # Errors
    /// When the machine gives no socket or no random numbers.
    pub fn join(
        now: Micros,
        index: usize,
        room: usize,
        link: &InviteLink,
        server: SocketAddr,
        mix: DownstreamMode,
    ) -> Result<Player, String> {
        let key = link.key.clone().ok_or("the link has no key")?;
        let rtjam_protocol::link::Trust::Pinned(pin) = key.trust else {
            return Err("The link names no server key; use one that this server made.".to_owned());
        };
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            inlet::prepare(&socket)?;
            Ok(socket)
        });
        let identity = Identity::ephemeral().map_err(|e| e.to_string())?;
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
        Ok(Player {
            index,
            room,
            heard: Heard::default(),
            sent: 0,
            session: ClientSession::new(now, config, Box::new(identity)),
            pin,
            socket: socket.map_err(|e| format!("no socket: {e}"))?,
            server,
            receive: None,
            source: None,
            has_path: false,
            trouble: None,
            out: Vec::new(),
            payload: Vec::new(),
        })
    }

    /// Joined, and the server sends here.
    pub fn is_ready(&self) -> bool {
        self.has_path
    }

    /// The number that others hear this musician as.
    pub fn source(&self) -> Option<SourceId> {
        self.source
    }

    /// What went wrong, if anything.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Datagrams that this musician's own socket had no room for.
    pub fn own_drops(&self) -> u64 {
        u64::from(inlet::drops(&self.socket))
    }

    /// Something happened on a connection of theirs.
    pub fn handle(&mut self, now: Micros, connection: Connection, happened: Happened, desk: &Desk) {
        let id = connection.1;
        match happened {
            Happened::Opened => self.session.handle_control_open(id, self.pin),
            Happened::Said(message) => self.session.handle_control(now, id, message),
            Happened::Closed => self.session.handle_control_closed(now, id),
        }
        self.drive(now, desk);
    }

    /// What is due by the clock.
    pub fn tend(&mut self, now: Micros, desk: &Desk) {
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
            self.drive(now, desk);
        }
    }

    /// Says goodbye on both channels.
    pub fn leave(&mut self, now: Micros, desk: &Desk) {
        self.session.leave();
        self.drive(now, desk);
    }

    fn drive(&mut self, now: Micros, desk: &Desk) {
        while let Some(event) = self.session.poll_event() {
            self.note(event, desk);
        }
        while let Some((id, message)) = self.session.poll_control() {
            desk.say((self.index, id), message);
        }
        while self.session.poll_transmit(now, &mut self.out).is_some() {
            self.send();
        }
    }

    fn note(&mut self, event: ClientEvent, desk: &Desk) {
        match event {
            ClientEvent::Dial(id) => desk.dial((self.index, id)),
            ClientEvent::HangUp(id) => desk.hang_up((self.index, id)),
            ClientEvent::Joined { seat, media, receive } => {
                self.source = Some(seat.source);
                if let Some(key) = receive {
                    self.receive = Some(key);
                    self.has_path = false;
                }
                // The first endpoint is the server's own port, unless something stands before it.
                if let Some(port) = media.first().map(|m| m.port) {
                    self.server.set_port(port);
                    let _ = self.socket.connect(self.server);
                }
            }
            ClientEvent::Refused(refused) => self.trouble = Some(format!("the server refuses: {:?}", refused.reason)),
            ClientEvent::MediaLost => self.trouble = Some("a session was lost".to_owned()),
            ClientEvent::Roster { .. }
            | ClientEvent::Mix(_)
            | ClientEvent::Left { .. }
            | ClientEvent::OverRate(_)
            | ClientEvent::Unheard(_)
            | ClientEvent::GoingDown => {}
        }
    }

    /// Plays a packet of quiet noise that begins with the moment of its sending.
    pub fn play(&mut self, packet: Packet, now_ns: u64) {
        let Packet { stream, number, frames } = packet;
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

    /// The session that the server gave this musician, once something was sent in it.
    pub fn session(&self) -> Option<SessionId> {
        DatagramHeader::read(&self.out).map(|header| header.session)
    }

    /// The datagram that was sent last.
    pub fn last_sent(&self) -> &[u8] {
        &self.out
    }

    fn send(&self) {
        // What an earlier datagram met on its way is told by the next call; this one is gone then, so it goes again.
        if self.socket.send(&self.out).is_err() {
            let _ = self.socket.send(&self.out);
        }
    }

    /// Takes what has arrived. Of media, one datagram in `share` is opened.
    pub fn hear(&mut self, now: Micros, share: u64, inlet: &mut Inlet, delays: &mut Delays, desk: &Desk) {
        let Player { heard, receive, session, socket, has_path, .. } = self;
        let Some(receive) = receive else { return };
        let mut session_frames = false;
        inlet.drain(socket, |datagram, stamp| {
            let Some(header) = DatagramHeader::read(datagram) else { return };
            if header.class == DatagramClass::Media {
                let fresh = heard.datagram(&header);
                if !fresh || !scattered(header.counter).is_multiple_of(share) {
                    return;
                }
            }
            let Ok(opened) = receive.open(now, datagram) else { return };
            session.handle_heard(now);
            for frame in opened.frames() {
                match frame {
                    Frame::Audio(audio) if audio.header.stream == COUNTED => {
                        heard.packet(audio.header.source, audio.header.sequence);
                        delays.note(delay_us(audio.payload, stamp));
                    }
                    Frame::Audio(audio) if audio.header.source == SourceId::MIX => {
                        heard.packet(audio.header.source, audio.header.sequence);
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
            self.drive(now, desk);
        }
    }
}

/// A number that scatters counters, so that a share of them is one of every musician's packets alike: their order
/// repeats itself.
fn scattered(counter: NonceCounter) -> u64 {
    counter.get().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

fn delay_us(payload: &[u8], stamp: u64) -> u64 {
    let sent = payload.first_chunk().map_or(stamp, |bytes| u64::from_be_bytes(*bytes));
    stamp.saturating_sub(sent) / 1000
}
