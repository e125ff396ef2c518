//! A musician's audio as it arrives: what is missing, and how unevenly it comes.

use super::SessionFigures;
use rtjam_protocol::audio::AudioHeader;
use rtjam_protocol::datagram::{Frame, Frames};
use rtjam_protocol::{FramePosition, Micros, Sequence, StreamId};
use std::sync::Arc;

/// Packets back to which a latecomer is told from a repetition.
const WINDOW: u32 = 64;

/// A larger step than this is no loss: the sender's timeline has jumped.
const JUMP: i32 = 5000;

/// Follows one session's audio. Belongs to the media thread that owns the session.
#[derive(Debug)]
pub struct Uplink {
    newest: Option<Newest>,
    figures: Arc<SessionFigures>,
}

/// The packet with the highest number so far.
#[derive(Clone, Copy, Debug)]
struct Newest {
    stream: StreamId,
    sequence: Sequence,
    position: FramePosition,
    arrived: Micros,
    /// Bit n: the packet n before this one has arrived. Those before the stream's first count as arrived.
    seen: u64,
}

impl Uplink {
    /// Nothing has arrived yet.
    pub fn new(figures: Arc<SessionFigures>) -> Uplink {
        Uplink { newest: None, figures }
    }

    /// So many of the session's datagrams were dropped since it began, because it sends more than it may. Media thread.
    pub fn note_over_rate(&self, dropped: u64) {
        self.figures.over_rate.set(dropped);
    }

    /// The frames of a datagram that opened. Media thread; does not allocate.
    pub fn hear(&mut self, now: Micros, plain: &[u8]) {
        for frame in Frames::new(plain) {
            match frame {
                Frame::Audio(audio) => self.take(now, &audio.header),
                Frame::Copy(audio) => self.take_copy(&audio.header),
                _ => {}
            }
        }
    }

    fn take(&mut self, now: Micros, header: &AudioHeader) {
        let AudioHeader { stream, sequence, position, .. } = *header;
        let first = Newest { stream, sequence, position, arrived: now, seen: u64::MAX };
        let Some(newest) = self.newest.filter(|newest| newest.stream == stream) else {
            self.figures.packets.add(1);
            self.newest = Some(first);
            return;
        };
        match sequence.ahead_of(newest.sequence) {
            ahead if ahead.abs() > JUMP => {
                self.figures.packets.add(1);
                self.newest = Some(first);
            }
            ahead @ 1.. => self.go_on(&newest, first, ahead.unsigned_abs()),
            behind => self.look_back(behind.unsigned_abs()),
        }
    }

    /// A copy is no repetition: it was sent in case the packet was lost.
    fn take_copy(&mut self, header: &AudioHeader) {
        let Some(newest) = self.newest.filter(|newest| newest.stream == header.stream) else { return };
        let behind = newest.sequence.ahead_of(header.sequence);
        let missing = (1..WINDOW as i32).contains(&behind) && newest.seen & (1 << behind) == 0;
        if missing {
            self.look_back(behind.unsigned_abs());
        }
    }

    fn go_on(&mut self, newest: &Newest, next: Newest, ahead: u32) {
        self.figures.packets.add(1);
        self.figures.lost.add(u64::from(ahead - 1));
        if ahead == 1 {
            let made = next.position.0.wrapping_sub(newest.position.0).saturating_mul(1_000_000) / 48_000;
            let came = next.arrived.since(newest.arrived).0;
            self.figures.jitter.add(Micros(came.abs_diff(made)));
        }
        let seen = newest.seen.checked_shl(ahead).unwrap_or(0) | 1;
        self.newest = Some(Newest { seen, ..next });
    }

