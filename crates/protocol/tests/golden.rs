//! Compares the code with the examples in `docs/PROTOCOL.md`, in both directions.

use ring::signature::{Ed25519KeyPair, KeyPair};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, decode, encode};
use rtjam_protocol::control::{
    self, ClientMessage, DownstreamMode, Features, Hello, Joined, MediaEndpoint, MemberAccess, MixBalance, MixRequest,
    MixState, Refusal, Refused, ResumeToken, RosterEntry, SeatRequest, SeatRole, ServerMessage, SessionKeys,
    TransportKind, Welcome, signed_text,
};
use rtjam_protocol::datagram::{
    ClockReply, ClockRequest, DatagramClass, DatagramHeader, Frame, Frames, MixReport, MixedMusician, Probe,
    write_frame,
};
use rtjam_protocol::legacy;
use rtjam_protocol::link::{Host, InviteLink, Pin, Role, RoomKey, Secret, Trust};
use rtjam_protocol::retransmit::{Feedback, MissingCounters, RetransmitWaits};
use rtjam_protocol::seal::ring::{CRYPTO, expand, make_sealer, verify};
use rtjam_protocol::seal::{Key, KeyId, Lane, ReceiveKey, SendLane, Suite};
use rtjam_protocol::{FramePosition, Micros, MusicianId, RoomName, Sequence, SessionId, SourceId, StreamId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = include_str!("../../../docs/PROTOCOL.md");

/// The examples: fenced blocks whose fence has a language and a label.
fn examples() -> BTreeMap<&'static str, &'static str> {
    let mut found = BTreeMap::new();
    let mut rest = DOCUMENT;
    while let Some((_, block)) = rest.split_once("\n```") {
        let (fence, after) = block.split_once('\n').expect("a fence ends");
        let (body, after) = after.split_once("\n```").expect("a block ends");
        if let Some((_, label)) = fence.split_once(' ') {
            assert!(found.insert(label, body).is_none(), "{label} is there twice");
        }
        rest = after;
    }
    found
}

fn example(label: &str) -> &'static str {
    examples().get(label).unwrap_or_else(|| panic!("docs/PROTOCOL.md has no example “{label}”"))
}

fn hex(label: &str) -> Vec<u8> {
    let digits: String = example(label).split_whitespace().collect();
    let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn counting<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|i| first + i as u8)
}

const SESSION: SessionId = SessionId(0x0102_0304);

fn key() -> Key {
    Key(counting(0))
}

/// Samples of the audio examples: channel 1, then channel 2.
const SAMPLES: [[f32; 2]; 2] = [[0.5, -0.5], [1.0, -1.0]];

fn audio(codec: Codec) -> (AudioHeader, Vec<u8>) {
    let mut payload = Vec::new();
    SAMPLES.iter().for_each(|channel| encode(codec, channel, &mut payload));
    let header = AudioHeader {
        source: SourceId(0),
        stream: StreamId(0xA0B0_C0D0),
        sequence: Sequence(7),
        position: FramePosition(896),
        codec,
        layout: if codec == Codec::Pcm16 { Layout::Stereo } else { Layout::DualMono },
        frames: 2,
        peak: [Peak::of(&SAMPLES[0]), Peak::of(&SAMPLES[1])],
    };
    (header, payload)
}

/// Floats are clipped as documented, when read and when written.
#[test]
fn floats_match_document() {
    let (sent, read) = (hex("f32 sent"), hex("f32 read"));
    let mut samples = [9.0; 5];
    decode(Codec::F32, &sent, &mut samples);
    let bits: Vec<u8> = samples.iter().flat_map(|s| s.to_bits().to_be_bytes()).collect();
    assert_eq!(to_hex(&bits), to_hex(&read));
    let mut written = Vec::new();
    let raw = sent.as_chunks::<4>().0.iter().map(|b| f32::from_be_bytes(*b));
    encode(Codec::F32, &raw.collect::<Vec<f32>>(), &mut written);
    assert_eq!(to_hex(&written), to_hex(&read));
}

