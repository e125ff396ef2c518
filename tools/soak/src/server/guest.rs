//! A musician of the soak test: a session as in `rtjam`, a socket, and random joining and leaving.

use super::report::Disturbance;
use rtjam_client::Identity;
use rtjam_load::batch_receiver::{self, BatchReceiver};
use rtjam_load::control::{ConnectionEvent, ControlConnections, LoadConnection};
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession, DialId};
use rtjam_protocol::control::SeatRole;
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::InviteLink;
use rtjam_protocol::seal::ReceiveKey;
use rtjam_protocol::seal::ring::{CRYPTO, preferred_suites};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Frames per packet, and their duration.
const FRAMES: u16 = 256;
pub(super) const PACKET_US: u64 = FRAMES as u64 * 1_000_000 / 48_000;

/// A musician, in the room or absent.
pub(super) struct Guest {
    link: InviteLink,
    server: SocketAddr,
    identity: Identity,
    name: String,
    /// If absent: end of the absence.
    returns_at: Micros,
    stay: Option<Stay>,
}

/// Since when a musician has been disturbed, and why.
#[derive(Clone, Copy)]
pub(super) struct Away {
    pub(super) since: Micros,
    pub(super) how: Disturbance,
    /// Time withheld by the machine up to then.
    pub(super) stalled: Micros,
}

/// The time from joining to leaving.
struct Stay {
    /// Identifies the connections of this stay.
    number: usize,
    session: ClientSession,
    dials: Vec<DialId>,
    socket: UdpSocket,
    receive: Option<Box<ReceiveKey>>,
    source: Option<SourceId>,
    /// When each of the others was last heard.
    heard: HashMap<SourceId, Micros>,
    away: Option<Away>,
    next_packet: Micros,
    sequence: u32,
    stream: StreamId,
    out: Vec<u8>,
}

impl Guest {
    /// Joins with the first call of `run_timers`.
    pub(super) fn new(link: InviteLink, server: SocketAddr, now: Micros) -> Guest {
        let identity = Identity::ephemeral().expect("the machine has random numbers");
        let name = format!("Guest {}", next_number());
        Guest { link, server, identity, name, returns_at: now, stay: None }
    }

    /// Whether a connection belongs to this musician.
    pub(super) fn is_called(&self, connection: LoadConnection) -> bool {
        self.stay.as_ref().is_some_and(|stay| stay.number == connection.0)
    }

    /// Whether the musician is in the room, and back from the last disturbance.
    pub(super) fn is_settled(&self) -> bool {
        self.stay.as_ref().is_some_and(|stay| stay.away.is_none())
    }

    /// The current disturbance, if the musician is in the room and not back yet.
    pub(super) fn away(&self) -> Option<Away> {
        self.stay.as_ref()?.away
    }

    pub(super) fn settle(&mut self) {
        if let Some(stay) = &mut self.stay {
            stay.away = None;
        }
    }

    /// Whether anybody was heard after `since`: if all others are disturbed, too, a musician is back when there is any audio.
    pub(super) fn hears_anyone(&self, since: Micros) -> bool {
        self.stay.as_ref().is_some_and(|stay| stay.heard.values().any(|at| *at > since))
    }

    /// Whether `other` was heard after `since`.
    pub(super) fn has_heard(&self, other: &Guest, since: Micros) -> bool {
        let source = other.stay.as_ref().and_then(|stay| stay.source);
        let at = self.stay.as_ref().zip(source).and_then(|(stay, source)| stay.heard.get(&source));
        at.is_some_and(|at| *at > since)
    }

    /// Handles an event of one of the control connections.
    pub(super) fn handle(
        &mut self,
        now: Micros,
        connection: LoadConnection,
        event: ConnectionEvent,
        control: &ControlConnections,
    ) {
        let Some(trust) = self.link.key.as_ref().map(|key| key.trust) else { return };
        let rtjam_protocol::link::Trust::Pinned(pin) = trust else { return };
        let Some(stay) = &mut self.stay else { return };
        match event {
            ConnectionEvent::Opened => stay.session.handle_control_open(connection.1, pin),
            ConnectionEvent::Said(message) => stay.session.handle_control(now, connection.1, message),
            ConnectionEvent::Closed => stay.session.handle_control_closed(now, connection.1),
        }
        stay.drive(now, control);
    }

    /// Runs timers: returning, and those of the session.
    pub(super) fn run_timers(&mut self, now: Micros, stalled: Micros, control: &ControlConnections) {
        if self.stay.is_none() && now >= self.returns_at {
            self.join(now, stalled);
        }
        let Some(stay) = &mut self.stay else { return };
        if stay.session.poll_timeout().is_some_and(|due| due <= now) {
            stay.session.handle_timeout(now);
        }
        stay.drive(now, control);
    }

    fn join(&mut self, now: Micros, stalled: Micros) {
        let Some(key) = self.link.key.clone() else { return };
        let config = ClientConfig {
            room: self.link.room.clone(),
            role: SeatRole::Musician,
            secret: key.secret,
            name: self.name.clone(),
            suites: preferred_suites().to_vec(),
            instance: None,
            crypto: CRYPTO,
            mix: Default::default(),
        };
        let number = next_number();
        self.stay = Some(Stay {
            number,
            session: ClientSession::new(now, config, Box::new(self.identity.clone())),
            dials: Vec::new(),
            socket: socket_to(self.server),
            receive: None,
            source: None,
            heard: HashMap::new(),
            away: Some(Away { since: now, how: Disturbance::Joined, stalled }),
            next_packet: now,
            sequence: 0,
            stream: StreamId(number as u32),
            out: Vec::new(),
        });
    }

