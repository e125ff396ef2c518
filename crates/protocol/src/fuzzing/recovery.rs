//! Both ends of a hop whose datagrams and feedback are as a script says.

use super::script::Script;
use crate::audio::{AudioHeader, Codec, Layout, Peak};
use crate::datagram::{
    Class, DATAGRAM_OVERHEAD, Frame, Frames, Header, MAX_DATAGRAM, kind, write_audio, write_frame, write_raw,
};
use crate::ids::{FramePosition, Sequence, SessionId, SourceId, StreamId};
use crate::recovery::{Feedback, History, Receiver, Sender, Told};
use crate::seal::{Counter, KeyId, Lane};
use crate::time::Micros;
use alloc::vec::Vec;

/// Drives both ends. Whatever comes: never more than twice the audio, no datagram over the limit, timeouts in the
/// future, and feedback that is read as it was written and is a small part of what was heard.
pub fn recovery(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (mut history, mut sender) = (History::new(SourceId(1)), Sender::new());
    let mut receiver = Receiver::default();
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
                sender.sent(Counter::of(counter), packet, now);
            }
            2 => {
                let (len, mut frame) = (script.below(60), Vec::new());
                write_raw(kind::FEEDBACK, script.take(len), &mut frame);
                if let Some(Frame::Feedback(feedback)) = Frames::new(&frame).next() {
                    // Mostly about counters that there are.
                    let newest = if script.flag() { Counter::of(counter) } else { feedback.newest };
                    sender.handle_feedback(now, &Feedback { newest, ..feedback });
                }
            }
            _ => {
                let n = (counter + script.span()).saturating_sub(u64::from(script.byte()));
                let (class, lane) = (Class::Media, Lane(script.byte()));
                let header = Header { class, key: KeyId(0), lane, session: SessionId(1), counter: Counter::of(n) };
                let size = 30 + script.below(200);
                heard += size;
                receiver.handle_datagram(now, &header, size);
            }
        }
        let mut out = Vec::new();
        while let Some((packet, first_sent)) = sender.poll_again(|_| Some(&history), &mut out) {
            all += out.len() + DATAGRAM_OVERHEAD;
            counter += 1;
            sender.sent(Counter::of(counter), packet, first_sent);
            out.clear();
        }
        assert!(all <= 2 * first, "{all} of {first}");
        while let Some(feedback) = receiver.poll_feedback(now, Told::default) {
            let mut written = Vec::new();
            write_frame(&Frame::Feedback(feedback), &mut written);
            said += written.len() + DATAGRAM_OVERHEAD;
            assert_eq!(Frames::new(&written).next(), Some(Frame::Feedback(feedback)));
        }
        assert!(receiver.poll_timeout().is_none_or(|at| at > now), "a timeout that comes again at once");
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
    write_audio(&header, &alloc::vec![0; usize::from(frames) * 4], &mut plain);
    plain
}