/// Passes each example frame with its label, in the order of the datagrams' counters; `None` for frames that are skipped.
fn with_frames(each: impl Fn(&str, Option<&Frame<'_>>)) {
    let check = |label: &str, frame: &Frame<'_>| each(label, Some(frame));
    let reply = ClockReply {
        asked: Micros(1_000_000),
        received: Micros(5_000_000),
        replied: Micros(5_000_040),
        epoch: 0xE0E1_E2E3,
    };
    check("keep-alive", &Frame::KeepAlive);
    check("clock-request", &Frame::ClockRequest(ClockRequest { sent: Micros(1_000_000) }));
    check("clock-reply", &Frame::ClockReply(reply));
    check("path-challenge", &Frame::PathChallenge(counting(0xC0)));
    check("path-response", &Frame::PathResponse(counting(0xC0)));
    check("goodbye", &Frame::Goodbye);
    each("clock-report", None);
    each("clock-report-beat", None);
    check("probe", &Frame::Probe(Probe { id: 3, size: 44 }));
    check("probe-reply", &Frame::ProbeReply(Probe { id: 3, size: 44 }));
    for (label, codec) in [("audio-pcm16", Codec::Pcm16), ("audio-pcm24", Codec::Pcm24), ("audio-f32", Codec::F32)] {
        let (header, payload) = audio(codec);
        check(label, &Frame::Audio(AudioFrame { header, payload: &payload }));
    }
    let mut feedback = Feedback {
        lane: Lane::from_number(0),
        newest: DatagramHeader::read(&hex("datagram audio-f32")).expect("a header").counter,
        copies: true,
        lost: 3,
        recovered: 2,
        waits: RetransmitWaits::default(),
        missing: MissingCounters::default(),
    };
    feedback.waits.add(SourceId(1), Micros(5_330));
    feedback.waits.add(SourceId(2), Micros(2_670));
    [1, 2, 10].iter().for_each(|behind| feedback.missing.mark(*behind));
    check("feedback", &Frame::Feedback(feedback));
    let (header, payload) = audio(Codec::Pcm16);
    check("copy", &Frame::Copy(AudioFrame { header, payload: &payload }));
    let mut report = Vec::new();
    let levels = |left, right| [Peak(left), Peak(right)];
    let of = |source, wait, frames, rms, peak| MixedMusician {
        source: SourceId(source),
        wait: Micros(wait),
        frames,
        rms,
        peak,
    };
    of(1, 1_350, 128, levels(4096, 0), levels(8192, 0)).write(&mut report);
    of(3, 2_670, 64, levels(1, 2), levels(3, 4)).write(&mut report);
    check("mix-report", &Frame::MixReport(MixReport::new(&report)));
}

/// Every frame is written and read as documented.
#[test]
fn frames_match_document() {
    with_frames(|label, frame| {
        let read = hex(&format!("frame {label}"));
        assert!(Frames::new(&read).eq(frame.copied()), "{label}");
        if let Some(frame) = frame {
            let mut written = Vec::new();
            write_frame(frame, &mut written);
            assert_eq!(to_hex(&written), to_hex(&read), "{label}");
        }
    });
}

/// Every datagram is sealed and opened as documented.
#[test]
fn datagrams_match_document() {
    for (prefix, suite) in [("datagram", Suite::ChaCha20Poly1305), ("aes", Suite::Aes128Gcm)] {
        let lane = core::cell::RefCell::new(SendLane::new(
            make_sealer(suite, &key()),
            SESSION,
            KeyId(0),
            Lane::from_number(0),
        ));
        let receive = core::cell::RefCell::new(ReceiveKey::new(make_sealer(suite, &key()), SESSION, KeyId(0)));
        let shown = core::cell::Cell::new(0);
        with_frames(|label, frame| {
            let media = matches!(frame, Some(Frame::Audio(_) | Frame::Copy(_) | Frame::MixReport(_)));
            let class = if media { DatagramClass::Media } else { DatagramClass::Session };
            let mut sealed = Vec::new();
            let plain = hex(&format!("frame {label}"));
            lane.borrow_mut().seal(class, &mut sealed, |out| out.extend_from_slice(&plain));
            let label = format!("{prefix} {label}");
            // The document has only some examples of the second suite.
            if prefix == "aes" && !examples().contains_key(&label[..]) {
                return;
            }
            assert_eq!(to_hex(&sealed), to_hex(&hex(&label)), "{label}");
            let mut datagram = hex(&label);
            let header = DatagramHeader::read(&datagram).expect("a header");
            let mut written = Vec::new();
            header.write(&mut written);
            assert_eq!((header.class, header.session, &written[..]), (class, SESSION, &datagram[..14]));
            let mut receive = receive.borrow_mut();
            let opened = receive.open(Micros::ZERO, &mut datagram).unwrap_or_else(|why| panic!("{label}: {why:?}"));
            assert!(opened.frames().eq(frame.copied()), "{label}");
            shown.set(shown.get() + 1);
        });
        assert!(shown.get() >= if prefix == "aes" { 2 } else { 13 });
    }
}

/// Keys are derived as documented, and seal the documented datagrams.
#[test]
fn derived_keys_match_document() {
    let keys = SessionKeys { suite: Suite::ChaCha20Poly1305, id: KeyId(0), up: key(), down: key() };
    let direction = keys.uplink(SESSION, Features { rekey: true, ..Features::default() }, CRYPTO);
    let (mut lane, mut receive) = (direction.send_lane(Lane::from_number(0)), direction.receive());
    let mut derived = expand(&key(), b"rtjam/1 lane\x01\x02\x03\x04\0");
    let (mut sealed, mut counter) = (Vec::new(), 0);
    for epoch in 0..3 {
        assert_eq!(to_hex(&derived.0), to_hex(&hex(&format!("rekey key-{epoch}"))));
        derived = expand(&derived, b"rtjam/1 next\x01\x02\x03\x04\0");
        let mut golden = hex(&format!("rekey datagram-{epoch}"));
        while counter < (epoch << 20) + 1 {
            counter = lane.seal(DatagramClass::Session, &mut sealed, |out| write_frame(&Frame::KeepAlive, out)).get();
        }
        assert_eq!(to_hex(&sealed), to_hex(&golden), "epoch {epoch}");
        let opened = receive.open(Micros::ZERO, &mut golden).unwrap_or_else(|why| panic!("epoch {epoch}: {why:?}"));
        assert_eq!(opened.frames().collect::<Vec<_>>(), [Frame::KeepAlive]);
    }
}

/// Samples and peaks are scaled as documented.
#[test]
fn sample_scales_match_document() {
    for codec in [Codec::Pcm16, Codec::Pcm24, Codec::F32] {
        let (_, payload) = audio(codec);
        let mut out = [9.0; 4];
        decode(codec, &payload, &mut out);
        // The integer codecs have no positive full scale.
        let top = [32767.0 / 32768.0, 8_388_607.0 / 8_388_608.0, 1.0][codec as usize];
        assert_eq!(out, [0.5, -0.5, top, -1.0]);
    }
    assert_eq!(
        [Peak::of(&[0.0]).0, Peak::of(&[-1.0]).0, Peak::of(&[0.00001]).0, Peak::of(&[9.0]).0],
        [0, 32768, 1, 65535]
    );
}

/// Two frames or none: channel 1 is 0 and 0.5, channel 2 is 1 and −1. Written by a legacy client, returned by a legacy
/// server, and written by RTJam.
const CLASSIC: [(&str, legacy::LegacyHeader, &[[u16; 2]]); 3] = [
    (
        "classic client",
        legacy::LegacyHeader {
            beat: 0,
            server_time: Micros(5_000_000),
            client_time: Micros(1_000_000),
            client: legacy::LegacyClientId(17),
            sequence: Sequence(7),
        },
        &[[32766, 49149], [65532, 0]],
    ),
    (
        "classic echo",
        legacy::LegacyHeader {
            beat: 2,
            server_time: Micros(5_002_667),
            client_time: Micros(1_000_000),
            client: legacy::LegacyClientId(17),
            sequence: Sequence(7),
        },
        &[],
    ),
    (
        "classic ours",
        legacy::LegacyHeader {
            beat: 2,
            server_time: Micros(5_002_667),
            client_time: Micros(1_000_000),
            client: legacy::LegacyClientId(41_001),
            sequence: Sequence(7),
        },
        &[[32768, 49152], [65535, 0]],
    ),
];

/// Legacy packets are written and read as documented.
#[test]
fn legacy_packets_match_document() {
    for (label, header, samples) in CLASSIC {
        let golden = hex(label);
        let packet = legacy::LegacyPacket::read(&golden).expect("a packet");
        let bytes = |channel: &[u16; 2]| channel.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let channels: Vec<Vec<u8>> = samples.iter().map(bytes).collect();
        let frames = if samples.is_empty() { 0 } else { 2 };
        assert_eq!((packet.header, packet.frames()), (header, frames), "{label}");
        assert_eq!(packet.channels().concat(), channels.concat(), "{label}");
        let mut written = Vec::new();
        header.write(frames, &mut written, |out| out.extend(channels.concat()));
        assert_eq!(to_hex(&written), to_hex(&golden), "{label}");
        assert_eq!(usize::from(golden[2]), golden.len() / 32, "{label}");
    }
}

/// Legacy samples are scaled as documented.
#[test]
fn legacy_samples_match_document() {
    let (theirs, ours) = (hex("classic client"), hex("classic ours"));
    let mut out = [[9.0; 2]; 2];
    let packet = legacy::LegacyPacket::read(&theirs).expect("a packet");
    packet.channels().iter().zip(&mut out).for_each(|(channel, out)| legacy::SampleScale::Legacy.decode(channel, out));
    assert_eq!(out, [[0.0, 0.5], [1.0, -1.0]]);
    let mut written = Vec::new();
    out.iter().for_each(|channel| legacy::encode(channel, &mut written));
    assert_eq!(to_hex(&written), to_hex(&ours[legacy::HEADER_LEN..]));
}

/// Links are written and read as documented.
#[test]
fn links_match_document() {
    let room = RoomName::new("lobby").expect("a name");
    let host = Host::Name("jam.example.org".into());
    let secret = Secret(counting(0x10));
    let pinned = RoomKey { role: Role::Musician, secret: secret.clone(), trust: Trust::Pinned(Pin(counting(0xA0))) };
    let roots = RoomKey { role: Role::Listener, secret, trust: Trust::SystemRoots };
    let v6 = Host::V6("2001:db8::1".parse().expect("an address"));
    let thursday = RoomName::new("Thursday jam").expect("a name");
    for (label, bytes, link) in [
        ("link pinned", Some("key pinned"), InviteLink { host, port: 7891, room, key: Some(pinned) }),
        (
            "link roots",
            Some("key roots"),
            InviteLink { host: v6.clone(), port: 9000, room: thursday.clone(), key: Some(roots) },
        ),
        ("link bare", None, InviteLink { host: v6, port: 9000, room: thursday, key: None }),
    ] {
        let text = example(label);
        assert_eq!(link.to_string(), text);
        assert_eq!(text.parse(), Ok(link));
        let key = text.split_once('#').map(|(_, key)| key);
        assert_eq!(key.map(|k| to_hex(&base64url(k))), bytes.map(|label| to_hex(&hex(label))));
    }
}

fn base64url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The signed text and its signature are as documented.
#[test]
fn signature_matches_document() {
    let seed: [u8; 32] = counting(0x60);
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed");
    let text = signed_text(&counting(0x40), &Pin(counting(0xA0)));
    assert_eq!(to_hex(&seed), to_hex(&hex("seed")));
    assert_eq!(to_hex(&text), to_hex(&hex("signed-text")));
    assert_eq!(to_hex(pair.public_key().as_ref()), to_hex(&hex("public-key")));
    assert_eq!(to_hex(pair.sign(&text).as_ref()), to_hex(&hex("signature")));
    let (musician, mut signature) = (MusicianId(hex("public-key").try_into().expect("32")), hex("signature"));
    assert!(verify(&musician, &text, &signature.clone().try_into().expect("64")));
    signature[0] ^= 1;
    assert!(!verify(&musician, &text, &signature.try_into().expect("64")));
}

fn client_messages() -> Vec<(&'static str, ClientMessage)> {
    let musician = MusicianId(hex("public-key").try_into().expect("32 bytes"));
    let hello = Hello {
        version: 1,
        musician,
        signature: hex("signature").try_into().expect("64 bytes"),
        name: "Ann".into(),
        suites: vec![Suite::Aes128Gcm, Suite::ChaCha20Poly1305],
        features: Features::default(),
    };
    let able = Hello { features: Features { rekey: true, roster_changes: true }, ..hello.clone() };
    let seat = SeatRequest {
        room: RoomName::new("lobby").expect("a name"),
        role: SeatRole::Musician,
        secret: Some(Secret(counting(0x10))),
        instance: None,
        resume: None,
        replaces: None,
        mix: None,
    };
    let balances = vec![
        MixBalance { source: SourceId(1), gains: [5012, 0], pans: [None, Some(-250)], layout: Some(Layout::DualMono) },
        MixBalance { source: SourceId(3), gains: [MixBalance::UNITY; 2], pans: [None; 2], layout: None },
    ];
    let mix = MixRequest { mode: Some(DownstreamMode::Mixed), codec: Codec::Pcm24, balances };
    let mixed = SeatRequest { mix: Some(DownstreamMode::Mixed), ..seat.clone() };
    let again = SeatRequest { instance: Some(0), resume: Some(ResumeToken(counting(0xD0))), ..seat.clone() };
    let instead = SeatRequest { instance: Some(0), replaces: Some(ResumeToken(counting(0xD0))), ..seat.clone() };
    vec![
        ("hello", ClientMessage::Hello(hello)),
        ("hello features", ClientMessage::Hello(able)),
        ("seat", ClientMessage::Seat(seat)),
        ("seat mix", ClientMessage::Seat(mixed)),
        ("seat resume", ClientMessage::Seat(again)),
        ("seat replaces", ClientMessage::Seat(instead)),
        ("mix", ClientMessage::Mix(mix)),
        ("mix room", ClientMessage::Mix(MixRequest::default())),
        ("pin", ClientMessage::Pin { sources: vec![SourceId(3), SourceId(12)] }),
        ("bye", ClientMessage::Bye),
        ("ping", ClientMessage::Ping { id: 5 }),
    ]
}

fn server_messages() -> Vec<(&'static str, ServerMessage)> {
    let no_identity = MusicianId(*b"rtjam classic, no identity..\0\0\0\x11");
    let musician = MusicianId(hex("public-key").try_into().expect("32 bytes"));
    let keys = SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key(counting(0)), down: Key(counting(0x20)) };
    let joined = Joined {
        room: RoomName::new("lobby").expect("a name"),
        role: Role::Musician,
        resumed: false,
        session: SESSION,
        source: SourceId(1),
        name: "Ann".into(),
        instance: 0,
        keys,
        media: vec![MediaEndpoint { host: None, port: 7891, kind: TransportKind::Udp }],
        resume: ResumeToken(counting(0xD0)),
        mix: DownstreamMode::Forwarded,
        features: Features::default(),
    };
    let able = Joined { features: Features { rekey: true, roster_changes: true }, ..joined.clone() };
    let entry =
        RosterEntry { source: SourceId(1), name: "Ann".into(), musician, instance: 0, via: MemberAccess::Direct };
    let second =
        RosterEntry { source: SourceId(2), name: "Ann 2".into(), musician, instance: 1, via: MemberAccess::Direct };
    let legacy = RosterEntry {
        source: SourceId(3),
        name: "Classic 17".into(),
        musician: no_identity,
        instance: 0,
        via: MemberAccess::Legacy,
    };
    let ben = RosterEntry { source: SourceId(4), name: "Ben".into(), ..second.clone() };
    vec![
        ("welcome", ServerMessage::Welcome(Welcome { version: 1, nonce: counting(0x40) })),
        ("joined", ServerMessage::Joined(joined)),
        ("joined features", ServerMessage::Joined(able)),
        ("refused", ServerMessage::Refused(Refused::new(Refusal::RoomFull))),
        ("refused-after", ServerMessage::Refused(Refused::after(Refusal::TooManyJoins, 12))),
        ("mix now", ServerMessage::Mix(MixState { mode: DownstreamMode::Forwarded, wait_us: None })),
        ("mix waits", ServerMessage::Mix(MixState::mixed(Micros(1350)))),
        ("roster", ServerMessage::Roster { musicians: vec![entry, second, legacy], listeners: 3 }),
        (
            "roster_changes",
            ServerMessage::RosterChanges { left: vec![SourceId(2)], musicians: vec![ben], listeners: 3 },
        ),
        ("left", ServerMessage::Left { source: SourceId(2), name: "Ann 2".into() }),
        ("unheard", ServerMessage::Unheard { sources: vec![SourceId(7), SourceId(41)] }),
        ("over_rate", ServerMessage::OverRate { dropped: 1234 }),
        ("going_down", ServerMessage::GoingDown),
        ("pong", ServerMessage::Pong { id: 5 }),
    ]
}

