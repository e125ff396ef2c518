//! Conversations of earlier releases, recorded from their programs, played against this release: their server to our client,
//! and their client to our server.

mod common;

use common::{Identity, XorShift, client_config, secrets, server_config};
use core::net::SocketAddr;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::decode;
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession, ClientState};
use rtjam_protocol::control::{self, ClientMessage, DownstreamMode, Joined, SeatRole, ServerMessage, Welcome};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::{InviteLink, Pin, Trust};
use rtjam_protocol::seal::{Lane, ring::CRYPTO};
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::server::rooms::{ConnectionId, Origin, RoomRecord, RoomSecrets, Rooms, RoomsConfig, RoomsOutput};
use serde::Deserialize;

/// Ben joins Ann in a room of release 0.1; Ann leaves, then Ben. In the second conversation Ben receives one mix.
const RELEASE_0_1: [&str; 2] = [
    include_str!("../../../tests/fixtures/conversations/0.1/separate.jsonl"),
    include_str!("../../../tests/fixtures/conversations/0.1/one_mix.jsonl"),
];

/// A conversation: one line about it, then a line for each text and datagram.
struct Conversation {
    link: InviteLink,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Opening {
    link: String,
}

#[derive(Deserialize)]
struct Entry {
    /// µs since the first entry.
    us: u64,
    from: End,
    text: Option<String>,
    /// Base64.
    datagram: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    Client,
    Server,
}

impl Conversation {
    fn read(text: &str) -> Conversation {
        let (first, rest) = text.split_once('\n').expect("a first line");
        let Opening { link } = serde_json::from_str(first).expect("what it is");
        let entries = rest.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
        Conversation { link: link.parse().expect("a link"), entries }
    }

    fn pin(&self) -> Pin {
        match &self.link.key.as_ref().expect("a key").trust {
            Trust::Pinned(pin) => *pin,
            Trust::SystemRoots => panic!("a link without a pin"),
        }
    }

    fn of(&self, end: End) -> impl Iterator<Item = (Micros, &Entry)> {
        self.entries.iter().filter(move |entry| entry.from == end).map(|entry| (Micros(entry.us), entry))
    }

    fn welcome(&self) -> Welcome {
        self.find(|message| if let ServerMessage::Welcome(welcome) = message { Some(welcome) } else { None })
    }

    fn joined(&self) -> Joined {
        self.find(|message| if let ServerMessage::Joined(joined) = message { Some(joined) } else { None })
    }

