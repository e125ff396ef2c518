//! Properties of datagrams, frames, samples and legacy packets.

use proptest::prelude::*;
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, decode, encode};
use rtjam_protocol::datagram::{
    ClockReply, ClockRequest, DatagramClass, DatagramHeader, Frame, Frames, MAX_DATAGRAM, Probe, kind, write_frame,
};
use rtjam_protocol::legacy;
use rtjam_protocol::retransmit::DuplicateFilter;
use rtjam_protocol::seal::{Key, KeyId, Lane, ReceiveKey, Rejected, SendLane, Suite, ring::make_sealer};
use rtjam_protocol::server::forwardable_frames;
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Pcm16), Just(Codec::Pcm24), Just(Codec::F32)]
}

fn suite() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::Aes128Gcm), Just(Suite::ChaCha20Poly1305)]
}

fn header(codec: Codec, frames: u16) -> impl Strategy<Value = AudioHeader> {
    let layout = prop_oneof![Just(Layout::Stereo), Just(Layout::DualMono)];
    (any::<(u16, u32, u32, u64, u16, u16)>(), layout).prop_map(
        move |((source, stream, sequence, position, a, b), layout)| AudioHeader {
            source: SourceId(source),
            stream: StreamId(stream),
            sequence: Sequence(sequence),
            position: FramePosition(position),
            codec,
            layout,
            frames,
            peak: [Peak(a), Peak(b)],
        },
    )
}

/// Header and payload of an audio frame.
fn audio() -> impl Strategy<Value = (AudioHeader, Vec<u8>)> {
    (codec(), 1..140_u16).prop_flat_map(|(codec, frames)| {
        let bytes = usize::from(frames) * 2 * codec.bytes_per_sample();
        (header(codec, frames), prop::collection::vec(any::<u8>(), bytes))
    })
}

/// Any frame except audio.
fn session_frame() -> impl Strategy<Value = Frame<'static>> {
    prop_oneof![
        Just(Frame::KeepAlive),
        Just(Frame::Goodbye),
        any::<u64>().prop_map(|t| Frame::ClockRequest(ClockRequest { sent: Micros(t) })),
        any::<(u64, u64, u64, u32)>().prop_map(|(a, b, c, epoch)| Frame::ClockReply(ClockReply {
            asked: Micros(a),
            received: Micros(b),
            replied: Micros(c),
            epoch
        })),
        any::<[u8; 8]>().prop_map(Frame::PathChallenge),
        any::<[u8; 8]>().prop_map(Frame::PathResponse),
        any::<(u16, u16)>().prop_map(|(id, size)| Frame::Probe(Probe { id, size })),
        any::<(u16, u16)>().prop_map(|(id, size)| Frame::ProbeReply(Probe { id, size })),
    ]
}

fn lane(suite: Suite) -> (SendLane, ReceiveKey) {
    let sealer = || make_sealer(suite, &Key([7; 32]));
    let session = SessionId(5);
    (SendLane::new(sealer(), session, KeyId(0), Lane::from_number(3)), ReceiveKey::new(sealer(), session, KeyId(0)))
}

fn sealed(send: &mut SendLane, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![1, 2, 3];
    send.seal(DatagramClass::Media, &mut out, |out| out.extend_from_slice(plain));
    out
}

