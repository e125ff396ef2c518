//! Packets of legacy rtjam units and servers.
//!
//! A packet is one datagram, neither encrypted nor authenticated: a header of 28 bytes, all samples of channel 1, and all
//! samples of channel 2, unsigned with 16 bits. `docs/PROTOCOL.md` has the byte table.
//!
//! Legacy encoders write a sample v as (v + 1) × 32766; legacy decoders read n as n / 32768 − 1. [`SampleScale::decode`] inverts the
//! former and [`encode`] the latter, so that silence is exactly silent in both directions. If a legacy server forwards what
//! another RTJam client encoded, [`SampleScale`] detects it.

mod decoder;
mod encoder;

pub use decoder::{DecoderScratch, LegacyDecoder};
pub use encoder::{EncoderScratch, LegacyEncoder, write_channels};

use crate::ids::{MusicianId, Sequence};
use crate::reader::ByteReader;
use crate::time::Micros;
use alloc::vec::Vec;

/// Default UDP port of legacy servers.
pub const PORT: u16 = 7891;

/// Bytes of the header. A datagram of only these carries no audio; it serves to measure the round trip.
pub const HEADER_LEN: usize = 28;

/// The largest datagram in bytes.
pub const MAX_PACKET: usize = 1024;

/// Bytes of one frame: two channels of two bytes.
pub const FRAME_LEN: usize = 4;

/// The most frames in a datagram.
pub const MAX_FRAMES: usize = (MAX_PACKET - HEADER_LEN) / FRAME_LEN;

/// IPv4 type of service that legacy programs set.
pub const TOS: u8 = 0x10;

/// Default length of a beat: 120 beats a minute.
pub const BEAT: Micros = Micros(500_000);

/// The sender of a packet, unique in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegacyClientId(pub u32);

impl LegacyClientId {
    /// An empty slot.
    pub const EMPTY: LegacyClientId = LegacyClientId(40_000);
    /// A recording that the server plays.
    pub const PLAYBACK: LegacyClientId = LegacyClientId(40_001);
    /// The server's mix.
    pub const MIX: LegacyClientId = LegacyClientId(40_002);

    /// An id for an RTJam client: 1 to 39,999, derived from a random number.
    pub const fn from_random(random: u64) -> LegacyClientId {
        LegacyClientId(1 + (random % (Self::EMPTY.0 as u64 - 1)) as u32)
    }

    /// Stand-in for an identity. No secret key belongs to it.
    pub fn identity(self) -> MusicianId {
        const NONE: &[u8; 28] = b"rtjam classic, no identity..";
        let mut bytes = [0; 32];
        let (text, id) = bytes.split_at_mut(NONE.len());
        text.copy_from_slice(NONE);
        id.copy_from_slice(&self.0.to_be_bytes());
        MusicianId(bytes)
    }
}

/// Header of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegacyHeader {
    /// Beat of the room's metronome, 0 to 3. The server sets it.
    pub beat: u8,
    /// The server's time. Clients return the latest one received, so that the server can measure the round trip.
    pub server_time: Micros,
    /// The client's time.
    pub client_time: Micros,
    /// The sender.
    pub client: LegacyClientId,
    /// Number of the packet.
    pub sequence: Sequence,
}

/// A valid packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyPacket<'a> {
    /// The header.
    pub header: LegacyHeader,
    audio: &'a [u8],
}

