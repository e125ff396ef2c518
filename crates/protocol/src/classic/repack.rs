//! Our packets, of any size and codec, as classic ones: of 128 frames, or of 64 where ours are shorter than 128.
//!
//! The packets lie on a grid of the sender's frame positions, and are numbered by it: what is missing of ours is missing of
//! theirs. A packet of which a part is missing has silence there.

use crate::audio::{self, AudioFrame, WIRE_RATE};
use crate::ids::{FramePosition, Sequence, StreamId};
use alloc::vec::Vec;

/// Frames of a longer packet of ours than fits into a datagram.
const MOST_DECODED: usize = 300;

const LONG: usize = 128;
const SHORT: usize = 64;

/// What is ahead of the newest by more than this is another timeline.
const JUMP: u64 = WIRE_RATE as u64 * 10;

/// One musician's packets.
#[derive(Debug)]
pub struct Repacker {
    timeline: Option<Timeline>,
    /// The number that the next timeline begins with.
    next: u32,
    channels: [[f32; LONG]; 2],
}

#[derive(Debug)]
struct Timeline {
    stream: StreamId,
    size: usize,
    /// The packet that is being filled, on the grid.
    at: u64,
    /// Its number on the wire, minus `at`.
    base: u32,
    /// Which of its frames are there.
    there: u128,
    /// Bit n: packet `at` − 1 − n has been sent.
    sent: u64,
}

/// Room to decode into.
#[derive(Debug)]
pub struct Scratch([[f32; MOST_DECODED]; 2]);

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch([[0.0; MOST_DECODED]; 2])
    }
}

impl Default for Repacker {
    fn default() -> Repacker {
        Repacker { timeline: None, next: 0, channels: [[0.0; LONG]; 2] }
    }
}

impl Repacker {
    /// Takes a packet of ours as it was sent; the rest is as in [`Repacker::take_samples`].
    pub fn take(&mut self, audio: &AudioFrame<'_>, scratch: &mut Scratch, mut emit: impl FnMut(Sequence, [&[f32]; 2])) {
        let frames = usize::from(audio.header.frames);
        if frames == 0 || frames > MOST_DECODED {
            return;
        }
        let bytes = audio.payload.len() / 2;
        for (channel, out) in audio.payload.chunks_exact(bytes.max(1)).zip(&mut scratch.0) {
            audio::decode(audio.header.codec, channel, &mut out[..frames]);
        }
        let channels = scratch.0.each_ref().map(|c| &c[..frames]);
        self.take_samples(audio.header.stream, audio.header.position, channels, &mut emit);
    }

    /// Takes a packet of ours, of any size: its channels must be equally long. `emit` gets the number and the channels of
    /// each classic packet that it completes. Does not allocate.
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
        self.settle(stream, size, position);
        let mut done = 0;
        while done < frames {
            let (at, offset) = (position + done as u64, (position + done as u64) % size as u64);
            let count = (size - offset as usize).min(frames - done);
            let part = channels.map(|c| &c[done..done + count]);
            self.put(at / size as u64, offset as usize, part, emit);
            done += count;
        }
    }

    /// Begins a timeline where this packet is of another than the last.
    fn settle(&mut self, stream: StreamId, size: usize, position: u64) {
        let at = position / size as u64;
        let goes_on = self
            .timeline
            .as_ref()
            .is_some_and(|t| t.stream == stream && t.size == size && at.abs_diff(t.at) < JUMP / size as u64);
        if !goes_on {
            let base = self.next.wrapping_sub(at as u32);
            self.timeline = Some(Timeline { stream, size, at, base, there: 0, sent: u64::MAX });
        }
    }

    fn put(&mut self, at: u64, offset: usize, part: [&[f32]; 2], emit: &mut impl FnMut(Sequence, [&[f32]; 2])) {
        let Some(t) = &mut self.timeline else { return };
        let base = t.base;
        let number = |at: u64| Sequence(base.wrapping_add(at as u32));
        if at < t.at {
            // Late: whole ones still go.
            let behind = t.at - 1 - at;
            if behind < 64 && t.sent & (1 << behind) == 0 && part[0].len() == t.size {
                t.sent |= 1 << behind;
                emit(number(at), part);
            }
            return;
        }
        if at > t.at {
            let begun = t.there != 0;
            if begun {
                emit(number(t.at), self.channels.each_ref().map(|c| &c[..t.size]));
                self.next = number(t.at).next().0;
            }
            t.go_to(at, begun);
        }
        if t.there == 0 {
            self.channels = [[0.0; LONG]; 2];
        }
        for (channel, part) in self.channels.iter_mut().zip(part) {
            channel[offset..offset + part.len()].copy_from_slice(part);
        }
        t.there |= ones(part[0].len()) << offset;
        if t.there == ones(t.size) {
            emit(number(at), self.channels.each_ref().map(|c| &c[..t.size]));
            t.go_to(at + 1, true);
            self.next = number(at).next().0;
        }
    }
}

