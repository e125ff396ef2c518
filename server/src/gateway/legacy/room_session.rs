//! Sessions with the room, over loopback. A legacy musician's session sends their packets ([`RoomUplink`]); it receives their
//! mix, and one more session everyone's packets for all legacy musicians together ([`RoomDownlink`]).

use crate::statistics::SessionCounters;
use rtjam_protocol::datagram::{ClockRequest, DatagramClass, Frame, write_audio, write_frame};
use rtjam_protocol::legacy::{DecoderScratch, LegacyDecoder, LegacyPacket};
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Lane, OpenedDatagram, ReceiveKey, SendLane};
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{Micros, SessionId, SourceId, StreamId};
use std::sync::Arc;

/// How often the session sends something: until its path is validated, and afterwards to stay alive.
const VALIDATE_EVERY: Micros = Micros::from_millis(260);
const KEEP_ALIVE_EVERY: Micros = Micros::from_secs(1);

/// The server sends something to every session every 200 ms; after this long without anything the session has ended.
const SILENCE: Micros = Micros::from_secs(3);

/// The downlink of one session.
pub(super) struct RoomDownlink {
    pub(super) session: SessionId,
    receive: ReceiveKey,
    lane: SendLane,
    last_sent: Option<Micros>,
    last_heard: Micros,
    has_path: bool,
}

impl RoomDownlink {
    /// `lane` must not have another owner in this session.
    pub(super) fn new(now: Micros, new: &NewSession, lane: Lane) -> RoomDownlink {
        let receive = new.keys.downlink(new.session, new.features, CRYPTO).receive();
        let lane = new.keys.uplink(new.session, new.features, CRYPTO).send_lane(lane);
        RoomDownlink { session: new.session, receive, lane, last_sent: None, last_heard: now, has_path: false }
    }

    /// Opens a datagram, and puts the answer to a challenge into `answer`. `None` if it is not for this session.
    pub(super) fn open<'d>(
        &mut self,
        now: Micros,
        datagram: &'d mut [u8],
        answer: &mut Vec<u8>,
    ) -> Option<OpenedDatagram<'d>> {
        let opened = self.receive.open(now, datagram).ok()?;
        self.last_heard = now;
        answer.clear();
        for frame in opened.frames() {
            match frame {
                Frame::PathChallenge(data) => {
                    self.lane.seal(DatagramClass::Session, answer, |out| write_frame(&Frame::PathResponse(data), out));
                }
                _ => self.has_path = true,
            }
        }
        Some(opened)
    }

    /// Puts a keep-alive into `out` if one is due, and returns whether it is.
    pub(super) fn poll(&mut self, now: Micros, out: &mut Vec<u8>) -> bool {
        let every = if self.has_path { KEEP_ALIVE_EVERY } else { VALIDATE_EVERY };
        if self.last_sent.is_some_and(|sent| now.since(sent) < every) {
            return false;
        }
        self.last_sent = Some(now);
        // A clock request is longer than a keep-alive, and the server sends no challenge that is longer than what it has
        // received.
        let request = Frame::ClockRequest(ClockRequest { sent: now });
        self.lane.seal(DatagramClass::Session, out, |out| write_frame(&request, out));
        true
    }

    /// Whether the session has ended without a goodbye, for example because the machine was suspended.
    pub(super) fn is_dead(&self, now: Micros) -> bool {
        now.since(self.last_heard) > SILENCE
    }
}

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
    use rtjam_protocol::legacy::LegacyHeader;
    use rtjam_protocol::seal::{Key, KeyId, Suite};
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
        let opened = receive.open(Micros::ZERO, &mut out).expect("genuine");
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
