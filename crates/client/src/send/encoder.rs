//! Encodes audio packets of this musician.

use rtjam_engine::{MAX_PACKET_FRAMES, OutPacket};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{AudioHeader, CHANNELS, Codec, encode};
use rtjam_protocol::datagram::{MAX_DATAGRAM, audio_payload_in};

/// Encodes packets into buffers of fixed capacity.
pub(super) struct Encoder {
    codec: Codec,
    payload: Vec<u8>,
    datagram: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(codec: Codec) -> Encoder {
        let payload = Vec::with_capacity(MAX_PACKET_FRAMES * CHANNELS * 4);
        Encoder { codec, payload, datagram: Vec::with_capacity(MAX_DATAGRAM) }
    }

    pub(super) fn set_codec(&mut self, codec: Codec) {
        self.codec = codec;
    }

    /// The largest number of frames in a datagram of `limit` bytes.
    pub(super) fn max_frames(&self, limit: usize) -> usize {
        self.codec.frames_in(audio_payload_in(limit))
    }

    /// Returns header, payload and an empty buffer for the datagram. `None` if the packet fits into no datagram.
    pub(super) fn encode(&mut self, packet: &OutPacket) -> Option<(AudioHeader, &[u8], &mut Vec<u8>)> {
        let codec = self.codec_for(packet.frames())?;
        self.payload.clear();
        for channel in packet.channels() {
            encode(codec, channel, &mut self.payload);
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
        Some((header, &self.payload, &mut self.datagram))
    }

    /// Packets that the engine made before it knew of a wider codec may be too long for it: they use a narrower one.
    fn codec_for(&self, frames: u16) -> Option<Codec> {
        let fits = |codec: &Codec| usize::from(frames) <= codec.frames_in(audio_payload_in(MAX_DATAGRAM));
        [self.codec, Codec::Pcm24, Codec::Pcm16].into_iter().find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every codec stays within the largest datagram.
    #[test]
    fn codecs_respect_datagram_limit() {
        for codec in [Codec::Pcm16, Codec::Pcm24, Codec::F32] {
            let encoder = Encoder::new(codec);
            let frames = encoder.max_frames(MAX_DATAGRAM) as u16;
            assert_eq!(encoder.codec_for(frames), Some(codec));
            assert_ne!(encoder.codec_for(frames + 1), Some(codec));
        }
        assert_eq!(Encoder::new(Codec::F32).codec_for(200), Some(Codec::Pcm16));
        assert_eq!(Encoder::new(Codec::F32).codec_for(512), None);
    }
}