    fn look_back(&mut self, behind: u32) {
        let Some(newest) = &mut self.newest else { return };
        // What is older than the window may be either; nobody can play it any more.
        let bit = if behind < WINDOW { 1_u64 << behind } else { return };
        if newest.seen & bit != 0 {
            return self.figures.repeated.add(1);
        }
        newest.seen |= bit;
        let lost = &self.figures.lost;
        lost.set(lost.get().saturating_sub(1));
        self.figures.packets.add(1);
        self.figures.recovered.add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::AudioFigures;
    use super::*;
    use rtjam_protocol::SourceId;
    use rtjam_protocol::audio::{Codec, Layout, Peak};

    const PACKET: u64 = 128;

    fn header(stream: u32, sequence: u32) -> AudioHeader {
        AudioHeader {
            source: SourceId(1),
            stream: StreamId(stream),
            sequence: Sequence(sequence),
            position: FramePosition(u64::from(sequence) * PACKET),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: PACKET as u16,
            peak: [Peak(0), Peak(0)],
        }
    }

    fn heard(sequences: impl IntoIterator<Item = u32>) -> AudioFigures {
        let figures = Arc::<SessionFigures>::default();
        let mut uplink = Uplink::new(figures.clone());
        sequences.into_iter().for_each(|n| uplink.take(Micros(0), &header(1, n)));
        figures.audio()
    }

    fn figures(packets: u64, lost: u64, recovered: u64, repeated: u64) -> AudioFigures {
        AudioFigures { packets, lost, recovered, repeated }
    }

    #[test]
    fn gaps_are_lost_until_what_was_missing_comes_after_all() {
        assert_eq!(heard(0..100), figures(100, 0, 0, 0));
        assert_eq!(heard([1, 2, 5]), figures(3, 2, 0, 0));
        assert_eq!(heard([1, 2, 5, 3, 4, 6]), figures(6, 0, 2, 0));
        assert_eq!(heard([1, 2, 5, 3, 3, 5]), figures(4, 1, 1, 2));
        assert_eq!(heard([u32::MAX - 1, 1]), figures(2, 2, 0, 0));
        // What came before the first that was heard was not lost.
        assert_eq!(heard([10, 9, 11]), figures(2, 0, 0, 1));
    }

    #[test]
    fn copies_of_what_is_missing_recover_it_and_others_count_for_nothing() {
        let figures = Arc::<SessionFigures>::default();
        let mut uplink = Uplink::new(figures.clone());
        [1, 2, 5].into_iter().for_each(|n| uplink.take(Micros(0), &header(1, n)));
        for n in [4, 4, 5, 2, 6, 9000] {
            uplink.take_copy(&header(1, n));
        }
        uplink.take_copy(&header(2, 3));
        assert_eq!(figures.audio(), self::figures(4, 1, 1, 0));
    }

    #[test]
    fn what_is_older_than_the_window_and_jumps_count_for_nothing() {
        assert_eq!(heard([1, 3, 100, 2]), figures(3, 97, 0, 0));
        assert_eq!(heard([1, 2, 1_000_000, 1_000_001]), figures(4, 0, 0, 0));
        assert_eq!(heard([1, 2, 66, 3]), figures(4, 62, 1, 0));
    }

    #[test]
    fn a_new_stream_starts_anew() {
        let figures = Arc::<SessionFigures>::default();
        let mut uplink = Uplink::new(figures.clone());
        for (stream, sequence) in [(1, 5), (1, 6), (2, 100), (2, 102)] {
            uplink.take(Micros(0), &header(stream, sequence));
        }
        assert_eq!(figures.audio(), self::figures(4, 1, 0, 0));
    }

    #[test]
    fn jitter_is_how_far_the_spacing_is_off_what_it_was_when_the_packets_were_made() {
        let figures = Arc::<SessionFigures>::default();
        let mut uplink = Uplink::new(figures.clone());
        // 128 frames are 2667 µs.
        let mut at = 0;
        for (n, gap) in [0, 2667, 2667, 2767, 6000, 0].into_iter().enumerate() {
            at += gap;
            uplink.take(Micros(at), &header(1, n as u32));
        }
        // A gap in the numbers is loss, and says nothing about spacing.
        uplink.take(Micros(at + 9_000_000), &header(1, 50));
        let counts = figures.jitter.counts();
        assert_eq!(counts.sum(), 5);
        let shown = counts.to_string();
        assert!(shown.starts_with("[[100,2],[250,1],[500,0],[1000,0],[2000,0],[4000,2],"), "{shown}");
    }
}
