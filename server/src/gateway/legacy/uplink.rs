//! Sends a legacy musician's packets to the room, as sealed datagrams of the musician's own session.

use crate::statistics::SessionCounters;
use rtjam_protocol::datagram::{DatagramClass, write_audio};
use rtjam_protocol::legacy::{DecoderScratch, LegacyDecoder, LegacyPacket};
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Lane, SendLane};
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{SessionId, SourceId, StreamId};
use std::sync::Arc;

/// The uplink of one legacy musician.
pub(super) struct RoomUplink {
    pub(super) session: SessionId,
    pub(super) source: SourceId,
    pub(super) counters: Arc<SessionCounters>,
    lane: SendLane,
    heard: LegacyDecoder,
}

impl RoomUplink {
    /// `stream` is random.
    pub(super) fn new(new: &NewSession, stream: StreamId, counters: Arc<SessionCounters>) -> RoomUplink {
        let lane = new.keys.uplink(new.session, new.features, CRYPTO).send_lane(Lane::UPLINK[0]);
        RoomUplink { session: new.session, source: new.source, counters, lane, heard: LegacyDecoder::new(stream) }
    }

    /// Converts a packet to a datagram for the media threads in `out`. Returns `false` when there is none: for a packet
    /// without audio, or from before the start of the timeline.
    pub(super) fn seal(&mut self, packet: &LegacyPacket<'_>, scratch: &mut DecoderScratch, out: &mut Vec<u8>) -> bool {
        let Some((header, payload)) = self.heard.take(packet, scratch) else { return false };
        self.lane.seal(DatagramClass::Media, out, |out| write_audio(&header, payload, out));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::control::{Features, SessionKeys};
    use rtjam_protocol::datagram::Frame;
    use rtjam_protocol::legacy::LegacyHeader;
    use rtjam_protocol::seal::{Key, KeyId, ReceiveKey, Suite};
    use rtjam_protocol::{MusicianId, RoomName};
    use rtjam_protocol::{Sequence, audio};

    fn uplink() -> (RoomUplink, ReceiveKey) {
        let keys = SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
        let receive = keys.uplink(SessionId(5), Features::SUPPORTED, CRYPTO).receive();
        let new = NewSession {
            session: SessionId(5),
            connection: None,
            musician: MusicianId([0; 32]),
            room: RoomName::new("r").expect("a name"),
            source: SourceId(3),
            sends: true,
            keys,
            mix: rtjam_protocol::control::DownstreamMode::Forwarded,
            features: Features::SUPPORTED,
            replaces: None,
        };
        (RoomUplink::new(&new, StreamId(100), Arc::default()), receive)
    }

    /// Stream, number, position and the first sample of each channel, as clients receive them.
    fn receive_packet(
        uplink: &mut RoomUplink,
        receive: &mut ReceiveKey,
        number: u32,
        frames: usize,
    ) -> Option<(u32, u32, u64, [f32; 2])> {
        let header = LegacyHeader { sequence: Sequence(number), ..LegacyHeader::default() };
        let mut packet = Vec::new();
        header.write(frames, &mut packet, |out| {
            // Silence as legacy encoders write it, and half of full scale.
            (0..frames).for_each(|_| out.extend_from_slice(&32766_u16.to_be_bytes()));
            (0..frames).for_each(|_| out.extend_from_slice(&49149_u16.to_be_bytes()));
        });
        let mut out = Vec::new();
        let packet = LegacyPacket::read(&packet).expect("a packet");
        if !uplink.seal(&packet, &mut DecoderScratch::default(), &mut out) {
            return None;
        }
        let opened = receive.open(rtjam_protocol::Micros::ZERO, &mut out).expect("genuine");
        let Some(Frame::Audio(audio)) = opened.frames().next() else { panic!("no audio") };
        let mut samples = vec![9.0; frames * 2];
        audio::decode(audio.header.codec, audio.payload, &mut samples);
        let h = audio.header;
        Some((h.stream.0, h.sequence.0, h.position.0, [samples[0], samples[frames]]))
    }

    /// Sequence numbers determine positions, and silence stays silence.
    #[test]
    fn sequence_numbers_become_positions() {
        let (mut uplink, mut receive) = uplink();
        let mut heard = |number, frames| receive_packet(&mut uplink, &mut receive, number, frames);
        assert_eq!(heard(u32::MAX, 128), Some((100, 0, 0, [0.0, 0.5])));
        assert_eq!(heard(2, 128), Some((100, 3, 384, [0.0, 0.5])));
        assert_eq!(heard(1, 128), Some((100, 2, 256, [0.0, 0.5])));
        assert_eq!(heard(u32::MAX - 1, 128), None);
        assert_eq!(heard(3, 0), None);
    }
}