    fn find<T>(&self, pick: impl Fn(ServerMessage) -> Option<T>) -> T {
        let texts = self.of(End::Server).filter_map(|(_, entry)| entry.text.as_deref());
        texts.filter_map(|text| pick(control::read(text).expect("a message"))).next().expect("it was sent")
    }
}

fn bytes(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(base64).expect("base64")
}

/// What our client makes of a server of 0.1.
#[derive(Debug, Default)]
struct Heard {
    names: Vec<String>,
    left: Vec<String>,
    audio: usize,
    other_frames: usize,
    mode: Option<DownstreamMode>,
    loudest: f32,
}

fn play_to_client(conversation: &Conversation) -> Heard {
    let key = conversation.link.key.clone().expect("a key");
    let config = ClientConfig { secret: key.secret, ..client_config("Ben", SeatRole::Musician) };
    let mut session = ClientSession::new(Micros(0), config, Box::new(Identity::new(1)));
    let Some(ClientEvent::Dial(dial)) = session.poll_event() else { panic!("it does not dial") };
    session.handle_control_open(dial, conversation.pin());
    let (mut heard, mut receive) = (Heard::default(), None);
    for (now, entry) in conversation.of(End::Server) {
        if let Some(text) = &entry.text {
            let message: ServerMessage = control::read(text).expect("a message");
            assert_ne!(message, ServerMessage::Unknown, "{text}");
            session.handle_control(now, dial, message);
        }
        while let Some(event) = session.poll_event() {
            match event {
                ClientEvent::Joined { receive: Some(key), .. } => receive = Some(key),
                ClientEvent::Roster { musicians, .. } => {
                    heard.names = musicians.into_iter().map(|musician| musician.name).collect();
                }
                ClientEvent::Left { name, .. } => heard.left.push(name),
                ClientEvent::Mix(mix) => heard.mode = Some(mix.mode),
                ClientEvent::Refused(refused) => panic!("{refused}"),
                _ => {}
            }
        }
        let Some(datagram) = &entry.datagram else { continue };
        let mut datagram = bytes(datagram);
        let opened = receive.as_mut().expect("joined").open(now, &mut datagram).expect("a genuine datagram");
        session.handle_heard(now);
        for frame in opened.frames() {
            let Frame::Audio(audio) = frame else {
                heard.other_frames += 1;
                session.handle_frame(now, &frame);
                continue;
            };
            heard.audio += 1;
            let mut samples = vec![0.0; usize::from(audio.header.frames)];
            let one_channel = audio.payload.len() / 2;
            decode(audio.header.codec, &audio.payload[..one_channel], &mut samples);
            heard.loudest = samples.iter().fold(heard.loudest, |peak, sample| peak.max(sample.abs()));
        }
    }
    assert_eq!(session.state(), ClientState::Joined);
    heard
}

/// Our client understands every message and datagram of a server of 0.1.
#[test]
fn client_understands_servers_of_0_1() {
    for (text, mode) in RELEASE_0_1.into_iter().zip([DownstreamMode::Forwarded, DownstreamMode::Mixed]) {
        let heard = play_to_client(&Conversation::read(text));
        assert_eq!(heard.mode, Some(mode));
        assert_eq!(heard.names, ["Ben"], "Ann has left");
        assert_eq!(heard.left, ["Ann"]);
        assert!(heard.audio > 30 && heard.other_frames > 0, "{heard:?}");
        assert!((0.01..=1.0).contains(&heard.loudest), "the demo is heard: {heard:?}");
    }
}

/// Our server seats a client of 0.1 by what it says, and opens all that it sends.
#[test]
fn server_understands_clients_of_0_1() {
    for text in RELEASE_0_1 {
        let conversation = Conversation::read(text);
        let joined = seat_client(&conversation);
        assert_eq!((joined.name.as_str(), joined.features), ("Ben", conversation.joined().features));
        let before = conversation.joined();
        let up = before.keys.uplink(before.session, before.features, CRYPTO);
        let down = before.keys.downlink(before.session, before.features, CRYPTO);
        let mut peer = ServerSession::new(Micros(0), up.receive(), down.send_lane(Lane::session(0)), 1);
        let from = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let (mut datagrams, mut audio) = (0, Vec::new());
        for (now, entry) in conversation.of(End::Client) {
            let Some(datagram) = &entry.datagram else { continue };
            let mut datagram = bytes(datagram);
            let received = peer.handle_datagram(now, from, &mut datagram, || [7; 8]).expect("a genuine datagram");
            let plain = received.plain.to_vec();
            peer.forwardable_frames(&plain, before.source, &mut audio);
            datagrams += 1;
        }
        assert!(datagrams > 50 && audio.len() > 30 * 128, "{datagrams} datagrams, {} bytes of audio", audio.len());
    }
}

/// Plays the client's texts, from `hello` to `bye`, to our server. Returns the seat that it gives.
fn seat_client(conversation: &Conversation) -> Joined {
    let secret = conversation.link.key.clone().expect("a key").secret;
    let secrets = RoomSecrets { musician: secret.into(), ..secrets() };
    let mut rooms = Rooms::new(RoomsConfig { pins: vec![conversation.pin()], ..server_config(8) });
    let (connection, mut entropy) = (ConnectionId(1), XorShift::new(1));
    rooms.handle_connected(connection, conversation.welcome().nonce);
    let origin = Origin { address: [203, 0, 113, 1].into(), exempt: false };
    let (mut seat, mut ended) = (None, None);
    for (now, entry) in conversation.of(End::Client) {
        let Some(text) = &entry.text else { continue };
        let message: ClientMessage = control::read(text).expect("a message");
        assert_ne!(message, ClientMessage::Unknown, "{text}");
        rooms.handle_message(now, connection, message);
        while let Some(output) = rooms.poll_output() {
            match output {
                RoomsOutput::LookUp(..) => {
                    let (slots, mix, bans) = (Vec::new(), DownstreamMode::Forwarded, Vec::new());
                    let record = RoomRecord::Found { secrets: secrets.clone(), slots, mix, bans, limit: None };
                    rooms.handle_room(now, connection, origin, record, 1, &mut entropy);
                }
                RoomsOutput::Send(_, ServerMessage::Joined(joined)) => seat = Some(joined),
                RoomsOutput::End(session) => ended = Some(session),
                RoomsOutput::Send(_, ServerMessage::Refused(refused)) => panic!("{refused}"),
                _ => {}
            }
        }
    }
    let seat = seat.expect("a seat");
    assert_eq!(ended, Some(seat.session), "it takes its leave");
    seat
}
