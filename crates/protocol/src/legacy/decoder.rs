//! Converts the packets of a legacy client to audio frames: places them on a timeline and converts their samples to PCM16.

use super::{LegacyPacket, MAX_FRAMES, MAX_PACKET, SampleScale};
use crate::audio::{self, AudioHeader, CHANNELS, Codec, Layout, PACKET_FRAMES, Peak};
use crate::ids::{FramePosition, Sequence, SourceId, StreamId};
use alloc::vec::Vec;

/// A larger step of the sequence number means that the client restarted.
const MAX_JUMP: i32 = 1000;

/// Converts the packets of one legacy client.
///
/// Legacy packets have no frame position. It is the sequence number times the packet's frames, as long as the frames stay
/// the same and the sequence number does not jump. Otherwise a new stream begins.
#[derive(Debug)]
pub struct LegacyDecoder {
    stream: StreamId,
    newest: Option<NewestNumber>,
    scale: SampleScale,
}

#[derive(Clone, Copy, Debug)]
struct NewestNumber {
    number: Sequence,
    position: u64,
    frames: u16,
}

/// Buffers for one conversion.
#[derive(Debug)]
pub struct DecoderScratch {
    samples: [f32; MAX_FRAMES],
    payload: Vec<u8>,
}

impl Default for DecoderScratch {
    fn default() -> DecoderScratch {
        DecoderScratch { samples: [0.0; MAX_FRAMES], payload: Vec::with_capacity(MAX_PACKET) }
    }
}

impl LegacyDecoder {
    /// Starts with the stream id `stream`: random, or never used before for this source.
    pub fn new(stream: StreamId) -> LegacyDecoder {
        LegacyDecoder { stream, newest: None, scale: SampleScale::default() }
    }

    /// Converts a packet to the header and payload of an audio frame from source 0. `None` if the packet has no audio or
    /// precedes the beginning of the timeline. Does not allocate.
    pub fn take<'s>(
        &mut self,
        packet: &LegacyPacket<'_>,
        scratch: &'s mut DecoderScratch,
    ) -> Option<(AudioHeader, &'s [u8])> {
        let frames = u16::try_from(packet.frames()).ok().filter(|n| PACKET_FRAMES.contains(n))?;
        let position = self.place(packet.header.sequence, frames)?;
        self.scale = packet.channels().into_iter().find_map(SampleScale::detect).unwrap_or(self.scale);
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

    /// The packet's position. Begins a new stream if the packet does not continue the current one.
    fn place(&mut self, number: Sequence, frames: u16) -> Option<u64> {
        let follows =
            |newest: &NewestNumber| newest.frames == frames && number.ahead_of(newest.number).abs() <= MAX_JUMP;
        let Some(newest) = self.newest.filter(follows) else {
            if self.newest.is_some() {
                self.stream = StreamId(self.stream.0.wrapping_add(1));
            }
            self.newest = Some(NewestNumber { number, position: 0, frames });
            return Some(0);
        };
        let ahead = i64::from(number.ahead_of(newest.number));
        let position = newest.position.checked_add_signed(ahead * i64::from(frames))?;
        if ahead > 0 {
            self.newest = Some(NewestNumber { number, position, frames });
        }
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LegacyHeader;
    use super::*;

    /// Stream, number, position and the first sample of each channel.
    fn hear(
        heard: &mut LegacyDecoder,
        number: u32,
        frames: usize,
        samples: [u16; 2],
    ) -> Option<(u32, u32, u64, [f32; 2])> {
        let mut bytes = Vec::new();
        let header = LegacyHeader { sequence: Sequence(number), ..LegacyHeader::default() };
        header.write(frames, &mut bytes, |out| {
            for sample in samples {
                (0..frames).for_each(|_| out.extend_from_slice(&sample.to_be_bytes()));
            }
        });
        let mut scratch = DecoderScratch::default();
        let (header, payload) = heard.take(&LegacyPacket::read(&bytes).expect("a packet"), &mut scratch)?;
        let mut samples = alloc::vec![9.0; frames * 2];
        audio::decode(header.codec, payload, &mut samples);
        Some((header.stream.0, header.sequence.0, header.position.0, [samples[0], samples[frames]]))
    }

    /// Silence and half of full scale, as legacy encoders write them.
    const LEGACY_SAMPLES: [u16; 2] = [32_766, 49_149];

    /// The sequence number determines the position, and silence is silent.
    #[test]
    fn numbers_determine_positions() {
        let mut heard = LegacyDecoder::new(StreamId(100));
        let mut hear = |number, frames| hear(&mut heard, number, frames, LEGACY_SAMPLES);
        assert_eq!(hear(u32::MAX, 128), Some((100, 0, 0, [0.0, 0.5])));
        assert_eq!(hear(2, 128), Some((100, 3, 384, [0.0, 0.5])));
        assert_eq!(hear(1, 128), Some((100, 2, 256, [0.0, 0.5])));
        assert_eq!(hear(u32::MAX - 1, 128), None);
        assert_eq!(hear(3, 0), None);
    }

    /// Another packet size, and a jump of the sequence number, begin a new stream.
    #[test]
    fn jumps_begin_a_new_stream() {
        let mut heard = LegacyDecoder::new(StreamId(100));
        let mut stream = |number, frames| hear(&mut heard, number, frames, LEGACY_SAMPLES).map(|h| (h.0, h.2));
        assert_eq!([stream(1, 128), stream(2, 128)], [Some((100, 0)), Some((100, 128))]);
        assert_eq!([stream(3, 64), stream(4, 64)], [Some((101, 0)), Some((101, 64))]);
        assert_eq!(stream(50_000, 64), Some((102, 0)));
    }

    /// RTJam's silence is silent as well, and its scale stays in use.
    #[test]
    fn rtjam_scale_is_detected_and_kept() {
        let mut heard = LegacyDecoder::new(StreamId(1));
        // Before silence reveals the scale, samples are off by at most one step.
        let Some((.., [first, _])) = hear(&mut heard, 0, 64, [40_960, 40_961]) else { panic!("no audio") };
        assert!((first - 0.25).abs() < 1e-4);
        assert_eq!(hear(&mut heard, 1, 64, [32_768; 2]).map(|h| h.3), Some([0.0; 2]));
        assert_eq!(hear(&mut heard, 2, 64, [40_960, 32_768]).map(|h| h.3), Some([0.25, 0.0]));
        assert_eq!(hear(&mut heard, 3, 64, [40_960, 40_961]).map(|h| h.3[0]), Some(0.25));
        assert_eq!(hear(&mut heard, 4, 64, LEGACY_SAMPLES).map(|h| h.3), Some([0.0, 0.5]));
    }
}
