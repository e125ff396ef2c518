//! What was sent lately, for sending it again.

use super::KEPT_FOR;
use crate::audio::{AudioFrame, WIRE_RATE};
use crate::datagram::{kind, raw_frames, write_raw};
use crate::ids::SourceId;
use crate::time::Micros;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The most packets kept: 250 ms of packets of 16 frames.
const MOST: usize = 750;

/// One packet of one musician's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketId {
    /// Whose.
    pub source: SourceId,
    serial: u32,
}

/// The last 250 ms of one musician, as they were sent.
pub struct History {
    source: SourceId,
    packets: VecDeque<Kept>,
    next: u32,
    /// How much time the newest packet's sound takes.
    span: Micros,
    /// Buffers of packets that were let go: once there are enough, nothing is allocated.
    spare: Vec<Vec<u8>>,
}

struct Kept {
    sent: Micros,
    /// Copy frames.
    bytes: Vec<u8>,
}

impl History {
    /// Nothing sent yet.
    pub fn new(source: SourceId) -> History {
        History { source, packets: VecDeque::new(), next: 0, span: Micros::ZERO, spare: Vec::new() }
    }

    /// Keeps the audio of a datagram's plain text that is being sent; `None` where it has none.
    pub fn keep(&mut self, now: Micros, plain: &[u8]) -> Option<PacketId> {
        self.forget_before(now);
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        let mut frames = 0;
        for (kind, body) in raw_frames(plain) {
            let (true, Ok(audio)) = (matches!(kind, kind::AUDIO | kind::COPY), AudioFrame::read(body)) else {
                continue;
            };
            frames += if kind == kind::AUDIO { u64::from(audio.header.frames) } else { 0 };
            write_raw(kind::COPY, body, &mut bytes);
        }
        if bytes.is_empty() {
            self.spare.push(bytes);
            return None;
        }
        if frames > 0 {
            self.span = Micros(frames * 1_000_000 / u64::from(WIRE_RATE));
        }
        self.packets.push_back(Kept { sent: now, bytes });
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        Some(PacketId { source: self.source, serial })
    }

    /// Forgets what is older than is kept, and makes room for one more.
    pub fn forget_before(&mut self, now: Micros) {
        let most = self.most();
        while self.packets.front().is_some_and(|p| now.since(p.sent) > KEPT_FOR) || self.packets.len() >= most {
            self.spare.extend(self.packets.pop_front().map(|p| p.bytes));
        }
    }

    /// How many packets are kept at the most: 250 ms of sound, and a quarter more for what came again. A machine that
    /// stalls finds a second of packets at once, and would keep buffers for all of them ever after.
    fn most(&self) -> usize {
        match self.span.0 {
            0 => MOST,
            span => MOST.min((KEPT_FOR.0 * 5 / 4 / span) as usize + 1),
        }
    }

    /// A packet's copy frames, and when it was sent.
    pub(super) fn get(&self, id: PacketId) -> Option<(&[u8], Micros)> {
        let back = self.next.wrapping_sub(id.serial) as usize;
        let at = self.packets.len().checked_sub(back).filter(|_| id.source == self.source && back > 0)?;
        self.packets.get(at).map(|p| (&p.bytes[..], p.sent))
    }

    /// The packet that was sent so many packets before, if it is still there.
    pub(super) fn behind(&self, packet: PacketId, behind: u32) -> Option<PacketId> {
        let earlier = PacketId { serial: packet.serial.wrapping_sub(behind), ..packet };
        self.get(earlier).map(|_| earlier)
    }

    /// Whose it is.
    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    /// How much time the newest packet's sound takes.
    pub(super) fn span(&self) -> Micros {
        self.span
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

    fn sequence_of(history: &History, id: PacketId) -> Option<u32> {
        let (bytes, _) = history.get(id)?;
        let frames: Vec<Frame<'_>> = Frames::new(bytes).collect();
        let [Frame::Copy(audio)] = frames[..] else { panic!("{frames:?}") };
        Some(audio.header.sequence.0)
    }

    #[test]
    fn a_quarter_of_a_second_is_kept_as_copies() {
        let mut history = History::new(SourceId(4));
        let ids: Vec<PacketId> =
            (0..1000).map(|n| history.keep(Micros::from_millis(u64::from(n)), &packet(n)).expect("audio")).collect();
        for (n, id) in ids.iter().enumerate() {
            let kept = n >= 1000 - 251;
            assert_eq!(sequence_of(&history, *id), kept.then_some(n as u32));
        }
        assert_eq!(history.behind(ids[999], 3).and_then(|id| sequence_of(&history, id)), Some(996));
        assert_eq!((history.behind(ids[999], 251), history.span()), (None, Micros(1000)));
        history.forget_before(Micros::from_secs(2));
        assert!(ids.iter().all(|id| history.get(*id).is_none()));
        assert_eq!(history.keep(Micros::from_secs(2), &[2, 0, 0]), None);
    }

    #[test]
    fn a_burst_is_kept_no_longer_than_its_sound_lasts() {
        let mut history = History::new(SourceId(4));
        let ids: Vec<PacketId> = (0..1000).filter_map(|n| history.keep(Micros::ZERO, &packet(n))).collect();
        let kept = ids.iter().filter(|id| history.get(**id).is_some()).count();
        assert_eq!((ids.len(), kept, history.packets.len() + history.spare.len()), (1000, 313, 313));
        assert_eq!(sequence_of(&history, ids[999]), Some(999));
    }

    #[test]
    fn another_musicians_packets_are_not_found() {
        let mut history = History::new(SourceId(4));
        let id = history.keep(Micros::ZERO, &packet(1)).expect("audio");
        assert!(history.get(PacketId { source: SourceId(5), ..id }).is_none());
        assert!(history.get(PacketId { serial: id.serial.wrapping_add(1), ..id }).is_none());
    }
}
