//! The audio frame: its header and its two channels of samples.
//!
//! Byte table in `docs/PROTOCOL.md`. The payload is planar: all samples of channel 1, then all of
//! channel 2, each big-endian.

mod codec;

pub use codec::{F32_LIMIT, decode, encode, mean_square};

use crate::datagram::read::{Reader, Truncated};
use crate::ids::{FramePosition, Sequence, SourceId, StreamId};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Frames a second on the wire.
pub const WIRE_RATE: u32 = 48_000;

/// Channels a musician sends.
pub const CHANNELS: usize = 2;

/// The smallest and the largest packet that a sender makes, in frames.
pub const PACKET_FRAMES: core::ops::RangeInclusive<u16> = 16..=512;

/// How samples are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Codec {
    /// Signed 24-bit, full scale 8388608.
    Pcm24 = 1,
    /// IEEE 754 single precision, full scale 1.
    F32 = 2,
    /// Signed 16-bit, full scale 32768; in a control message any that is not known, too.
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

    /// The most frames that fit into a payload of `bytes`.
    pub const fn frames_in(self, bytes: usize) -> usize {
        bytes / (self.bytes_per_sample() * CHANNELS)
    }

    const fn from_byte(b: u8) -> Option<Codec> {
        match b {
            0 => Some(Codec::Pcm16),
            1 => Some(Codec::Pcm24),
            2 => Some(Codec::F32),
            _ => None,
        }
    }
}

/// What the two channels are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Layout {
    /// Two sources of one channel each, voice and guitar say.
    DualMono = 1,
    /// Channel 1 is left, channel 2 right.
    #[default]
    #[serde(other)]
    Stereo = 0,
}

impl Layout {
    const fn from_byte(b: u8) -> Option<Layout> {
        match b {
            0 => Some(Layout::Stereo),
            1 => Some(Layout::DualMono),
            _ => None,
        }
    }
}

/// A channel's peak in a packet: 32768 is full scale, 65535 is about +6 dBFS or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak(pub u16);

impl Peak {
    /// The largest magnitude of `samples`, rounded up so that only silence is 0.
    pub fn of(samples: &[f32]) -> Peak {
        let max = samples.iter().fold(0.0_f32, |m, s| if s.abs() > m { s.abs() } else { m });
        let scaled = max * 32768.0;
        let floor = scaled as u16;
        Peak(if scaled > f32::from(floor) { floor.saturating_add(1) } else { floor })
    }

    /// The peak on a scale where full scale is 1.
    pub fn to_f32(self) -> f32 {
        f32::from(self.0) / 32768.0
    }
}

/// All that an audio frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioHeader {
    /// Who made it. Musicians send 0; the server sets it.
    pub source: SourceId,
    /// The run of the sender's timeline that `position` counts in.
    pub stream: StreamId,
    /// The packet's number within the stream.
    pub sequence: Sequence,
    /// Position of the first frame.
    pub position: FramePosition,
    /// How the samples are written.
    pub codec: Codec,
    /// What the two channels are.
    pub layout: Layout,
    /// How many frames follow.
    pub frames: u16,
    /// The largest magnitude of each channel.
    pub peak: [Peak; CHANNELS],
}

/// An audio frame as it lies in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFrame<'a> {
    /// What it says of itself.
    pub header: AudioHeader,
    /// Exactly `frames × 2 × bytes_per_sample` bytes.
    pub payload: &'a [u8],
}

/// Why an audio frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAudio {
    /// Shorter than its header.
    Truncated,
    /// A codec or layout of a later version.
    Unknown,
    /// The payload's length does not match codec and frames, or there are no frames.
    WrongLength,
}

impl From<Truncated> for BadAudio {
    fn from(_: Truncated) -> BadAudio {
        BadAudio::Truncated
    }
}

impl<'a> AudioFrame<'a> {
    /// Bytes before the payload.
    pub const HEADER_LEN: usize = 26;

    /// Reads the body of an audio frame.
    ///
    /// # Errors
    /// When it is truncated, of unknown codec or layout, or its length does not match.
    pub fn read(body: &'a [u8]) -> Result<AudioFrame<'a>, BadAudio> {
        let mut r = Reader::new(body);
        let source = SourceId(r.u16()?);
        let stream = StreamId(r.u32()?);
        let sequence = Sequence(r.u32()?);
        let position = FramePosition(r.u64()?);
        let codec = Codec::from_byte(r.u8()?).ok_or(BadAudio::Unknown)?;
        let layout = Layout::from_byte(r.u8()?).ok_or(BadAudio::Unknown)?;
        let frames = r.u16()?;
        let peak = [Peak(r.u16()?), Peak(r.u16()?)];
        let payload = r.rest();
        if frames == 0 || payload.len() != usize::from(frames) * CHANNELS * codec.bytes_per_sample() {
            return Err(BadAudio::WrongLength);
        }
        let header = AudioHeader { source, stream, sequence, position, codec, layout, frames, peak };
        Ok(AudioFrame { header, payload })
    }
}

impl AudioHeader {
    /// Appends the header's 26 bytes.
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
