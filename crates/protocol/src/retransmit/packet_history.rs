//! Recently sent packets, kept for retransmission.

use super::RETRANSMIT_WINDOW;
use crate::audio::{AudioFrame, WIRE_RATE};
use crate::datagram::{kind, raw_frames, write_raw};
use crate::ids::SourceId;
use crate::time::Micros;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The most packets: 250 ms of packets of 16 frames.
const MAX_PACKETS: usize = 750;

/// Identifies a packet in a [`PacketHistory`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketId {
    /// The musician.
    pub source: SourceId,
    serial: u32,
}

/// The packets that were sent for one musician within the last 250 ms.
pub struct PacketHistory {
    source: SourceId,
    packets: VecDeque<SentPacket>,
    next: u32,
    /// Duration of the newest packet's audio.
    packet_duration: Micros,
    /// Buffers of dropped packets. Once there are enough of them, no call allocates.
    spare_buffers: Vec<Vec<u8>>,
}

struct SentPacket {
    sent: Micros,
    /// The packet as copy frames.
    bytes: Vec<u8>,
}

impl PacketHistory {
    /// An empty history of one musician.
    pub fn new(source: SourceId) -> PacketHistory {
        PacketHistory {
            source,
            packets: VecDeque::new(),
            next: 0,
            packet_duration: Micros::ZERO,
            spare_buffers: Vec::new(),
        }
    }

    /// Keeps the audio frames of a plaintext that is being sent; `None` if it has none.
    pub fn keep(&mut self, now: Micros, plain: &[u8]) -> Option<PacketId> {
        self.forget_before(now);
        let mut bytes = self.spare_buffers.pop().unwrap_or_default();
        bytes.clear();
        let mut frames = 0;
        for (kind, body) in raw_frames(plain) {
            let (true, Some(audio)) = (matches!(kind, kind::AUDIO | kind::COPY), AudioFrame::read(body)) else {
                continue;
            };
            frames += if kind == kind::AUDIO { u64::from(audio.header.frames) } else { 0 };
            write_raw(kind::COPY, body, &mut bytes);
        }
        if bytes.is_empty() {
            self.spare_buffers.push(bytes);
            return None;
        }
        if frames > 0 {
            self.packet_duration = Micros(frames * 1_000_000 / u64::from(WIRE_RATE));
        }
        self.packets.push_back(SentPacket { sent: now, bytes });
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        Some(PacketId { source: self.source, serial })
    }

    /// Drops packets older than [`RETRANSMIT_WINDOW`], and makes room for one more.
    pub fn forget_before(&mut self, now: Micros) {
        let most = self.capacity();
        while self.packets.front().is_some_and(|p| now.since(p.sent) > RETRANSMIT_WINDOW) || self.packets.len() >= most
        {
            self.spare_buffers.extend(self.packets.pop_front().map(|p| p.bytes));
        }
    }

    /// The most packets kept: 250 ms of audio and a quarter more for retransmitted packets. After a stall, a second of
    /// packets may arrive at once; the limit keeps them from occupying buffers forever.
    fn capacity(&self) -> usize {
        match self.packet_duration.0 {
            0 => MAX_PACKETS,
            packet_duration => MAX_PACKETS.min((RETRANSMIT_WINDOW.0 * 5 / 4 / packet_duration) as usize + 1),
        }
    }

    /// The copy frames of a packet, and when it was sent.
    pub(super) fn get(&self, id: PacketId) -> Option<(&[u8], Micros)> {
        let back = self.next.wrapping_sub(id.serial) as usize;
        let at = self.packets.len().checked_sub(back).filter(|_| id.source == self.source && back > 0)?;
        self.packets.get(at).map(|p| (&p.bytes[..], p.sent))
    }

    /// The packet that was sent `behind` packets before, if it is still kept.
    pub(super) fn behind(&self, packet: PacketId, behind: u32) -> Option<PacketId> {
        let earlier = PacketId { serial: packet.serial.wrapping_sub(behind), ..packet };
        self.get(earlier).map(|_| earlier)
    }

    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    pub(super) fn packet_duration(&self) -> Micros {
        self.packet_duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioHeader, Codec, Layout, Peak};
    use crate::datagram::{Frame, Frames, write_audio, write_frame};
    use crate::ids::{FramePosition, Sequence, StreamId};

    fn packet(sequence: u32) -> Vec<u8> {
        let header = AudioHeader {
            source: SourceId(4),
            stream: StreamId(1),
            sequence: Sequence(sequence),
            position: FramePosition(0),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: 48,
            peak: [Peak(0); 2],
        };
        let mut plain = Vec::new();
        write_audio(&header, &[1; 192], &mut plain);
        write_frame(&Frame::KeepAlive, &mut plain);
        plain
    }

    fn sequence_of(history: &PacketHistory, id: PacketId) -> Option<u32> {
        let (bytes, _) = history.get(id)?;
        let frames: Vec<Frame<'_>> = Frames::new(bytes).collect();
        let [Frame::Copy(audio)] = frames[..] else { panic!("{frames:?}") };
        Some(audio.header.sequence.0)
    }

    /// Packets are kept for 250 ms as copy frames.
    #[test]
    fn history_keeps_250_ms() {
        let mut history = PacketHistory::new(SourceId(4));
        let ids: Vec<PacketId> =
            (0..1000).map(|n| history.keep(Micros::from_millis(u64::from(n)), &packet(n)).expect("audio")).collect();
        for (n, id) in ids.iter().enumerate() {
            let kept = n >= 1000 - 251;
            assert_eq!(sequence_of(&history, *id), kept.then_some(n as u32));
        }
        assert_eq!(history.behind(ids[999], 3).and_then(|id| sequence_of(&history, id)), Some(996));
        assert_eq!((history.behind(ids[999], 251), history.packet_duration()), (None, Micros(1000)));
        history.forget_before(Micros::from_secs(2));
        assert!(ids.iter().all(|id| history.get(*id).is_none()));
        assert_eq!(history.keep(Micros::from_secs(2), &[2, 0, 0]), None);
    }

    /// A burst of packets keeps only as many as 250 ms of audio need.
    #[test]
    fn bursts_do_not_grow_history() {
        let mut history = PacketHistory::new(SourceId(4));
        let ids: Vec<PacketId> = (0..1000).filter_map(|n| history.keep(Micros::ZERO, &packet(n))).collect();
        let kept = ids.iter().filter(|id| history.get(**id).is_some()).count();
        assert_eq!((ids.len(), kept, history.packets.len() + history.spare_buffers.len()), (1000, 313, 313));
        assert_eq!(sequence_of(&history, ids[999]), Some(999));
    }

    /// Ids of another musician, and of packets that were not sent, find nothing.
    #[test]
    fn ids_of_other_histories_fail() {
        let mut history = PacketHistory::new(SourceId(4));
        let id = history.keep(Micros::ZERO, &packet(1)).expect("audio");
        assert!(history.get(PacketId { source: SourceId(5), ..id }).is_none());
        assert!(history.get(PacketId { serial: id.serial.wrapping_add(1), ..id }).is_none());
    }
}
