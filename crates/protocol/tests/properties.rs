//! What holds for all datagrams, frames and audio headers.

use proptest::prelude::*;
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, decode, encode};
use rtjam_protocol::classic;
use rtjam_protocol::datagram::{
    Class, ClockReply, ClockReport, ClockRequest, Frame, Frames, Header, MAX_DATAGRAM, Probe, write_frame,
};
use rtjam_protocol::peer::forwardable;
use rtjam_protocol::recovery::Seen;
use rtjam_protocol::seal::{Key, KeyId, Lane, ReceiveKey, Rejected, SendLane, Suite, ring::make_sealer};
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

/// An audio frame without its borrow.
fn audio() -> impl Strategy<Value = (AudioHeader, Vec<u8>)> {
    (codec(), 1..140_u16).prop_flat_map(|(codec, frames)| {
        let bytes = usize::from(frames) * 2 * codec.bytes_per_sample();
        (header(codec, frames), prop::collection::vec(any::<u8>(), bytes))
    })
}

/// Any frame but audio.
fn session_frame() -> impl Strategy<Value = Frame<'static>> {
    let report = any::<(u16, u32, u64, u64, u32, i32, Option<u64>)>().prop_map(
        |(source, stream, position, time, epoch, rate_ppb, beat)| {
            Frame::ClockReport(ClockReport {
                source: SourceId(source),
                stream: StreamId(stream),
                position: FramePosition(position),
                room_time: Micros(time),
                epoch,
                rate_ppb,
                beat,
            })
        },
    );
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
        report,
    ]
}

fn lane(suite: Suite) -> (SendLane, ReceiveKey) {
    let sealer = || make_sealer(suite, &Key([7; 32]));
    let session = SessionId(5);
    (SendLane::new(sealer(), session, KeyId(0), Lane(3)), ReceiveKey::new(sealer(), session, KeyId(0)))
}

fn sealed(send: &mut SendLane, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![1, 2, 3];
    send.seal(Class::Media, &mut out, |out| out.extend_from_slice(plain));
    out
}

proptest! {
    #[test]
    fn frames_are_read_as_they_were_written(first in session_frame(), audio in audio(), last in session_frame()) {
        let middle = Frame::Audio(AudioFrame { header: audio.0, payload: &audio.1 });
        let mut written = Vec::new();
        [first, middle, last].iter().for_each(|f| write_frame(f, &mut written));
        prop_assert_eq!(Frames::new(&written).collect::<Vec<_>>(), [first, middle, last]);
        // Cut anywhere, what stands before the cut is read and nothing else.
        for cut in 0..written.len() {
            let whole: Vec<_> = Frames::new(&written[..cut]).collect();
            prop_assert!(whole.len() < 3 && whole[..] == [first, middle, last][..whole.len()]);
        }
    }

    #[test]
    fn a_frame_of_a_later_kind_is_skipped(
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

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..1300), source: u16) {
        let mut out = Vec::new();
        prop_assert!(Frames::new(&bytes).count() <= bytes.len() / 3);
        forwardable(&bytes, SourceId(source), &mut Seen::default(), &mut out);
        prop_assert!(out.len() <= bytes.len());
        let _ = AudioFrame::read(&bytes);
        if let Some(header) = Header::read(&bytes) {
            out.clear();
            header.write(&mut out);
            prop_assert_eq!(&out[..], &bytes[..Header::LEN]);
        }
        let (_, mut receive) = lane(Suite::Aes128Gcm);
        prop_assert!(receive.open(Micros::ZERO, &mut bytes.clone()).is_err());
    }

    #[test]
    fn what_is_handed_on_is_marked_and_otherwise_as_it_was_sent(
        audio in audio(),
        other in session_frame(),
        source: u16,
    ) {
        let mut plain = Vec::new();
        write_frame(&other, &mut plain);
        write_frame(&Frame::Audio(AudioFrame { header: audio.0, payload: &audio.1 }), &mut plain);
        let mut out = Vec::new();
        prop_assert!(forwardable(&plain, SourceId(source), &mut Seen::default(), &mut out).audio);
        let header = AudioHeader { source: SourceId(source), ..audio.0 };
        let marked = Frame::Audio(AudioFrame { header, payload: &audio.1 });
        let mut expected = vec![marked];
        if let Frame::ClockReport(report) = other {
            expected.insert(0, Frame::ClockReport(ClockReport { source: SourceId(source), ..report }));
        }
        prop_assert_eq!(Frames::new(&out).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_datagram_opens_once_and_only_unaltered(
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

    #[test]
    fn datagrams_open_in_any_order_and_only_the_newest_is_called_so(
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

    #[test]
    fn samples_are_within_half_a_step_of_what_was_sent(
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
            // A float's own precision on top: near full scale it is as coarse as a step of 24 bits.
            prop_assert!((sent - got).abs() <= step / 2.0 + f32::EPSILON / 2.0, "{} {}", sent, got);
        }
        // What was read is written again as it was.
        let mut again = Vec::new();
        encode(codec, &out, &mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn whatever_is_decoded_is_finite_and_no_denormal(
        codec in codec(),
        bytes in prop::collection::vec(any::<u8>(), 0..1200),
    ) {
        let mut out = vec![0.0; 700];
        decode(codec, &bytes, &mut out);
        prop_assert!(out.iter().all(|s| *s == 0.0 || (s.is_normal() && s.abs() <= 2.0)));
    }

    #[test]
    fn a_peak_is_no_lower_than_what_it_is_of(
        samples in prop::collection::vec(prop_oneof![-2.0_f32..2.0, any::<f32>()], 0..50),
    ) {
        let peak = Peak::of(&samples).to_f32();
        let highest = samples.iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        prop_assert!(peak >= highest.min(65535.0 / 32768.0) && peak <= highest + 1.0 / 32768.0);
    }

    #[test]
    fn a_classic_packet_is_read_as_it_was_written(
        fields: (u8, u64, u64, u32, u32),
        samples in prop::collection::vec(any::<[u16; 2]>(), 0..=classic::MOST_FRAMES),
    ) {
        let (beat, server, client, id, sequence) = fields;
        let header = classic::Header {
            beat,
            server_time: Micros(server),
            client_time: Micros(client),
            client: classic::ClientId(id),
            sequence: Sequence(sequence),
        };
        let channels = [0, 1].map(|c| samples.iter().flat_map(|s| s[c].to_be_bytes()).collect::<Vec<u8>>());
        let mut written = Vec::new();
        header.write(samples.len(), &mut written, |out| out.extend_from_slice(&channels.concat()));
        prop_assert!(written.len() <= classic::MAX_PACKET);
        let packet = classic::Packet::read(&written).expect("a packet");
        prop_assert_eq!(packet.header, header);
        prop_assert_eq!(packet.channels().map(<[u8]>::to_vec), channels);
        for cut in [0, 1, classic::HEADER_LEN - 1] {
            prop_assert!(classic::Packet::read(&written[..cut]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_classic_packet_or_none(bytes in prop::collection::vec(any::<u8>(), 0..1100)) {
        let fits = bytes.len() >= classic::HEADER_LEN && bytes.len() <= classic::MAX_PACKET && bytes.len() % 2 == 0;
        let read = classic::Packet::read(&bytes);
        prop_assert_eq!(read.is_ok(), fits);
        let mut out = [9.0; classic::MOST_FRAMES];
        for channel in read.iter().flat_map(classic::Packet::channels) {
            classic::decode(channel, &mut out);
        }
        prop_assert!(out.iter().all(|s| *s == 9.0 || (-1.0..=1.001).contains(s)));
    }
}
