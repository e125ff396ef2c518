//! Converts audio frames of any size and codec to legacy packets: of 128 frames, or of 64 for audio frames shorter than
//! 128.
//!
//! Legacy packets lie on a grid of the sender's frame positions, and their numbers follow the grid, so a gap in the input
//! is a gap in the numbers. An incomplete packet contains silence where audio is missing.

use crate::audio::{self, AudioFrame, WIRE_RATE};
use crate::ids::{FramePosition, Sequence, StreamId};
use alloc::vec::Vec;

/// More frames than any packet in a datagram has.
const MAX_DECODED: usize = 300;

const LONG: usize = 128;
const SHORT: usize = 64;

/// A larger jump ahead of the newest position begins another timeline.
const MAX_JUMP: u64 = WIRE_RATE as u64 * 10;

/// Converts the packets of one musician.
#[derive(Debug)]
pub struct LegacyEncoder {
    timeline: Option<Timeline>,
    /// First sequence number of the next timeline.
    next: u32,
    channels: [[f32; LONG]; 2],
}

#[derive(Debug)]
struct Timeline {
    stream: StreamId,
    size: usize,
    /// Grid index of the packet being filled.
    at: u64,
    /// Sequence number minus grid index.
    base: u32,
    /// Bit n: frame n of the packet is filled.
    filled: u128,
    /// Bit n: packet `at` − 1 − n has been sent.
    sent: u64,
}

/// Buffers for one conversion.
#[derive(Debug)]
pub struct EncoderScratch([[f32; MAX_DECODED]; 2]);

impl Default for EncoderScratch {
    fn default() -> EncoderScratch {
        EncoderScratch([[0.0; MAX_DECODED]; 2])
    }
}

impl Default for LegacyEncoder {
    fn default() -> LegacyEncoder {
        LegacyEncoder { timeline: None, next: 0, channels: [[0.0; LONG]; 2] }
    }
}

impl LegacyEncoder {
    /// Converts an audio frame, see [`LegacyEncoder::take_samples`].
    pub fn take(
        &mut self,
        audio: &AudioFrame<'_>,
        scratch: &mut EncoderScratch,
        mut emit: impl FnMut(Sequence, [&[f32]; 2]),
    ) {
        let frames = usize::from(audio.header.frames);
        if frames == 0 || frames > MAX_DECODED {
            return;
        }
        let bytes = audio.payload.len() / 2;
        for (channel, out) in audio.payload.chunks_exact(bytes.max(1)).zip(&mut scratch.0) {
            audio::decode(audio.header.codec, channel, &mut out[..frames]);
        }
        let channels = scratch.0.each_ref().map(|c| &c[..frames]);
        self.take_samples(audio.header.stream, audio.header.position, channels, &mut emit);
    }

    /// Converts samples. Both channels must have the same length. `emit` receives the sequence number and the channels of
    /// each completed legacy packet. Does not allocate.
    pub fn take_samples(
        &mut self,
        stream: StreamId,
        position: FramePosition,
        channels: [&[f32]; 2],
        emit: &mut impl FnMut(Sequence, [&[f32]; 2]),
    ) {
        let (frames, position) = (channels[0].len().min(channels[1].len()), position.0);
        if frames == 0 || position.checked_add(frames as u64).is_none() {
            return;
        }
        let size = if frames >= LONG { LONG } else { SHORT };
        self.select_timeline(stream, size, position);
        let mut done = 0;
        while done < frames {
            let (at, offset) = (position + done as u64, (position + done as u64) % size as u64);
            let count = (size - offset as usize).min(frames - done);
            let part = channels.map(|c| &c[done..done + count]);
            self.put(at / size as u64, offset as usize, part, emit);
            done += count;
        }
    }

    /// Begins another timeline if the samples do not continue the current one.
    fn select_timeline(&mut self, stream: StreamId, size: usize, position: u64) {
        let at = position / size as u64;
        let continues = self
            .timeline
            .as_ref()
            .is_some_and(|t| t.stream == stream && t.size == size && at.abs_diff(t.at) < MAX_JUMP / size as u64);
        if !continues {
            let base = self.next.wrapping_sub(at as u32);
            self.timeline = Some(Timeline { stream, size, at, base, filled: 0, sent: u64::MAX });
        }
    }

    fn put(&mut self, at: u64, offset: usize, part: [&[f32]; 2], emit: &mut impl FnMut(Sequence, [&[f32]; 2])) {
        let Some(t) = &mut self.timeline else { return };
        let base = t.base;
        let number = |at: u64| Sequence(base.wrapping_add(at as u32));
        if at < t.at {
            // Late: only complete packets are still sent.
            let behind = t.at - 1 - at;
            if behind < 64 && t.sent & (1 << behind) == 0 && part[0].len() == t.size {
                t.sent |= 1 << behind;
                emit(number(at), part);
            }
            return;
        }
        if at > t.at {
            let begun = t.filled != 0;
            if begun {
                emit(number(t.at), self.channels.each_ref().map(|c| &c[..t.size]));
                self.next = number(t.at).next().0;
            }
            t.advance_to(at, begun);
        }
        if t.filled == 0 {
            self.channels = [[0.0; LONG]; 2];
        }
        for (channel, part) in self.channels.iter_mut().zip(part) {
            channel[offset..offset + part.len()].copy_from_slice(part);
        }
        t.filled |= ones(part[0].len()) << offset;
        if t.filled == ones(t.size) {
            emit(number(at), self.channels.each_ref().map(|c| &c[..t.size]));
            t.advance_to(at + 1, true);
            self.next = number(at).next().0;
        }
    }
}