    /// Leaves, disappears, or continues from another address.
    pub(super) fn disturb(
        &mut self,
        now: Micros,
        stalled: Micros,
        impairments: &mut Impairments,
        control: &ControlConnections,
    ) {
        if !self.is_settled() {
            return;
        }
        match impairments.below(4) {
            0 => {
                self.leave(now, control);
                self.returns_at = now + Micros(impairments.below(3_000_000));
            }
            1 => {
                self.vanish(control);
                self.returns_at = now + Micros(impairments.below(8_000_000));
            }
            _ => {
                let Some(stay) = &mut self.stay else { return };
                stay.socket = socket_to(self.server);
                stay.away = Some(Away { since: now, how: Disturbance::Moved, stalled });
            }
        }
    }

    /// Says goodbye on both channels.
    pub(super) fn leave(&mut self, now: Micros, control: &ControlConnections) {
        if let Some(mut stay) = self.stay.take() {
            stay.session.leave();
            stay.drive(now, control);
            stay.hang_up(control);
        }
        self.returns_at = Micros(u64::MAX);
    }

    /// Disappears like a machine that loses power.
    fn vanish(&mut self, control: &ControlConnections) {
        if let Some(mut stay) = self.stay.take() {
            stay.hang_up(control);
        }
    }

    /// Sends the packets that have become due.
    pub(super) fn play(&mut self, now: Micros, impairments: &mut Impairments) {
        let Some(stay) = &mut self.stay else { return };
        while stay.next_packet <= now {
            stay.next_packet += Micros(PACKET_US);
            stay.play(now, impairments);
        }
    }

    /// Receives what has arrived and is not lost.
    pub(super) fn hear(
        &mut self,
        now: Micros,
        receiver: &mut BatchReceiver,
        impairments: &mut Impairments,
        control: &ControlConnections,
    ) {
        let Some(stay) = &mut self.stay else { return };
        let Stay { session, receive, socket, heard, .. } = stay;
        let Some(receive) = receive else { return };
        let mut spoke = false;
        receiver.drain(socket, |datagram, _| {
            if impairments.loses() {
                return;
            }
            let Ok(opened) = receive.open(now, datagram) else { return };
            session.handle_heard(now);
            for frame in opened.frames() {
                if let Frame::Audio(audio) = frame {
                    heard.insert(audio.header.source, now);
                } else {
                    session.handle_frame(now, &frame);
                    spoke = true;
                }
            }
        });
        if spoke {
            stay.drive(now, control);
        }
    }
}

impl Stay {
    fn drive(&mut self, now: Micros, control: &ControlConnections) {
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Dial(id) => {
                    self.dials.push(id);
                    control.dial((self.number, id));
                }
                ClientEvent::HangUp(id) => {
                    self.dials.retain(|dial| *dial != id);
                    control.hang_up((self.number, id));
                }
                ClientEvent::Joined { seat, receive, .. } => {
                    self.source = Some(seat.source);
                    self.receive = receive.or(self.receive.take());
                }
                _ => {}
            }
        }
        while let Some((id, message)) = self.session.poll_control() {
            control.say((self.number, id), message);
        }
        while self.session.poll_transmit(now, &mut self.out).is_some() {
            let _ = self.socket.send(&self.out);
        }
    }

    fn play(&mut self, now: Micros, impairments: &mut Impairments) {
        self.sequence += 1;
        let header = AudioHeader {
            source: SourceId(0),
            stream: self.stream,
            sequence: Sequence(self.sequence),
            position: FramePosition(u64::from(self.sequence) * u64::from(FRAMES)),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: FRAMES,
            peak: [Peak(64); 2],
        };
        let payload = [0x15; FRAMES as usize * 4];
        if self.session.seal_audio(now, &header, &payload, &mut self.out).is_some() && !impairments.loses() {
            let _ = self.socket.send(&self.out);
        }
    }

    fn hang_up(&mut self, control: &ControlConnections) {
        for id in self.dials.drain(..) {
            control.hang_up((self.number, id));
        }
    }
}

fn socket_to(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server).expect("a socket can be connected");
    socket.set_nonblocking(true).expect("a socket can be made non-blocking");
    batch_receiver::prepare(&socket).expect("the kernel stamps datagrams");
    socket
}

fn next_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Packet loss and random decisions, determined by a seed (xorshift64).
pub(super) struct Impairments {
    state: u64,
    loss_percent: u64,
}

impl Impairments {
    pub(super) fn new(seed: u64, loss_percent: u64) -> Impairments {
        Impairments { state: seed | 1, loss_percent }
    }

    /// Whether the next datagram is lost.
    pub(super) fn loses(&mut self) -> bool {
        self.below(100) < self.loss_percent
    }

    /// From 0 to `n` - 1.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % n.max(1)
    }
}
