//! Encodes the engine's packets, each once, in the format of the current jam.

use crate::snapshot::SendCounts;
use rtjam_engine::{MAX_PACKET_FRAMES, OutPacket};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{AudioFrame, AudioHeader, CHANNELS, Codec, encode};
use rtjam_protocol::datagram::{MAX_DATAGRAM, audio_payload_in};
use rtjam_protocol::legacy::{LegacyEncoder, MAX_PACKET, write_channels};

/// A packet of this musician, encoded for the jam that sends it.
pub(super) enum EncodedPacket<'a> {
    /// For a room.
    Audio(AudioFrame<'a>),
    /// For a legacy server: the samples of both channels, and whether all of them are silent.
    Legacy { samples: &'a [u8], silent: bool },
}

/// Encodes into buffers of fixed capacity.
pub(super) struct PacketEncoder {
    format: Format,
    payload: Vec<u8>,
}

enum Format {
    Audio(Codec),
    Legacy(Box<LegacyEncoder>),
}

impl PacketEncoder {
    /// An encoder for a room.
    pub(super) fn audio(codec: Codec) -> PacketEncoder {
        let payload = Vec::with_capacity(MAX_PACKET_FRAMES * CHANNELS * 4);
        PacketEncoder { format: Format::Audio(codec), payload }
    }

    /// An encoder for a legacy server.
    pub(super) fn legacy() -> PacketEncoder {
        PacketEncoder { format: Format::Legacy(Box::default()), payload: Vec::with_capacity(MAX_PACKET) }
    }

    /// Legacy packets have only one codec.
    pub(super) fn set_codec(&mut self, codec: Codec) {
        if let Format::Audio(current) = &mut self.format {
            *current = codec;
        }
    }

    /// The largest number of frames that the engine may put into a packet, for datagrams of `limit` bytes.
    pub(super) fn max_frames(&self, limit: usize) -> usize {
        match &self.format {
            Format::Audio(codec) => codec.frames_in(audio_payload_in(limit)),
            // These packets are composed anew.
            Format::Legacy(_) => MAX_PACKET_FRAMES,
        }
    }

    /// Encodes a packet and hands what comes of it to `send`: for a room one packet, for a legacy server none or several.
    /// Returns the sum of what `send` returns; a packet that fits into no datagram counts as dropped.
    pub(super) fn encode(
        &mut self,
        packet: &OutPacket,
        mut send: impl FnMut(EncodedPacket<'_>) -> SendCounts,
    ) -> SendCounts {
        let PacketEncoder { format, payload } = self;
        let mut counts = SendCounts::default();
        match format {
            Format::Audio(codec) => {
                let Some(codec) = fitting_codec(*codec, packet.frames()) else { return SendCounts::DROPPED };
                payload.clear();
                for channel in packet.channels() {
                    encode(codec, channel, payload);
                }
                let header = AudioHeader {
                    source: SourceId(0),
                    stream: packet.stream,
                    sequence: packet.sequence,
                    position: packet.position,
                    codec,
                    layout: packet.layout,
                    frames: packet.frames(),
                    peak: packet.peak,
                };
                counts = send(EncodedPacket::Audio(AudioFrame { header, payload }));
            }
            Format::Legacy(encoder) => {
                encoder.take_samples(packet.stream, packet.position, packet.channels(), &mut |_, channels| {
                    payload.clear();
                    write_channels(channels, payload);
                    let silent = channels.iter().all(|channel| channel.iter().all(|sample| *sample == 0.0));
                    counts = counts.and(send(EncodedPacket::Legacy { samples: payload, silent }));
                });
            }
        }
        counts
    }
}

/// Packets that the engine made before it knew of a wider codec may be too long for it: they use a narrower one.
fn fitting_codec(wanted: Codec, frames: u16) -> Option<Codec> {
    let fits = |codec: &Codec| usize::from(frames) <= codec.frames_in(audio_payload_in(MAX_DATAGRAM));
    [wanted, Codec::Pcm24, Codec::Pcm16].into_iter().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every codec stays within the largest datagram.
    #[test]
    fn codecs_respect_datagram_limit() {
        for codec in [Codec::Pcm16, Codec::Pcm24, Codec::F32] {
            let frames = PacketEncoder::audio(codec).max_frames(MAX_DATAGRAM) as u16;
            assert_eq!(fitting_codec(codec, frames), Some(codec));
            assert_ne!(fitting_codec(codec, frames + 1), Some(codec));
        }
        assert_eq!(fitting_codec(Codec::F32, 200), Some(Codec::Pcm16));
        assert_eq!(fitting_codec(Codec::F32, 512), None);
    }
}
