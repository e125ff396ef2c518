//! One musician's classic packets as packets of ours: placed on a timeline, samples as PCM16.

use super::{MAX_PACKET, MOST_FRAMES, Packet, Scale};
use crate::audio::{self, AudioHeader, CHANNELS, Codec, Layout, PACKET_FRAMES, Peak};
use crate::ids::{FramePosition, Sequence, SourceId, StreamId};
use alloc::vec::Vec;

/// A larger step in their numbers is no loss: they have begun anew.
const JUMP: i32 = 1000;

/// One musician as heard. There is no frame position on the wire: it is the packet's number times its frames, as long as
/// neither jumps; where one does, a new stream begins.
#[derive(Debug)]
pub struct Heard {
    stream: StreamId,
    newest: Option<Newest>,
    scale: Scale,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    number: Sequence,
    position: u64,
    frames: u16,
}

/// Room for a packet on its way.
#[derive(Debug)]
pub struct Scratch {
    samples: [f32; MOST_FRAMES],
    payload: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch { samples: [0.0; MOST_FRAMES], payload: Vec::with_capacity(MAX_PACKET) }
    }
}

impl Heard {
    /// Nobody was heard yet. `stream` is the first stream's id: random, or never used before for this source.
    pub fn new(stream: StreamId) -> Heard {
        Heard { stream, newest: None, scale: Scale::default() }
    }

    /// Their packet as an audio frame of ours, from source 0: its header and payload. `None` without audio, and when it
    /// is from before the timeline's beginning. Does not allocate.
    pub fn take<'s>(&mut self, packet: &Packet<'_>, scratch: &'s mut Scratch) -> Option<(AudioHeader, &'s [u8])> {
        let frames = u16::try_from(packet.frames()).ok().filter(|n| PACKET_FRAMES.contains(n))?;
        let position = self.place(packet.header.sequence, frames)?;
        self.scale = packet.channels().into_iter().find_map(Scale::told_by).unwrap_or(self.scale);
        scratch.payload.clear();
        let mut peak = [Peak(0); CHANNELS];
        for (channel, peak) in packet.channels().into_iter().zip(&mut peak) {
            let samples = &mut scratch.samples[..usize::from(frames)];
            self.scale.decode(channel, samples);
            *peak = Peak::of(samples);
            audio::encode(Codec::Pcm16, samples, &mut scratch.payload);
        }
        let header = AudioHeader {
            source: SourceId(0),
            stream: self.stream,
            sequence: Sequence((position / u64::from(frames)) as u32),
            position: FramePosition(position),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames,
            peak,
        };
        Some((header, &scratch.payload))
    }

    /// Where a packet stands on the timeline; a new one begins where it does not fit.
    fn place(&mut self, number: Sequence, frames: u16) -> Option<u64> {
        let follows = |newest: &Newest| newest.frames == frames && number.ahead_of(newest.number).abs() <= JUMP;
        let Some(newest) = self.newest.filter(follows) else {
            if self.newest.is_some() {
                self.stream = StreamId(self.stream.0.wrapping_add(1));
            }
            self.newest = Some(Newest { number, position: 0, frames });
            return Some(0);
        };
        let ahead = i64::from(number.ahead_of(newest.number));
        let position = newest.position.checked_add_signed(ahead * i64::from(frames))?;
        if ahead > 0 {
            self.newest = Some(Newest { number, position, frames });
        }
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Header;
    use super::*;

    /// Stream, number, position and the first sample of each channel.
    fn hear(heard: &mut Heard, number: u32, frames: usize, samples: [u16; 2]) -> Option<(u32, u32, u64, [f32; 2])> {
        let mut bytes = Vec::new();
        let header = Header { sequence: Sequence(number), ..Header::default() };
        header.write(frames, &mut bytes, |out| {
            for sample in samples {
                (0..frames).for_each(|_| out.extend_from_slice(&sample.to_be_bytes()));
            }
        });
        let mut scratch = Scratch::default();
        let (header, payload) = heard.take(&Packet::read(&bytes).expect("a packet"), &mut scratch)?;
        let mut samples = alloc::vec![9.0; frames * 2];
        audio::decode(header.codec, payload, &mut samples);
        Some((header.stream.0, header.sequence.0, header.position.0, [samples[0], samples[frames]]))
    }

    /// Silence as their encoder writes it, and half of full scale.
    const THEIRS: [u16; 2] = [32_766, 49_149];

    #[test]
    fn packets_are_placed_by_their_numbers_and_silence_is_silent() {
        let mut heard = Heard::new(StreamId(100));
        let mut hear = |number, frames| hear(&mut heard, number, frames, THEIRS);
        assert_eq!(hear(u32::MAX, 128), Some((100, 0, 0, [0.0, 0.5])));
        assert_eq!(hear(2, 128), Some((100, 3, 384, [0.0, 0.5])));
        assert_eq!(hear(1, 128), Some((100, 2, 256, [0.0, 0.5])));
        assert_eq!(hear(u32::MAX - 1, 128), None);
        assert_eq!(hear(3, 0), None);
    }

    #[test]
    fn another_size_and_a_jump_begin_a_new_stream() {
        let mut heard = Heard::new(StreamId(100));
        let mut stream = |number, frames| hear(&mut heard, number, frames, THEIRS).map(|h| (h.0, h.2));
        assert_eq!([stream(1, 128), stream(2, 128)], [Some((100, 0)), Some((100, 128))]);
        assert_eq!([stream(3, 64), stream(4, 64)], [Some((101, 0)), Some((101, 64))]);
        assert_eq!(stream(50_000, 64), Some((102, 0)));
    }

    #[test]
    fn silence_that_ours_wrote_is_silent_too_and_its_scale_is_kept() {
        let mut heard = Heard::new(StreamId(1));
        // Before there is silence to tell by, ours is a step off at the most.
        let Some((.., [first, _])) = hear(&mut heard, 0, 64, [40_960, 40_961]) else { panic!("no audio") };
        assert!((first - 0.25).abs() < 1e-4);
        assert_eq!(hear(&mut heard, 1, 64, [32_768; 2]).map(|h| h.3), Some([0.0; 2]));
        assert_eq!(hear(&mut heard, 2, 64, [40_960, 32_768]).map(|h| h.3), Some([0.25, 0.0]));
        assert_eq!(hear(&mut heard, 3, 64, [40_960, 40_961]).map(|h| h.3[0]), Some(0.25));
        assert_eq!(hear(&mut heard, 4, 64, THEIRS).map(|h| h.3), Some([0.0, 0.5]));
    }
}
