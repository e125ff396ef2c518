//! Links the whole protocol without the standard library.
//!
//! The code is built and never run. It uses each part, so that none can depend on std unnoticed.

#![no_std]

extern crate alloc;

mod machine;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use rtjam_protocol::audio::{self, AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{self, ClientSession, Signer};
use rtjam_protocol::control::{self, ClientMessage, SeatRole, ServerMessage};
use rtjam_protocol::datagram::{DatagramClass, write_audio};
use rtjam_protocol::legacy;
use rtjam_protocol::link::{InviteLink, Pin, Secret};
use rtjam_protocol::retransmit;
use rtjam_protocol::seal::{
    Crypto, DidNotOpen, Key, KeyId, KeyLimits, Lane, Nonce, ReceiveKey, Sealer, SendLane, Suite,
};
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::server::rooms::{self, ConnectionId, Entropy, RoomRecord, RoomSecrets, Rooms, RoomsOutput};
use rtjam_protocol::{FramePosition, Micros, MusicianId, Sequence, SessionId, SourceId, StreamId};

/// Uses all parts. Returns a number of bytes that depends on them.
#[unsafe(no_mangle)]
pub extern "C" fn rtjam_protocol_without_std(now: u64) -> usize {
    let now = Micros(now);
    links() + messages() + datagrams() + legacy_packets() + client_end(now) + server_end(now) + media(now)
}

fn links() -> usize {
    let link = "rtjam://jam.example.org/lobby".parse::<InviteLink>();
    link.map_or_else(|why| why.to_string().len(), |link| link.to_string().len())
}

fn messages() -> usize {
    let ping = control::write(&ClientMessage::Ping { id: 1 });
    control::read::<ServerMessage>(&ping).map_or(0, |message| control::write(&message).len())
}

fn datagrams() -> usize {
    let session = SessionId(1);
    let mut lane = SendLane::new(Box::new(Open), session, KeyId(0), Lane::from_number(0));
    let mut payload = Vec::new();
    audio::encode(Codec::Pcm24, &[0.5; 8], &mut payload);
    let header = AudioHeader {
        source: SourceId(0),
        stream: StreamId(1),
        sequence: Sequence(0),
        position: FramePosition(0),
        codec: Codec::Pcm24,
        layout: Layout::Stereo,
        frames: 4,
        peak: [Peak::of(&[0.5]); 2],
    };
    let mut out = Vec::new();
    lane.seal(DatagramClass::Media, &mut out, |out| write_audio(&header, &payload, out));
    let mut receive = ReceiveKey::new(Box::new(Open), session, KeyId(0));
    receive.open(Micros(0), &mut out).map_or(0, |opened| opened.frames().count())
}

fn legacy_packets() -> usize {
    let mut out = Vec::new();
    legacy::LegacyHeader::default().write(1, &mut out, |out| legacy::encode(&[0.5; 2], out));
    legacy::LegacyPacket::read(&out).map_or(0, |packet| packet.frames())
}

fn client_end(now: Micros) -> usize {
    let Ok(room) = rtjam_protocol::RoomName::new("lobby") else { return 0 };
    let config = client::ClientConfig {
        room,
        role: SeatRole::Musician,
        secret: Secret([0; 16]),
        name: "Ann".to_string(),
        suites: Vec::from([Suite::Aes128Gcm]),
        instance: None,
        crypto: CRYPTO,
        mix: control::MixRequest::default(),
    };
    let mut session = ClientSession::new(now, config, Box::new(Nobody));
    session.handle_timeout(now);
    let mut out = Vec::new();
    let sent = session.poll_transmit(now, &mut out).map_or(0, |_| out.len());
    sent + usize::from(session.poll_event().is_some()) + usize::from(session.poll_control().is_some())
}

fn server_end(now: Micros) -> usize {
    let mut rooms = Rooms::new(rooms::RoomsConfig {
        pins: Vec::from([Pin([0; 16])]),
        suites: Vec::from([Suite::Aes128Gcm]),
        media: Vec::new(),
        media_threads: 1,
        max_musicians: 8,
        max_listeners: 8,
        caps: rooms::Caps::default(),
        verify: |_, _, _| true,
    });
    let connection = ConnectionId(1);
    rooms.handle_connected(connection, [0; 32]);
    rooms.handle_message(now, connection, ClientMessage::Bye);
    let secret = |n| Secret([n; 16]).into();
    let secrets = RoomSecrets { listener: secret(1), musician: secret(2), moderator: secret(3) };
    rooms.handle_room(
        now,
        connection,
        rooms::Origin { address: [127, 0, 0, 1].into(), exempt: false },
        RoomRecord::Found {
            secrets,
            slots: Vec::new(),
            mix: control::DownstreamMode::Forwarded,
            bans: Vec::new(),
            limit: None,
        },
        now.0,
        &mut Zeros,
    );
    core::iter::from_fn(|| rooms.poll_output()).filter(|o| matches!(o, RoomsOutput::Send(..))).count()
}

fn media(now: Micros) -> usize {
    let keys = control::SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
    let features = control::Features::SUPPORTED;
    let up = keys.uplink(SessionId(1), features, CRYPTO);
    let down = keys.downlink(SessionId(1), features, CRYPTO);
    let mut peer = ServerSession::new(now, up.receive(), down.send_lane(Lane::session(0)), 1);
    let from = SocketAddr::from(([127, 0, 0, 1], 7891));
    let (mut datagram, mut out) = ([0; 64], Vec::new());
    let heard = peer.handle_datagram(now, from, &mut datagram, || [0; 8]);
    let forwarded = heard.is_ok_and(|h| peer.forwardable_frames(h.plain, SourceId(1), &mut out).audio);
    let mut misses = retransmit::LossDetector::default();
    let asked = misses.poll_feedback(now, retransmit::ReceiverReport::default).is_some();
    let (mut again, history) = (retransmit::Retransmitter::default(), retransmit::PacketHistory::new(SourceId(1)));
    again.compose(now, retransmit::PacketId::default(), &[], &history, 1200, &mut out);
    let sent_again = again.poll_retransmit(|_| Some(&history), &mut out).is_some();
    usize::from(forwarded)
        + usize::from(asked)
        + usize::from(sent_again)
        + peer.poll_transmit(now, &mut out).map_or(0, |_| out.len())
}

/// A sealer that does nothing; `ring` needs std.
struct Open;

impl Sealer for Open {
    fn seal(&self, _: Nonce, _: &[u8], _: &mut [u8]) -> [u8; 16] {
        [0; 16]
    }

    fn open<'a>(&self, _: Nonce, _: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], DidNotOpen> {
        let plain = sealed.len().checked_sub(16).ok_or(DidNotOpen)?;
        Ok(&mut sealed[..plain])
    }

    fn set_key(&mut self, _: &Key) {}
}

const CRYPTO: Crypto =
    Crypto { make_sealer: |_, _| Box::new(Open), expand: |key, _| key.clone(), limits: KeyLimits::STANDARD };

struct Nobody;

impl Signer for Nobody {
    fn musician(&self) -> MusicianId {
        MusicianId([0; 32])
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
    }
}
