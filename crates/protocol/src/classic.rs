//! The classic rtjam packet: what units and servers speak that are older than this protocol.
//!
//! One datagram, neither sealed nor authenticated: a header of 28 bytes, then all samples of channel 1, then all of
//! channel 2, unsigned with 16 bits. `docs/PROTOCOL.md` has the byte table.
//!
//! Their encoder writes a sample v as (v + 1) × 32766, their decoder reads n as n / 32768 − 1. [`decode`] undoes their
//! encoder, so that their silence is silent here; [`encode`] undoes their decoder, so that ours is silent there. Where both
//! ends are ours, a classic server between them hands on what `encode` wrote: [`Scale`] tells whose it is.

mod heard;
mod repack;

pub use heard::{Heard, Scratch as HeardScratch};
pub use repack::{Repacker, Scratch as RepackScratch, write as write_channels};

use crate::datagram::read::{Reader, Truncated};
use crate::ids::{MusicianId, Sequence};
use crate::time::Micros;
use alloc::vec::Vec;

/// UDP port of a classic server.
pub const PORT: u16 = 7891;

/// Bytes before the samples. A datagram of these alone carries no audio; it keeps the loop timer going.
pub const HEADER_LEN: usize = 28;

/// The largest datagram.
pub const MAX_PACKET: usize = 1024;

/// Bytes of one frame: two channels of two bytes.
pub const FRAME_LEN: usize = 4;

/// The most frames that fit into a datagram.
pub const MOST_FRAMES: usize = (MAX_PACKET - HEADER_LEN) / FRAME_LEN;

/// What the sockets of classic programs put into IPv4's type of service.
pub const TOS: u8 = 0x10;

/// The length of a beat where nothing else is said: 120 a minute.
pub const BEAT: Micros = Micros(500_000);

/// Who made a packet; unique in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

impl ClientId {
    /// Nobody: an empty slot.
    pub const EMPTY: ClientId = ClientId(40_000);
    /// A recording that the server plays.
    pub const PLAYBACK: ClientId = ClientId(40_001);
    /// The server's mix of everyone.
    pub const MIX: ClientId = ClientId(40_002);

    /// The id of a client of ours, made of anything random: one of 1 to 39,999.
    pub const fn from_random(random: u64) -> ClientId {
        ClientId(1 + (random % (Self::EMPTY.0 as u64 - 1)) as u32)
    }

    /// What stands in place of an identity: nobody has a secret key to it.
    pub fn identity(self) -> MusicianId {
        const NONE: &[u8; 28] = b"rtjam classic, no identity..";
        let mut bytes = [0; 32];
        let (text, id) = bytes.split_at_mut(NONE.len());
        text.copy_from_slice(NONE);
        id.copy_from_slice(&self.0.to_be_bytes());
        MusicianId(bytes)
    }
}

/// What stands before the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The room metronome's beat, 0 to 3; set by the server.
    pub beat: u8,
    /// The server's time. The client returns the last one that it received, so that the server can measure the loop.
    pub server_time: Micros,
    /// The client's time.
    pub client_time: Micros,
    /// Who made the packet.
    pub client: ClientId,
    /// Counts the client's packets.
    pub sequence: Sequence,
}

/// A datagram that is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What stands before the samples.
    pub header: Header,
    audio: &'a [u8],
}

/// Why a datagram is no classic packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotClassic {
    /// Shorter than the header.
    Truncated,
    /// Longer than [`MAX_PACKET`].
    TooLong,
    /// Of an odd length: half a sample is missing.
    OddLength,
}