impl Timeline {
    /// Starts filling packet `at`. `sent` tells whether the previous one was sent.
    fn advance_to(&mut self, at: u64, sent: bool) {
        let step = u32::try_from(at - self.at).unwrap_or(u32::MAX);
        self.sent = self.sent.checked_shl(1).unwrap_or(0) | u64::from(sent);
        self.sent = self.sent.checked_shl(step - 1).unwrap_or(0);
        (self.at, self.filled) = (at, 0);
    }
}

/// The lowest `count` of 128 bits.
const fn ones(count: usize) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

/// Appends both channels in the format of a legacy packet.
pub fn write_channels(channels: [&[f32]; 2], out: &mut Vec<u8>) {
    channels.iter().for_each(|channel| super::encode(channel, out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioHeader, Codec, Layout, Peak};
    use crate::ids::SourceId;

    /// The value of frame n in channel c, which every codec represents exactly.
    fn sample(n: u64, c: usize) -> f32 {
        (n % 20_000) as f32 / 32768.0 * if c == 0 { 1.0 } else { -1.0 }
    }

    struct Listener {
        repacker: LegacyEncoder,
        scratch: EncoderScratch,
        got: Vec<(u32, Vec<f32>, Vec<f32>)>,
    }

    impl Listener {
        fn new() -> Listener {
            Listener { repacker: LegacyEncoder::default(), scratch: EncoderScratch::default(), got: Vec::new() }
        }

        fn hear(&mut self, stream: u32, position: u64, frames: u16, codec: Codec) {
            let mut payload = Vec::new();
            for c in 0..2 {
                let samples: Vec<f32> = (0..u64::from(frames)).map(|i| sample(position.wrapping_add(i), c)).collect();
                audio::encode(codec, &samples, &mut payload);
            }
            let header = AudioHeader {
                source: SourceId(1),
                stream: StreamId(stream),
                sequence: Sequence(0),
                position: FramePosition(position),
                codec,
                layout: Layout::Stereo,
                frames,
                peak: [Peak(0); 2],
            };
            let got = &mut self.got;
            self.repacker.take(&AudioFrame { header, payload: &payload }, &mut self.scratch, |n, [a, b]| {
                got.push((n.0, a.to_vec(), b.to_vec()));
            });
        }
    }

    /// Audio of every packet size and codec comes out complete and in order.
    #[test]
    fn all_sizes_and_codecs_convert() {
        for codec in [Codec::Pcm16, Codec::Pcm24, Codec::F32] {
            for frames in [16_u16, 32, 48, 64, 96, 100, 128, 142] {
                let mut listener = Listener::new();
                (0..200).for_each(|n| listener.hear(7, n * u64::from(frames), frames, codec));
                let size = if frames >= 128 { 128 } else { 64 };
                assert_eq!(listener.got.len(), 200 * usize::from(frames) / size);
                for (k, (number, a, b)) in listener.got.iter().enumerate() {
                    assert_eq!(*number, k as u32);
                    let first = (k * size) as u64;
                    let expected = |c| (first..first + size as u64).map(|n| sample(n, c)).collect::<Vec<f32>>();
                    assert_eq!((a, b), (&expected(0), &expected(1)), "{codec:?} {frames} packet {k}");
                }
            }
        }
    }

    /// A gap skips sequence numbers, and an incomplete packet is filled with silence.
    #[test]
    fn gaps_skip_numbers() {
        let mut listener = Listener::new();
        // 32 frames each: the second one is lost, then packets 2 and 3 completely.
        [0, 2, 3, 8, 9].into_iter().for_each(|n| listener.hear(7, n * 32, 32, Codec::Pcm16));
        let numbers: Vec<u32> = listener.got.iter().map(|(n, ..)| *n).collect();
        assert_eq!(numbers, [0, 1, 4]);
        let (_, half, _) = &listener.got[0];
        assert!(half[32..].iter().all(|s| *s == 0.0) && half[31] == sample(31, 0));
    }

    /// Duplicate and late packets are sent once.
    #[test]
    fn duplicates_are_sent_once() {
        let mut listener = Listener::new();
        [0, 0, 1, 3, 2, 2, 3, 4].into_iter().for_each(|n| listener.hear(7, n * 128, 128, Codec::Pcm16));
        let numbers: Vec<u32> = listener.got.iter().map(|(n, ..)| *n).collect();
        assert_eq!(numbers, [0, 1, 3, 2, 4]);
        [5, 5].into_iter().for_each(|n| listener.hear(8, n * 32, 32, Codec::Pcm16));
        assert_eq!(listener.got.len(), 5, "half a packet twice is no whole one");
    }

    /// A new stream continues the sequence numbers.
    #[test]
    fn new_streams_continue_numbers() {
        let mut listener = Listener::new();
        (0..3).for_each(|n| listener.hear(7, n * 128, 128, Codec::Pcm16));
        (9..12).for_each(|n| listener.hear(8, n * 128, 128, Codec::Pcm16));
        let numbers: Vec<u32> = listener.got.iter().map(|(n, ..)| *n).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    }

    /// Extreme positions do not panic or flood.
    #[test]
    fn extreme_positions_are_harmless() {
        let mut listener = Listener::new();
        for position in [u64::MAX, u64::MAX - 200, 0, u64::MAX / 2, 5] {
            listener.hear(7, position, 32, Codec::Pcm16);
        }
        assert!(listener.got.len() <= 4);
    }
}