impl Timeline {
    /// Fills packet `at` from now on; the one before was sent or not.
    fn go_to(&mut self, at: u64, sent: bool) {
        let step = u32::try_from(at - self.at).unwrap_or(u32::MAX);
        self.sent = self.sent.checked_shl(1).unwrap_or(0) | u64::from(sent);
        self.sent = self.sent.checked_shl(step - 1).unwrap_or(0);
        (self.at, self.there) = (at, 0);
    }
}

/// The lowest `count` bits, of 128.
const fn ones(count: usize) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

/// Appends both channels as a classic packet has them.
pub fn write(channels: [&[f32]; 2], out: &mut Vec<u8>) {
    channels.iter().for_each(|channel| super::encode(channel, out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioHeader, Codec, Layout, Peak};
    use crate::ids::SourceId;

    /// Frame n of channel c is this, which every codec writes exactly.
    fn sample(n: u64, c: usize) -> f32 {
        (n % 20_000) as f32 / 32768.0 * if c == 0 { 1.0 } else { -1.0 }
    }

    struct Listener {
        repacker: Repacker,
        scratch: Scratch,
        got: Vec<(u32, Vec<f32>, Vec<f32>)>,
    }

    impl Listener {
        fn new() -> Listener {
            Listener { repacker: Repacker::default(), scratch: Scratch::default(), got: Vec::new() }
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

    #[test]
    fn every_size_and_codec_comes_out_whole_and_in_order() {
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

    #[test]
    fn a_gap_is_a_gap_in_the_numbers_and_a_part_is_filled_with_silence() {
        let mut listener = Listener::new();
        // 32 frames each: the second is lost, then packets 2 and 3 altogether.
        [0, 2, 3, 8, 9].into_iter().for_each(|n| listener.hear(7, n * 32, 32, Codec::Pcm16));
        let numbers: Vec<u32> = listener.got.iter().map(|(n, ..)| *n).collect();
        assert_eq!(numbers, [0, 1, 4]);
        let (_, half, _) = &listener.got[0];
        assert!(half[32..].iter().all(|s| *s == 0.0) && half[31] == sample(31, 0));
    }

    #[test]
    fn repetitions_are_heard_once_and_latecomers_once_too() {
        let mut listener = Listener::new();
        [0, 0, 1, 3, 2, 2, 3, 4].into_iter().for_each(|n| listener.hear(7, n * 128, 128, Codec::Pcm16));
        let numbers: Vec<u32> = listener.got.iter().map(|(n, ..)| *n).collect();
        assert_eq!(numbers, [0, 1, 3, 2, 4]);
        [5, 5].into_iter().for_each(|n| listener.hear(8, n * 32, 32, Codec::Pcm16));
        assert_eq!(listener.got.len(), 5, "half a packet twice is no whole one");
    }

    #[test]
    fn a_new_stream_goes_on_counting() {
        let mut listener = Listener::new();
        (0..3).for_each(|n| listener.hear(7, n * 128, 128, Codec::Pcm16));
        (9..12).for_each(|n| listener.hear(8, n * 128, 128, Codec::Pcm16));
        let numbers: Vec<u32> = listener.got.iter().map(|(n, ..)| *n).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn hostile_positions_do_no_harm() {
        let mut listener = Listener::new();
        for position in [u64::MAX, u64::MAX - 200, 0, u64::MAX / 2, 5] {
            listener.hear(7, position, 32, Codec::Pcm16);
        }
        assert!(listener.got.len() <= 4);
    }
}
