//! Both ends of a hop with scripted datagrams and feedback.

use super::script::Script;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::datagram::{
    DATAGRAM_OVERHEAD, DatagramClass, DatagramHeader, Frame, Frames, MAX_DATAGRAM, kind, write_audio, write_frame,
};
use rtjam_protocol::retransmit::{Feedback, LossDetector, PacketHistory, ReceiverReport, Retransmitter};
use rtjam_protocol::seal::{KeyId, Lane, NonceCounter};
use rtjam_protocol::{FramePosition, Sequence, SessionId, SourceId, StreamId};

/// Drives both ends. Checks that retransmissions stay within their limit, datagrams within the maximum size, timeouts in
/// the future, and that feedback round-trips and is a small part of the received bytes.
pub fn retransmit(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (mut history, mut sender) = (PacketHistory::new(SourceId(1)), Retransmitter::default());
    let mut receiver = LossDetector::default();
    let (mut now, mut counter) = (Micros::from_secs(1), 0);
    let (mut first, mut all, mut heard, mut said) = (0, 0, 0, 0);
    while !script.is_over() {
        match script.below(4) {
            0 => now += Micros(script.span() / 8),
            1 => {
                let plain = audio(counter as u32, &mut script);
                let packet = history.keep(now, &plain).expect("audio");
                let mut out = Vec::new();
                sender.compose(now, packet, &plain, &history, MAX_DATAGRAM, &mut out);
                assert!(out.len() + DATAGRAM_OVERHEAD <= MAX_DATAGRAM);
                first += plain.len() + DATAGRAM_OVERHEAD;
                all += out.len() + DATAGRAM_OVERHEAD;
                counter += 1;
                sender.record_sent(NonceCounter::new(counter), packet, now);
            }
            2 => {
                let len = script.below(60);
                let body = script.take(len);
                let frame = [&[kind::FEEDBACK, 0, body.len() as u8], body].concat();
                if let Some(Frame::Feedback(feedback)) = Frames::new(&frame).next() {
                    // Mostly about counters that exist.
                    let newest = if script.flag() { NonceCounter::new(counter) } else { feedback.newest };
                    sender.handle_feedback(now, &Feedback { newest, ..feedback });
                }
            }
            _ => {
                let n = (counter + script.span()).saturating_sub(u64::from(script.byte()));
                let (class, lane) = (DatagramClass::Media, Lane::from_number(script.byte()));
                let header =
                    DatagramHeader { class, key: KeyId(0), lane, session: SessionId(1), counter: NonceCounter::new(n) };
                let size = 30 + script.below(200);
                heard += size;
                receiver.handle_datagram(now, &header, size);
            }
        }
        let mut out = Vec::new();
        while let Some((packet, first_sent)) = sender.poll_retransmit(|_| Some(&history), &mut out) {
            all += out.len() + DATAGRAM_OVERHEAD;
            counter += 1;
            sender.record_sent(NonceCounter::new(counter), packet, first_sent);
            out.clear();
        }
        assert!(all <= 2 * first, "{all} of {first}");
        while let Some(feedback) = receiver.poll_feedback(now, ReceiverReport::default) {
            let mut written = Vec::new();
            write_frame(&Frame::Feedback(feedback), &mut written);
            said += written.len() + DATAGRAM_OVERHEAD;
            assert_eq!(Frames::new(&written).next(), Some(Frame::Feedback(feedback)));
        }
        assert!(receiver.poll_timeout().is_none_or(|at| at > now), "a timeout that does not advance");
        assert!(said <= heard / 16 + 2048, "{said} for {heard}");
    }
}

fn audio(sequence: u32, script: &mut Script<'_>) -> Vec<u8> {
    let frames = 1 + u16::from(script.byte());
    let header = AudioHeader {
        source: SourceId(1),
        stream: StreamId(1),
        sequence: Sequence(sequence),
        position: FramePosition(0),
        codec: Codec::Pcm16,
        layout: Layout::Stereo,
        frames,
        peak: [Peak(0); 2],
    };
    let mut plain = Vec::new();
    write_audio(&header, &vec![0; usize::from(frames) * 4], &mut plain);
    plain
}
