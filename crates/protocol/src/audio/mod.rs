//! Audio frames: a header and two channels of samples.
//!
//! The payload is planar: all samples of channel 1, then all samples of channel 2. `docs/PROTOCOL.md` has the byte table.

mod codec;

pub use codec::{F32_LIMIT, decode, encode, mean_square};

use crate::ids::{FramePosition, Sequence, SourceId, StreamId};
use crate::reader::ByteReader;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Sample rate on the wire in Hz.
pub const WIRE_RATE: u32 = 48_000;

/// Number of channels in an audio frame.
pub const CHANNELS: usize = 2;

/// Packet sizes that senders use, in frames.
pub const PACKET_FRAMES: core::ops::RangeInclusive<u16> = 16..=512;

/// Sample format of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Codec {
    /// Signed 24 bits, full scale 8388608.
    Pcm24 = 1,
    /// IEEE 754 single precision, full scale 1.
    F32 = 2,
    /// Signed 16 bits, full scale 32768. Unknown codecs in control messages read as this one.
    #[default]
    #[serde(other)]
    Pcm16 = 0,
}

impl Codec {
    /// Bytes of one sample.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Codec::Pcm16 => 2,
            Codec::Pcm24 => 3,
            Codec::F32 => 4,
        }
    }

    /// The most frames that fit into a payload of `bytes` bytes.
    pub const fn frames_in(self, bytes: usize) -> usize {
        bytes / (self.bytes_per_sample() * CHANNELS)
    }

    fn from_byte(b: u8) -> Option<Codec> {
        [Codec::Pcm16, Codec::Pcm24, Codec::F32].get(usize::from(b)).copied()
    }
}

/// Meaning of the two channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Layout {
    /// Two mono sources, for example voice and guitar.
    DualMono = 1,
    /// Channel 1 is left, channel 2 is right.
    #[default]
    #[serde(other)]
    Stereo = 0,
}

impl Layout {
    fn from_byte(b: u8) -> Option<Layout> {
        [Layout::Stereo, Layout::DualMono].get(usize::from(b)).copied()
    }
}

/// Peak of one channel in a packet: 32768 is full scale, and 65535 is about +6 dBFS or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak(pub u16);

impl Peak {
    /// The largest magnitude of `samples`, rounded up, so that only silence gives 0.
    pub fn of(samples: &[f32]) -> Peak {
        let max = samples.iter().fold(0.0_f32, |m, s| if s.abs() > m { s.abs() } else { m });
        let scaled = max * 32768.0;
        let floor = scaled as u16;
        Peak(if scaled > f32::from(floor) { floor.saturating_add(1) } else { floor })
    }

    /// The peak, where full scale is 1.
    pub fn to_f32(self) -> f32 {
        f32::from(self.0) / 32768.0
    }
}

/// Header of an audio frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioHeader {
    /// The sender. Clients send 0, and the server sets it.
    pub source: SourceId,
    /// Stream that `position` belongs to.
    pub stream: StreamId,
    /// Number of the packet within the stream.
    pub sequence: Sequence,
    /// Position of the first frame.
    pub position: FramePosition,
    /// Sample format.
    pub codec: Codec,
    /// Meaning of the two channels.
    pub layout: Layout,
    /// Number of frames.
    pub frames: u16,
    /// Peak of each channel.
    pub peak: [Peak; CHANNELS],
}

/// An audio frame in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFrame<'a> {
    /// The header.
    pub header: AudioHeader,
    /// The samples: exactly `frames × 2 × bytes_per_sample` bytes.
    pub payload: &'a [u8],
}

impl<'a> AudioFrame<'a> {
    /// Bytes before the payload.
    pub const HEADER_LEN: usize = 26;

    /// Reads the body of an audio frame; `None` if it is truncated, has no frames, its codec or layout is unknown, or its
    /// length does not match.
    pub fn read(body: &'a [u8]) -> Option<AudioFrame<'a>> {
        let mut r = ByteReader::new(body);
        let source = SourceId(r.u16()?);
        let stream = StreamId(r.u32()?);
        let sequence = Sequence(r.u32()?);
        let position = FramePosition(r.u64()?);
        let codec = Codec::from_byte(r.u8()?)?;
        let layout = Layout::from_byte(r.u8()?)?;
        let frames = r.u16()?;
        let peak = [Peak(r.u16()?), Peak(r.u16()?)];
        let payload = r.rest();
        if frames == 0 || payload.len() != usize::from(frames) * CHANNELS * codec.bytes_per_sample() {
            return None;
        }
        let header = AudioHeader { source, stream, sequence, position, codec, layout, frames, peak };
        Some(AudioFrame { header, payload })
    }
}

impl AudioHeader {
    /// Appends the 26 bytes of the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source.0.to_be_bytes());
        out.extend_from_slice(&self.stream.0.to_be_bytes());
        out.extend_from_slice(&self.sequence.0.to_be_bytes());
        out.extend_from_slice(&self.position.0.to_be_bytes());
        out.push(self.codec as u8);
        out.push(self.layout as u8);
        out.extend_from_slice(&self.frames.to_be_bytes());
        out.extend_from_slice(&self.peak[0].0.to_be_bytes());
        out.extend_from_slice(&self.peak[1].0.to_be_bytes());
    }
}