impl<'a> LegacyPacket<'a> {
    /// Reads a datagram; `None` if it is shorter than the header or longer than [`MAX_PACKET`], or its length is odd. Ignores
    /// the bytes that no program uses (channel, sample rate, chunks).
    pub fn read(datagram: &'a [u8]) -> Option<LegacyPacket<'a>> {
        let mut r = ByteReader::new(datagram);
        let [_, _, _, beat] = r.array()?;
        let server_time = Micros(r.u64()?);
        let client_time = Micros(r.u64()?);
        let client = LegacyClientId(r.u32()?);
        let sequence = Sequence(r.u32()?);
        let audio = r.rest();
        let fits = datagram.len() <= MAX_PACKET && datagram.len().is_multiple_of(2);
        let header = LegacyHeader { beat, server_time, client_time, client, sequence };
        fits.then_some(LegacyPacket { header, audio })
    }

    /// Number of frames, 0 to [`MAX_FRAMES`].
    pub const fn frames(&self) -> usize {
        self.audio.len() / FRAME_LEN
    }

    /// The samples of each channel as bytes.
    pub fn channels(&self) -> [&'a [u8]; 2] {
        let (first, second) = self.audio.split_at(self.frames() * 2);
        [first, &second[..first.len()]]
    }
}

impl LegacyHeader {
    /// Appends a datagram with this header. `audio` appends the samples of `frames` frames.
    pub fn write(&self, frames: usize, out: &mut Vec<u8>, audio: impl FnOnce(&mut Vec<u8>)) {
        let len = HEADER_LEN + frames.min(MAX_FRAMES) * FRAME_LEN;
        out.extend_from_slice(&[0, 0, chunks(len), self.beat]);
        out.extend_from_slice(&self.server_time.0.to_be_bytes());
        out.extend_from_slice(&self.client_time.0.to_be_bytes());
        out.extend_from_slice(&self.client.0.to_be_bytes());
        out.extend_from_slice(&self.sequence.0.to_be_bytes());
        audio(out);
    }
}

/// Replaces the server time of a datagram, and the beat accordingly. `beat` is the length of a beat.
pub fn set_server_time(datagram: &mut [u8], server_time: Micros, beat: Micros) {
    if let Some(fields) = datagram.get_mut(3..12) {
        fields[0] = beat_at(server_time, beat);
        fields[1..].copy_from_slice(&server_time.0.to_be_bytes());
    }
}

/// The third byte: the datagram's length in units of 32 bytes, rounded down.
const fn chunks(len: usize) -> u8 {
    (len / 32) as u8
}

/// The metronome's beat at a server time, 0 to 3.
pub const fn beat_at(server_time: Micros, beat: Micros) -> u8 {
    match server_time.0.checked_div(beat.0) {
        Some(beats) => (beats % 4) as u8,
        None => 0,
    }
}

/// The scale of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleScale {
    /// The scale of legacy programs: 32766 is silence.
    #[default]
    Legacy,
    /// The scale of [`encode`]: 32768 is silence.
    Rtjam,
}

impl SampleScale {
    /// Detects the scale of a channel from silence, or from values that legacy programs never write. `None` if both scales
    /// are possible.
    pub fn detect(bytes: &[u8]) -> Option<SampleScale> {
        let samples = || bytes.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b));
        let first = samples().next()?;
        if samples().any(|n| n > LEGACY_MAX) {
            return Some(SampleScale::Rtjam);
        }
        match first {
            RTJAM_ZERO if samples().all(|n| n == first) => Some(SampleScale::Rtjam),
            LEGACY_ZERO if samples().all(|n| n == first) => Some(SampleScale::Legacy),
            _ => None,
        }
    }

    /// Decodes one channel into `out`: as many samples as both hold. Real-time safe. Every sample is finite, and silence is
    /// 0.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let zero = f32::from(match self {
            SampleScale::Legacy => LEGACY_ZERO,
            SampleScale::Rtjam => RTJAM_ZERO,
        });
        for (sample, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sample = (f32::from(u16::from_be_bytes(*bytes)) - zero) / zero;
        }
    }
}

/// Appends the samples of one channel. Values beyond full scale are clipped, NaN is silence, and 16-bit samples are exact.
pub fn encode(samples: &[f32], out: &mut Vec<u8>) {
    out.extend(samples.iter().flat_map(|sample| to_offset(*sample).to_be_bytes()));
}

/// Silence of legacy encoders, and their full scale.
const LEGACY_ZERO: u16 = 32766;

/// The largest value of legacy encoders.
const LEGACY_MAX: u16 = 65532;

/// Silence of RTJam's encoder, and its full scale.
const RTJAM_ZERO: u16 = 32768;