impl From<Truncated> for NotClassic {
    fn from(_: Truncated) -> NotClassic {
        NotClassic::Truncated
    }
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Bytes that no reader uses (channel, sample rate, chunks) are skipped.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(datagram: &'a [u8]) -> Result<Packet<'a>, NotClassic> {
        let mut r = Reader::new(datagram);
        let [_, _, _, beat] = r.array()?;
        let server_time = Micros(r.u64()?);
        let client_time = Micros(r.u64()?);
        let client = ClientId(r.u32()?);
        let sequence = Sequence(r.u32()?);
        let audio = r.rest();
        if datagram.len() > MAX_PACKET {
            return Err(NotClassic::TooLong);
        }
        if !datagram.len().is_multiple_of(2) {
            return Err(NotClassic::OddLength);
        }
        Ok(Packet { header: Header { beat, server_time, client_time, client, sequence }, audio })
    }

    /// Frames of audio, 0 to [`MOST_FRAMES`].
    pub const fn frames(&self) -> usize {
        self.audio.len() / FRAME_LEN
    }

    /// A channel's samples, as they lie in the datagram.
    pub fn channels(&self) -> [&'a [u8]; 2] {
        let (first, second) = self.audio.split_at(self.frames() * 2);
        [first, &second[..first.len()]]
    }
}

impl Header {
    /// Appends a datagram with this header, of `frames` frames whose bytes `audio` appends.
    pub fn write(&self, frames: usize, out: &mut Vec<u8>, audio: impl FnOnce(&mut Vec<u8>)) {
        let len = HEADER_LEN + frames.min(MOST_FRAMES) * FRAME_LEN;
        out.extend_from_slice(&[0, 0, chunks(len), self.beat]);
        out.extend_from_slice(&self.server_time.0.to_be_bytes());
        out.extend_from_slice(&self.client_time.0.to_be_bytes());
        out.extend_from_slice(&self.client.0.to_be_bytes());
        out.extend_from_slice(&self.sequence.0.to_be_bytes());
        audio(out);
    }
}

/// Writes another server time into a datagram, and the beat at that time, if it has a header. A beat lasts `beat`.
pub fn set_server_time(datagram: &mut [u8], server_time: Micros, beat: Micros) {
    if let Some(fields) = datagram.get_mut(3..12) {
        fields[0] = beat_at(server_time, beat);
        fields[1..].copy_from_slice(&server_time.0.to_be_bytes());
    }
}

/// The third byte: a datagram's length in units of 32 bytes, rounded down.
const fn chunks(len: usize) -> u8 {
    (len / 32) as u8
}

/// The metronome's beat at a time of the server, 0 to 3.
pub const fn beat_at(server_time: Micros, beat: Micros) -> u8 {
    match server_time.0.checked_div(beat.0) {
        Some(beats) => (beats % 4) as u8,
        None => 0,
    }
}

/// By which scale samples were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// By classic programs: 32766 is silence.
    #[default]
    Theirs,
    /// By [`encode`]: 32768 is silence.
    Ours,
}

impl Scale {
    /// What a channel tells of its writer: by silence, or by a sample that theirs never writes. `None` where either may have
    /// written it.
    pub fn told_by(bytes: &[u8]) -> Option<Scale> {
        let samples = || bytes.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b));
        let first = samples().next()?;
        if samples().any(|n| n > THEIR_MOST) {
            return Some(Scale::Ours);
        }
        match first {
            OUR_ZERO if samples().all(|n| n == first) => Some(Scale::Ours),
            THEIR_ZERO if samples().all(|n| n == first) => Some(Scale::Theirs),
            _ => None,
        }
    }

    /// Reads one channel into `out`: as many samples as both hold. Real-time safe; every sample is finite, and the silence of
    /// this scale's writer is 0.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let zero = f32::from(match self {
            Scale::Theirs => THEIR_ZERO,
            Scale::Ours => OUR_ZERO,
        });
        for (sample, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sample = (f32::from(u16::from_be_bytes(*bytes)) - zero) / zero;
        }
    }
}

/// Reads one channel that a classic program wrote.
pub fn decode(bytes: &[u8], out: &mut [f32]) {
    Scale::Theirs.decode(bytes, out);
}

/// Appends one channel's samples. Values beyond full scale are cut, NaN is silence. 16-bit samples arrive as they are.
pub fn encode(samples: &[f32], out: &mut Vec<u8>) {
    out.extend(samples.iter().flat_map(|sample| to_offset(*sample).to_be_bytes()));
}

/// What a classic encoder writes for silence, and its full scale.
const THEIR_ZERO: u16 = 32766;

