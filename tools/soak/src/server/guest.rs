//! One musician of the soak: a session as `rtjam` has it, a socket, and an inclination to come and go.

use super::network::Network;
use super::report::How;
use rtjam_client::Identity;
use rtjam_load::control::{Connection, ControlConnections, ConnectionEvent};
use rtjam_load::batch_receiver::{self, BatchReceiver};
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{Config, DialId, Event, Session};
use rtjam_protocol::control::SeatRole;
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::InviteLink;
use rtjam_protocol::seal::ReceiveKey;
use rtjam_protocol::seal::ring::{CRYPTO, preferred_suites};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Frames of a packet, and how long they last.
const FRAMES: u16 = 256;
pub(super) const PACKET_US: u64 = FRAMES as u64 * 1_000_000 / 48_000;

/// A musician, in the room or not.
pub(super) struct Guest {
    link: InviteLink,
    server: SocketAddr,
    identity: Identity,
    name: String,
    /// When absent: until then.
    returns_at: Micros,
    stay: Option<Stay>,
}

/// Since when somebody is not all there, and why.
#[derive(Clone, Copy)]
pub(super) struct Away {
    pub(super) since: Micros,
    pub(super) how: How,
    /// What the machine had withheld by then.
    pub(super) stalled: Micros,
}

/// From joining to leaving.
struct Stay {
    /// Names the connections of this stay; no two have the same.
    number: usize,
    session: Session,
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
    /// Joins with the first look at the clock.
    pub(super) fn new(link: InviteLink, server: SocketAddr, now: Micros) -> Guest {
        let identity = Identity::ephemeral().expect("the machine has random numbers");
        let name = format!("Guest {}", next_number());
        Guest { link, server, identity, name, returns_at: now, stay: None }
    }

    /// Whether a connection is this one's.
    pub(super) fn is_called(&self, connection: Connection) -> bool {
        self.stay.as_ref().is_some_and(|stay| stay.number == connection.0)
    }

    /// In the room, and back from whatever was last.
    pub(super) fn is_settled(&self) -> bool {
        self.stay.as_ref().is_some_and(|stay| stay.away.is_none())
    }

    /// In the room, and not back yet.
    pub(super) fn away(&self) -> Option<Away> {
        self.stay.as_ref()?.away
    }

    pub(super) fn settle(&mut self) {
        if let Some(stay) = &mut self.stay {
            stay.away = None;
        }
    }

    /// Whether anybody was heard after `since`: who is alone with others that are not all there either, is back when
    /// there is sound.
    pub(super) fn hears_anyone(&self, since: Micros) -> bool {
        self.stay.as_ref().is_some_and(|stay| stay.heard.values().any(|at| *at > since))
    }

    /// Whether `other` was heard after `since`.
    pub(super) fn has_heard(&self, other: &Guest, since: Micros) -> bool {
        let source = other.stay.as_ref().and_then(|stay| stay.source);
        let at = self.stay.as_ref().zip(source).and_then(|(stay, source)| stay.heard.get(&source));
        at.is_some_and(|at| *at > since)
    }

    /// Something event on one of the control connections.
    pub(super) fn handle(&mut self, now: Micros, connection: Connection, event: ConnectionEvent, control: &ControlConnections) {
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

    /// What is due by the clock: coming back, and what the session wants.
    pub(super) fn tend(&mut self, now: Micros, stalled: Micros, control: &ControlConnections) {
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
        let config = Config {
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
            session: Session::new(now, config, Box::new(self.identity.clone())),
            dials: Vec::new(),
            socket: socket_to(self.server),
            receive: None,
            source: None,
            heard: HashMap::new(),
            away: Some(Away { since: now, how: How::Joined, stalled }),
            next_packet: now,
            sequence: 0,
            stream: StreamId(number as u32),
            out: Vec::new(),
        });
    }

    /// Leaves, vanishes, or goes on from another address.
    pub(super) fn suffer(&mut self, now: Micros, stalled: Micros, chance: &mut Network, control: &ControlConnections) {
        if !self.is_settled() {
            return;
        }
        match chance.below(4) {
            0 => {
                self.leave(now, control);
                self.returns_at = now + Micros(chance.below(3_000_000));
            }
            1 => {
                self.vanish(control);
                self.returns_at = now + Micros(chance.below(8_000_000));
            }
            _ => {
                let Some(stay) = &mut self.stay else { return };
                stay.socket = socket_to(self.server);
                stay.away = Some(Away { since: now, how: How::Moved, stalled });
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

    /// As a machine does whose power fails.
    fn vanish(&mut self, control: &ControlConnections) {
        if let Some(mut stay) = self.stay.take() {
            stay.hang_up(control);
        }
    }

    /// Sends what has become due.
    pub(super) fn play(&mut self, now: Micros, network: &mut Network) {
        let Some(stay) = &mut self.stay else { return };
        while stay.next_packet <= now {
            stay.next_packet += Micros(PACKET_US);
            stay.play(now, network);
        }
    }

    /// Takes what has arrived and is not lost.
    pub(super) fn hear(&mut self, now: Micros, receiver: &mut BatchReceiver, network: &mut Network, control: &ControlConnections) {
        let Some(stay) = &mut self.stay else { return };
        let Stay { session, receive, socket, heard, .. } = stay;
        let Some(receive) = receive else { return };
        let mut spoke = false;
        receiver.drain(socket, |datagram, _| {
            if network.loses() {
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
                Event::Dial(id) => {
                    self.dials.push(id);
                    control.dial((self.number, id));
                }
                Event::HangUp(id) => {
                    self.dials.retain(|dial| *dial != id);
                    control.hang_up((self.number, id));
                }
                Event::Joined { seat, receive, .. } => {
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

    fn play(&mut self, now: Micros, network: &mut Network) {
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
        if self.session.seal_audio(now, &header, &payload, &mut self.out).is_some() && !network.loses() {
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