/// Compares one message with its example, and reads the example with an additional field.
fn check<M>(label: &str, message: &M)
where
    M: serde::Serialize + serde::de::DeserializeOwned + PartialEq + core::fmt::Debug,
{
    let text = example(label);
    let shown: Value = serde_json::from_str(text).expect("JSON");
    let written: Value = serde_json::from_str(&control::write(message)).expect("JSON");
    assert_eq!(written, shown, "{label}");
    assert_eq!(control::read::<M>(text).as_ref(), Ok(message), "{label}");
    let newer = text.replacen('{', r#"{"wings":{"left":[1,2]},"#, 1).replace(",}", "}");
    assert_eq!(control::read::<M>(&newer).as_ref(), Ok(message), "{label}");
}

/// Every control message is written and read as documented, and unknown types are accepted.
#[test]
fn messages_match_document() {
    client_messages().iter().for_each(|(label, message)| check(label, message));
    server_messages().iter().for_each(|(label, message)| check(label, message));
    for text in [r#"{"type":"dance"}"#, r#"{"type":"dance","steps":[1,2]}"#] {
        assert_eq!(control::read(text), Ok(ClientMessage::Unknown));
        assert_eq!(control::read(text), Ok(ServerMessage::Unknown));
    }
}

/// Unknown entries in a feature list are skipped.
#[test]
fn unknown_features_are_skipped() {
    let newer = example("hello features").replace(r#""rekey""#, r#""wings", 7, {"a": []}, "rekey", "rekey""#);
    assert_eq!(control::read::<ClientMessage>(&newer), control::read(example("hello features")));
    let other = example("hello features").replace(r#""rekey""#, r#""wings""#).replace(r#""roster-changes""#, "8");
    assert_eq!(control::read::<ClientMessage>(&other), control::read(example("hello")));
}

/// Every example of the document is used by a test.
#[test]
fn every_example_is_tested() {
    let mut read: BTreeSet<String> = ["seed", "public-key", "signed-text", "signature"].map(String::from).into();
    read.extend(["link pinned", "key pinned", "link roots", "key roots", "link bare"].map(String::from));
    read.extend(client_messages().iter().map(|(label, _)| label.to_string()));
    read.extend(server_messages().iter().map(|(label, _)| label.to_string()));
    read.extend(["f32 sent", "f32 read"].map(String::from));
    read.extend((0..3).flat_map(|epoch| [format!("rekey key-{epoch}"), format!("rekey datagram-{epoch}")]));
    read.extend(CLASSIC.map(|(label, ..)| label.to_string()));
    let frames = core::cell::RefCell::new(read);
    with_frames(|label, _| {
        frames.borrow_mut().extend(["frame", "datagram", "aes"].map(|prefix| format!("{prefix} {label}")));
    });
    let read = frames.into_inner();
    let unread: Vec<_> = examples().into_keys().filter(|label| !read.contains(*label)).collect();
    assert_eq!(unread, Vec::<&str>::new());
}