proptest! {
    /// Frames read back as written, and a cut loses only the frames after it.
    #[test]
    fn frames_round_trip(first in session_frame(), audio in audio(), last in session_frame()) {
        let middle = Frame::Audio(AudioFrame { header: audio.0, payload: &audio.1 });
        let mut written = Vec::new();
        [first, middle, last].iter().for_each(|f| write_frame(f, &mut written));
        prop_assert_eq!(Frames::new(&written).collect::<Vec<_>>(), [first, middle, last]);
        // After a cut at any byte, exactly the complete frames are read.
        for cut in 0..written.len() {
            let whole: Vec<_> = Frames::new(&written[..cut]).collect();
            prop_assert!(whole.len() < 3 && whole[..] == [first, middle, last][..whole.len()]);
        }
    }

    /// Frames of unknown kinds are skipped.
    #[test]
    fn unknown_frames_are_skipped(
        kind in 15..=255_u8,
        body in prop::collection::vec(any::<u8>(), 0..300),
        known in session_frame(),
    ) {
        let mut written = vec![kind];
        written.extend_from_slice(&(body.len() as u16).to_be_bytes());
        written.extend_from_slice(&body);
        write_frame(&known, &mut written);
        prop_assert_eq!(Frames::new(&written).collect::<Vec<_>>(), [known]);
    }

    /// Random bytes are parsed without a panic, and do not open.
    #[test]
    fn random_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..1300), source: u16) {
        let mut out = Vec::new();
        prop_assert!(Frames::new(&bytes).count() <= bytes.len() / 3);
        forwardable_frames(&bytes, SourceId(source), &mut DuplicateFilter::default(), &mut out);
        prop_assert!(out.len() <= bytes.len());
        let _ = AudioFrame::read(&bytes);
        if let Some(header) = DatagramHeader::read(&bytes) {
            out.clear();
            header.write(&mut out);
            prop_assert_eq!(&out[..], &bytes[..DatagramHeader::LEN]);
        }
        let (_, mut receive) = lane(Suite::Aes128Gcm);
        prop_assert!(receive.open(Micros::ZERO, &mut bytes.clone()).is_err());
    }

    /// Forwarding sets the source of an audio frame, and drops clock reports and session frames.
    #[test]
    fn forwarded_audio_gets_its_source(
        audio in audio(),
        other in session_frame(),
        source: u16,
    ) {
        let mut plain = Vec::new();
        write_frame(&other, &mut plain);
        write_frame(&Frame::Audio(AudioFrame { header: audio.0, payload: &audio.1 }), &mut plain);
        let mut out = Vec::new();
        prop_assert!(forwardable_frames(&plain, SourceId(source), &mut DuplicateFilter::default(), &mut out).audio);
        let header = AudioHeader { source: SourceId(source), ..audio.0 };
        let marked = Frame::Audio(AudioFrame { header, payload: &audio.1 });
        prop_assert_eq!(Frames::new(&out).collect::<Vec<_>>(), [marked]);
    }

    /// A datagram opens once and only unaltered.
    #[test]
    fn datagrams_open_once_and_unaltered(
        suite in suite(),
        plain in prop::collection::vec(any::<u8>(), 0..=MAX_DATAGRAM - 30),
        bit: prop::sample::Index,
        cut: prop::sample::Index,
    ) {
        let (mut send, mut receive) = lane(suite);
        let datagram = sealed(&mut send, &plain);
        let mut flipped = datagram.clone();
        let bit = bit.index(flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(receive.open(Micros::ZERO, &mut flipped).is_err());
        prop_assert!(receive.open(Micros::ZERO, &mut datagram[..cut.index(datagram.len())].to_vec()).is_err());
        prop_assert!(receive.open(Micros::ZERO, &mut [&datagram[..], &[0]].concat()).is_err());
        let mut genuine = datagram.clone();
        let opened = receive.open(Micros::ZERO, &mut genuine).map(|o| (o.newest, o.plain.to_vec()));
        prop_assert_eq!(opened, Ok((true, plain)));
        prop_assert_eq!(receive.open(Micros::ZERO, &mut datagram.clone()).err(), Some(Rejected::Replayed));
    }

    /// Datagrams open in any order, and only a new highest counter counts as the newest.
    #[test]
    fn datagrams_open_in_any_order(
        order in Just((1..40_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (mut send, mut receive) = lane(Suite::ChaCha20Poly1305);
        let all: Vec<_> = (0..40).map(|i| sealed(&mut send, &[i])).collect();
        let mut highest = None;
        for i in order {
            let mut datagram = all[i].clone();
            let opened = receive.open(Micros::ZERO, &mut datagram).map(|o| (o.newest, o.plain[0]));
            prop_assert_eq!(opened, Ok((Some(i) > highest, i as u8)));
            highest = highest.max(Some(i));
        }
    }

    /// Samples are within half a quantization step of the original.
    #[test]
    fn samples_err_by_half_a_step(
        codec in codec(),
        samples in prop::collection::vec(-1.0_f32..1.0, 1..200),
    ) {
        let mut bytes = Vec::new();
        encode(codec, &samples, &mut bytes);
        let mut out = vec![9.0; samples.len()];
        decode(codec, &bytes, &mut out);
        let step = [1.0 / 32768.0, 1.0 / 8_388_608.0, 0.0][codec as usize];
        for (sent, got) in samples.iter().zip(&out) {
            let sent = sent.min(1.0 - step);
            // Plus the precision of a float, which near full scale is as coarse as a 24-bit step.
            prop_assert!((sent - got).abs() <= step / 2.0 + f32::EPSILON / 2.0, "{} {}", sent, got);
        }
        // Decoded samples encode to the same bytes.
        let mut again = Vec::new();
        encode(codec, &out, &mut again);
        prop_assert_eq!(again, bytes);
    }

    /// Decoded samples are finite and not denormal.
    #[test]
    fn decoded_samples_are_sane(
        codec in codec(),
        bytes in prop::collection::vec(any::<u8>(), 0..1200),
    ) {
        let mut out = vec![0.0; 700];
        decode(codec, &bytes, &mut out);
        prop_assert!(out.iter().all(|s| *s == 0.0 || (s.is_normal() && s.abs() <= 2.0)));
    }

    /// A peak is not lower than the largest magnitude, and at most one step higher.
    #[test]
    fn peaks_cover_their_samples(
        samples in prop::collection::vec(prop_oneof![-2.0_f32..2.0, any::<f32>()], 0..50),
    ) {
        let peak = Peak::of(&samples).to_f32();
        let highest = samples.iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        prop_assert!(peak >= highest.min(65535.0 / 32768.0) && peak <= highest + 1.0 / 32768.0);
    }

    /// Legacy packets read back as written.
    #[test]
    fn legacy_packets_round_trip(
        fields: (u8, u64, u64, u32, u32),
        samples in prop::collection::vec(any::<[u16; 2]>(), 0..=legacy::MAX_FRAMES),
    ) {
        let (beat, server, client, id, sequence) = fields;
        let header = legacy::LegacyHeader {
            beat,
            server_time: Micros(server),
            client_time: Micros(client),
            client: legacy::LegacyClientId(id),
            sequence: Sequence(sequence),
        };
        let channels = [0, 1].map(|c| samples.iter().flat_map(|s| s[c].to_be_bytes()).collect::<Vec<u8>>());
        let mut written = Vec::new();
        header.write(samples.len(), &mut written, |out| out.extend_from_slice(&channels.concat()));
        prop_assert!(written.len() <= legacy::MAX_PACKET);
        let packet = legacy::LegacyPacket::read(&written).expect("a packet");
        prop_assert_eq!(packet.header, header);
        prop_assert_eq!(packet.channels().map(<[u8]>::to_vec), channels);
        for cut in [0, 1, legacy::HEADER_LEN - 1] {
            prop_assert!(legacy::LegacyPacket::read(&written[..cut]).is_none());
        }
    }

    /// Bytes are a legacy packet exactly if their length is valid, and decoded samples are in range.
    #[test]
    fn legacy_packets_are_validated(bytes in prop::collection::vec(any::<u8>(), 0..1100)) {
        let fits = bytes.len() >= legacy::HEADER_LEN && bytes.len() <= legacy::MAX_PACKET && bytes.len() % 2 == 0;
        let read = legacy::LegacyPacket::read(&bytes);
        prop_assert_eq!(read.is_some(), fits);
        let mut out = [9.0; legacy::MAX_FRAMES];
        for channel in read.iter().flat_map(legacy::LegacyPacket::channels) {
            legacy::SampleScale::Legacy.decode(channel, &mut out);
        }
        prop_assert!(out.iter().all(|s| *s == 9.0 || (-1.0..=1.001).contains(s)));
    }
}

/// Of the frames that are not audio, only MIDI is forwarded, with its source. Clock reports are not.
#[test]
fn only_midi_accompanies_audio() {
    let midi = [kind::MIDI, 0, 4, 0, 0, 0x90, 0x3c];
    let report = [8, 0, 30].into_iter().chain([0; 30]);
    let plain: Vec<u8> = midi.into_iter().chain(report).collect();
    let mut out = Vec::new();
    let forwarded = forwardable_frames(&plain, SourceId(5), &mut DuplicateFilter::default(), &mut out);
    assert_eq!(out, [kind::MIDI, 0, 4, 0, 5, 0x90, 0x3c]);
    assert_eq!((forwarded.audio, forwarded.other_bytes), (false, 7));
}
