//! Links, control messages, datagrams and legacy packets.

use super::script::Script;
use rtjam_protocol::Micros;
use rtjam_protocol::audio;
use rtjam_protocol::control::{self, ClientMessage, Features, ServerMessage, SessionKeys, tidy_name};
use rtjam_protocol::datagram::{DatagramClass, DatagramHeader, Frame, Frames, write_frame};
use rtjam_protocol::legacy;
use rtjam_protocol::link::{InviteLink, Link, parse_authority};
use rtjam_protocol::retransmit::DuplicateFilter;
use rtjam_protocol::seal::{Crypto, Key, KeyId, KeyLimits, Lane, ReceiveKey, Rejected, SendLane, Suite, ring::CRYPTO};
use rtjam_protocol::server::forwardable_frames;
use rtjam_protocol::{SessionId, SourceId};

/// A text is a link or an error; links round-trip.
pub fn link(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let _ = parse_authority(text);
    for text in [text.to_string(), format!("classic://{text}")] {
        match text.parse::<Link>() {
            Ok(link) => assert_eq!(link.to_string().parse(), Ok(link)),
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
    for text in [text.to_string(), format!("rtjam://{text}"), format!("rtjam://h/r#{text}")] {
        match text.parse::<InviteLink>() {
            Ok(link) => {
                assert_eq!(link.to_string().parse(), Ok(link.clone()));
                let bare = link.without_key();
                assert!(bare.key.is_none() && !bare.to_string().contains('#'));
            }
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
}

/// A text is a message or an error; messages round-trip, and names are clean.
pub fn control(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(message) = control::read::<ClientMessage>(text) {
        assert_eq!(control::read(&control::write(&message)), Ok(message));
    }
    if let Ok(message) = control::read::<ServerMessage>(text) {
        assert_eq!(control::read(&control::write(&message)), Ok(message));
    }
    let name = tidy_name(text);
    assert!((1..=control::MAX_NAME).contains(&name.chars().count()));
    assert!(!name.chars().any(char::is_control) && name.trim() == name);
    assert_eq!(tidy_name(&name), name);
}

/// Bytes are a legacy packet or an error; packets round-trip.
pub fn legacy(bytes: &[u8]) {
    let Some(packet) = legacy::LegacyPacket::read(bytes) else {
        assert!(bytes.len() < legacy::HEADER_LEN || bytes.len() > legacy::MAX_PACKET || bytes.len() % 2 == 1);
        return;
    };
    let (frames, channels) = (packet.frames(), packet.channels());
    assert!(frames <= legacy::MAX_FRAMES && channels.iter().all(|c| c.len() == frames * 2));
    let mut written = Vec::new();
    packet.header.write(frames, &mut written, |out| channels.iter().for_each(|c| out.extend_from_slice(c)));
    let again = legacy::LegacyPacket::read(&written).map(|p| (p.header, p.channels()));
    assert_eq!(again, Some((packet.header, channels)));
    let mut samples = [9.0_f32; legacy::MAX_FRAMES];
    for channel in channels {
        let samples = &mut samples[..frames];
        legacy::SampleScale::Legacy.decode(channel, samples);
        assert!(samples.iter().all(|s| (-1.0..=1.001).contains(s)));
        let mut again = Vec::new();
        legacy::encode(samples, &mut again);
        assert_eq!(again.len(), channel.len());
    }
}

/// Random and altered bytes never open; sealed ones open once.
pub fn datagram(bytes: &[u8]) {
    frames(bytes);
    let crypto = Crypto { limits: KeyLimits { packets_per_key: 3, ..KeyLimits::STANDARD }, ..CRYPTO };
    for (suite, rekey) in [(Suite::Aes128Gcm, false), (Suite::ChaCha20Poly1305, true), (Suite::Aes128Gcm, true)] {
        let key = key_for(bytes);
        let keys = SessionKeys { suite, id: KeyId(0), up: key.clone(), down: key };
        let direction = keys.uplink(SESSION, Features { rekey, ..Features::default() }, crypto);
        let mut receive = direction.receive();
        assert!(receive.open(NOW, &mut bytes.to_vec()).is_err());
        altered(bytes, &mut direction.send_lane(Lane::from_number(0)), &mut receive);
    }
}

const NOW: Micros = Micros::from_secs(1);

const SESSION: SessionId = SessionId(0x0707_0707);

/// A key that depends on the input: with a constant key, a fuzzer would learn to forge tags.
fn key_for(bytes: &[u8]) -> Key {
    let mut key = [7_u8; 32];
    for (i, b) in bytes.iter().enumerate() {
        let at = i % key.len();
        key[at] = key[at].wrapping_mul(31).wrapping_add(*b ^ key[(at + 31) % 32]);
    }
    Key(key)
}

fn frames(plain: &[u8]) {
    if let Some(header) = DatagramHeader::read(plain) {
        let mut written = Vec::new();
        header.write(&mut written);
        assert_eq!(written, plain[..DatagramHeader::LEN]);
    }
    let mut read = 0;
    for frame in Frames::new(plain) {
        read += 1;
        let mut written = Vec::new();
        write_frame(&frame, &mut written);
        let mut again = Frames::new(&written);
        assert_eq!((again.next(), again.next()), (Some(frame), None));
        if let Frame::Audio(audio) = frame {
            let mut out = [9.0_f32; 600];
            let out = &mut out[..usize::from(audio.header.frames).min(300) * 2];
            audio::decode(audio.header.codec, audio.payload, out);
            assert!(out.iter().all(|s| *s == 0.0 || s.is_normal() && s.abs() <= audio::F32_LIMIT));
        }
    }
    assert!(read * 3 <= plain.len());
    let mut out = Vec::new();
    let forwarded = forwardable_frames(plain, SourceId(0x5A5A), &mut DuplicateFilter::default(), &mut out);
    assert!(out.len() <= plain.len() && (!forwarded.audio || !out.is_empty()));
    for frame in Frames::new(&out) {
        match frame {
            Frame::Audio(audio) | Frame::Copy(audio) => assert_eq!(audio.header.source, SourceId(0x5A5A)),
            other => panic!("{other:?} must not be forwarded"),
        }
    }
}

fn altered(bytes: &[u8], send: &mut SendLane, receive: &mut ReceiveKey) {
    let mut script = Script::new(bytes);
    while !script.is_over() {
        let mut sealed = Vec::new();
        let len = script.below(64);
        let plain = script.take(len);
        send.seal(DatagramClass::Media, &mut sealed, |out| out.extend_from_slice(plain));
        let mut hostile = sealed.clone();
        match script.below(4) {
            0 => hostile.truncate(script.below(hostile.len())),
            1 => hostile.push(script.byte()),
            _ => {
                let at = script.below(hostile.len());
                hostile[at] ^= script.byte();
            }
        }
        if hostile != sealed {
            assert!(receive.open(NOW, &mut hostile).is_err());
        }
        let mut genuine = sealed.clone();
        let opened = receive.open(NOW, &mut genuine).expect("genuine and new");
        assert!(opened.newest && *opened.plain == *plain);
        assert_eq!(receive.open(NOW, &mut sealed).err(), Some(Rejected::Replayed));
    }
}