/// The most that a classic encoder writes.
const THEIR_MOST: u16 = 65532;

/// What ours writes for silence, and its full scale.
const OUR_ZERO: u16 = 32768;

fn to_offset(sample: f32) -> u16 {
    let scaled = sample * 32768.0;
    // The cast saturates and turns NaN into 0. Halves round away from zero.
    let whole = (scaled + 0.5_f32.copysign(scaled)) as i32;
    whole.saturating_add(32768).clamp(0, 65535) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample through a classic encoder, as it is stated.
    fn theirs(v: f32) -> [u8; 2] {
        (((v + 1.0) * 32766.0).clamp(0.0, 65532.0) as u16).to_be_bytes()
    }

    /// A sample as a classic decoder reads it.
    fn read_by_them(bytes: [u8; 2]) -> f32 {
        f32::from(u16::from_be_bytes(bytes)) / 32768.0 - 1.0
    }

    fn ours(v: f32) -> [u8; 2] {
        let mut out = Vec::new();
        encode(&[v], &mut out);
        [out[0], out[1]]
    }

    #[test]
    fn decoding_their_silence_gives_silence_and_they_hear_ours_as_silence() {
        let mut out = [9.0; 2];
        decode(&[theirs(0.0), theirs(0.0)].concat(), &mut out);
        assert_eq!(out, [0.0, 0.0]);
        assert_eq!(read_by_them(ours(0.0)), 0.0);
        assert_eq!(read_by_them(ours(f32::NAN)), 0.0);
    }

    #[test]
    fn whose_scale_it_is_is_told_by_silence_and_by_what_theirs_never_writes() {
        let told = |samples: &[[u8; 2]]| Scale::told_by(&samples.concat());
        assert_eq!(told(&[theirs(0.0); 64]), Some(Scale::Theirs));
        assert_eq!(told(&[ours(0.0); 64]), Some(Scale::Ours));
        assert_eq!(told(&[ours(0.3), ours(1.0)]), Some(Scale::Ours));
        assert_eq!((told(&[theirs(0.0), theirs(0.1)]), told(&[ours(0.0), ours(0.1)]), told(&[])), (None, None, None));
        assert_eq!(told(&[theirs(1.0)]), None);
        let mut out = [9.0; 3];
        Scale::Ours.decode(&[ours(0.0), ours(-1.0), ours(0.25)].concat(), &mut out);
        assert_eq!(out, [0.0, -1.0, 0.25]);
    }

    #[test]
    fn our_ids_are_none_with_a_meaning() {
        for random in [0, 1, 39_997, 39_998, 39_999, u64::MAX] {
            assert!((1..40_000).contains(&ClientId::from_random(random).0));
        }
    }

    #[test]
    fn samples_are_within_a_step_of_what_was_sent_in_either_direction() {
        for i in -1000..=1000 {
            let v = i as f32 / 1000.0;
            let mut out = [9.0];
            decode(&theirs(v), &mut out);
            assert!((out[0] - v).abs() <= 1.01 / 32766.0, "{v} is heard as {}", out[0]);
            assert!((read_by_them(ours(v)) - v).abs() <= 1.01 / 32768.0, "{v}");
        }
    }

    #[test]
    fn what_is_beyond_full_scale_is_cut() {
        assert_eq!([ours(9.0), ours(f32::INFINITY)], [[255, 255]; 2]);
        assert_eq!([ours(-9.0), ours(f32::NEG_INFINITY)], [[0, 0]; 2]);
    }

    #[test]
    fn all_16_bit_samples_reach_them_exactly() {
        for v in i16::MIN..=i16::MAX {
            let v = f32::from(v) / 32768.0;
            assert_eq!(read_by_them(ours(v)), v);
        }
    }

    #[test]
    fn the_beat_goes_round_every_two_seconds_at_120() {
        let beats = [0, 499_999, 500_000, 1_999_999, 2_000_000].map(|t| beat_at(Micros(t), BEAT));
        assert_eq!(beats, [0, 0, 1, 3, 0]);
        assert_eq!(beat_at(Micros(7), Micros::ZERO), 0);
    }
}