fn to_offset(sample: f32) -> u16 {
    let scaled = sample * 32768.0;
    // The cast saturates and turns NaN into 0. Rounds half away from zero.
    let whole = (scaled + 0.5_f32.copysign(scaled)) as i32;
    whole.saturating_add(32768).clamp(0, 65535) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample as a legacy encoder writes it.
    fn legacy_sample(v: f32) -> [u8; 2] {
        (((v + 1.0) * 32766.0).clamp(0.0, 65532.0) as u16).to_be_bytes()
    }

    /// A sample as a legacy decoder reads it.
    fn read_by_legacy(bytes: [u8; 2]) -> f32 {
        f32::from(u16::from_be_bytes(bytes)) / 32768.0 - 1.0
    }

    fn rtjam_sample(v: f32) -> [u8; 2] {
        let mut out = Vec::new();
        encode(&[v], &mut out);
        [out[0], out[1]]
    }

    /// Silence stays exactly silent in both directions.
    #[test]
    fn silence_is_silent_both_ways() {
        let mut out = [9.0; 2];
        SampleScale::Legacy.decode(&[legacy_sample(0.0), legacy_sample(0.0)].concat(), &mut out);
        assert_eq!(out, [0.0, 0.0]);
        assert_eq!(read_by_legacy(rtjam_sample(0.0)), 0.0);
        assert_eq!(read_by_legacy(rtjam_sample(f32::NAN)), 0.0);
    }

    /// Silence, and values that legacy programs never write, reveal the scale.
    #[test]
    fn scale_is_detected() {
        let detected = |samples: &[[u8; 2]]| SampleScale::detect(&samples.concat());
        assert_eq!(detected(&[legacy_sample(0.0); 64]), Some(SampleScale::Legacy));
        assert_eq!(detected(&[rtjam_sample(0.0); 64]), Some(SampleScale::Rtjam));
        assert_eq!(detected(&[rtjam_sample(0.3), rtjam_sample(1.0)]), Some(SampleScale::Rtjam));
        assert_eq!(
            (
                detected(&[legacy_sample(0.0), legacy_sample(0.1)]),
                detected(&[rtjam_sample(0.0), rtjam_sample(0.1)]),
                detected(&[])
            ),
            (None, None, None)
        );
        assert_eq!(detected(&[legacy_sample(1.0)]), None);
        let mut out = [9.0; 3];
        SampleScale::Rtjam.decode(&[rtjam_sample(0.0), rtjam_sample(-1.0), rtjam_sample(0.25)].concat(), &mut out);
        assert_eq!(out, [0.0, -1.0, 0.25]);
    }

    /// Ids of RTJam clients are not reserved.
    #[test]
    fn client_ids_are_never_reserved() {
        for random in [0, 1, 39_997, 39_998, 39_999, u64::MAX] {
            assert!((1..40_000).contains(&LegacyClientId::from_random(random).0));
        }
    }

    /// Samples are within one quantization step of the original in both directions.
    #[test]
    fn samples_are_off_by_one_step() {
        for i in -1000..=1000 {
            let v = i as f32 / 1000.0;
            let mut out = [9.0];
            SampleScale::Legacy.decode(&legacy_sample(v), &mut out);
            assert!((out[0] - v).abs() <= 1.01 / 32766.0, "{v} is heard as {}", out[0]);
            assert!((read_by_legacy(rtjam_sample(v)) - v).abs() <= 1.01 / 32768.0, "{v}");
        }
    }

    /// Values beyond full scale are clipped.
    #[test]
    fn overloads_are_clipped() {
        assert_eq!([rtjam_sample(9.0), rtjam_sample(f32::INFINITY)], [[255, 255]; 2]);
        assert_eq!([rtjam_sample(-9.0), rtjam_sample(f32::NEG_INFINITY)], [[0, 0]; 2]);
    }

    /// Legacy programs receive every 16-bit sample exactly.
    #[test]
    fn sixteen_bit_samples_are_exact() {
        for v in i16::MIN..=i16::MAX {
            let v = f32::from(v) / 32768.0;
            assert_eq!(read_by_legacy(rtjam_sample(v)), v);
        }
    }

    /// At 120 beats a minute, the beat wraps every two seconds.
    #[test]
    fn beat_wraps_every_two_seconds() {
        let beats = [0, 499_999, 500_000, 1_999_999, 2_000_000].map(|t| beat_at(Micros(t), BEAT));
        assert_eq!(beats, [0, 0, 1, 3, 0]);
        assert_eq!(beat_at(Micros(7), Micros::ZERO), 0);
    }
}
