//! Packet loss and jitter of a session's uplink.

use super::SessionCounters;
use rtjam_protocol::audio::AudioHeader;
use rtjam_protocol::datagram::{Frame, Frames};
use rtjam_protocol::{FramePosition, Micros, Sequence, StreamId};
use std::sync::Arc;

/// How many packets back a late packet is distinguished from a duplicate.
const WINDOW: u32 = 64;

/// A larger step of the sequence number is a jump of the sender's timeline, not packet loss.
const JUMP: i32 = 5000;

/// Measures one session's audio. Belongs to the media thread that owns the session.
#[derive(Debug)]
pub struct UplinkMeter {
    newest: Option<Newest>,
    counters: Arc<SessionCounters>,
}

/// The packet with the highest sequence number so far.
#[derive(Clone, Copy, Debug)]
struct Newest {
    stream: StreamId,
    sequence: Sequence,
    position: FramePosition,
    arrived: Micros,
    /// Bit n: the packet n before this one has arrived. Packets before the stream's first count as arrived.
    seen: u64,
}

impl UplinkMeter {
    /// A meter of a session from which no packet has arrived.
    pub fn new(counters: Arc<SessionCounters>) -> UplinkMeter {
        UplinkMeter { newest: None, counters }
    }

    /// Sets how many of the session's datagrams its rate limit has dropped so far. Media thread.
    pub fn set_over_rate(&self, dropped: u64) {
        self.counters.over_rate.set(dropped);
    }

    /// Measures the frames of a datagram that opened. Media thread; does not allocate.
    pub fn handle_frames(&mut self, now: Micros, plain: &[u8]) {
        for frame in Frames::new(plain) {
            match frame {
                Frame::Audio(audio) => self.handle_packet(now, &audio.header),
                Frame::Copy(audio) => self.handle_copy(&audio.header),
                _ => {}
            }
        }
    }

    fn handle_packet(&mut self, now: Micros, header: &AudioHeader) {
        let AudioHeader { stream, sequence, position, .. } = *header;
        let first = Newest { stream, sequence, position, arrived: now, seen: u64::MAX };
        let Some(newest) = self.newest.filter(|newest| newest.stream == stream) else {
            self.counters.packets.increment();
            self.newest = Some(first);
            return;
        };
        match sequence.ahead_of(newest.sequence) {
            ahead if ahead.abs() > JUMP => {
                self.counters.packets.increment();
                self.newest = Some(first);
            }
            ahead @ 1.. => self.advance(&newest, first, ahead.unsigned_abs()),
            behind => self.handle_late(behind.unsigned_abs()),
        }
    }

    /// A redundant copy counts only if it replaces a lost packet; otherwise it is not a duplicate either.
    fn handle_copy(&mut self, header: &AudioHeader) {
        let Some(newest) = self.newest.filter(|newest| newest.stream == header.stream) else { return };
        let behind = newest.sequence.ahead_of(header.sequence);
        let missing = (1..WINDOW as i32).contains(&behind) && newest.seen & (1 << behind) == 0;
        if missing {
            self.handle_late(behind.unsigned_abs());
        }
    }

    fn advance(&mut self, newest: &Newest, next: Newest, ahead: u32) {
        self.counters.packets.increment();
        self.counters.lost.add(u64::from(ahead - 1));
        if ahead == 1 {
            let sent = next.position.0.wrapping_sub(newest.position.0).saturating_mul(1_000_000) / 48_000;
            let received = next.arrived.since(newest.arrived).0;
            self.counters.jitter.add(Micros(received.abs_diff(sent)));
        }
        let seen = newest.seen.checked_shl(ahead).unwrap_or(0) | 1;
        self.newest = Some(Newest { seen, ..next });
    }

    fn handle_late(&mut self, behind: u32) {
        let Some(newest) = &mut self.newest else { return };
        // An older packet may be late or a duplicate; it is too late to be played in either case.
        let bit = if behind < WINDOW { 1_u64 << behind } else { return };
        if newest.seen & bit != 0 {
            return self.counters.repeated.increment();
        }
        newest.seen |= bit;
        let lost = &self.counters.lost;
        lost.set(lost.get().saturating_sub(1));
        self.counters.packets.increment();
        self.counters.recovered.increment();
    }
}

#[cfg(test)]
mod tests {
    use super::super::AudioTotals;
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

    fn measure(sequences: impl IntoIterator<Item = u32>) -> AudioTotals {
        let counters = Arc::<SessionCounters>::default();
        let mut meter = UplinkMeter::new(counters.clone());
        sequences.into_iter().for_each(|n| meter.handle_packet(Micros(0), &header(1, n)));
        counters.audio()
    }

    fn totals(packets: u64, lost: u64, recovered: u64, repeated: u64) -> AudioTotals {
        AudioTotals { packets, lost, recovered, repeated }
    }

    /// Packets in a gap count as lost until they arrive.
    #[test]
    fn late_packets_are_recovered() {
        assert_eq!(measure(0..100), totals(100, 0, 0, 0));
        assert_eq!(measure([1, 2, 5]), totals(3, 2, 0, 0));
        assert_eq!(measure([1, 2, 5, 3, 4, 6]), totals(6, 0, 2, 0));
        assert_eq!(measure([1, 2, 5, 3, 3, 5]), totals(4, 1, 1, 2));
        assert_eq!(measure([u32::MAX - 1, 1]), totals(2, 2, 0, 0));
        // Packets before the first one that arrived do not count as lost.
        assert_eq!(measure([10, 9, 11]), totals(2, 0, 0, 1));
    }

    /// A redundant copy recovers a missing packet; other copies change no counter.
    #[test]
    fn copies_recover_missing_packets() {
        let counters = Arc::<SessionCounters>::default();
        let mut meter = UplinkMeter::new(counters.clone());
        [1, 2, 5].into_iter().for_each(|n| meter.handle_packet(Micros(0), &header(1, n)));
        for n in [4, 4, 5, 2, 6, 9000] {
            meter.handle_copy(&header(1, n));
        }
        meter.handle_copy(&header(2, 3));
        assert_eq!(counters.audio(), totals(4, 1, 1, 0));
    }

    /// Packets older than the window and jumps of the timeline change no counter.
    #[test]
    fn jumps_are_not_loss() {
        assert_eq!(measure([1, 3, 100, 2]), totals(3, 97, 0, 0));
        assert_eq!(measure([1, 2, 1_000_000, 1_000_001]), totals(4, 0, 0, 0));
        assert_eq!(measure([1, 2, 66, 3]), totals(4, 62, 1, 0));
    }

    /// The numbers of a new stream do not continue those of the old one.
    #[test]
    fn new_stream_resets_sequence() {
        let counters = Arc::<SessionCounters>::default();
        let mut meter = UplinkMeter::new(counters.clone());
        for (stream, sequence) in [(1, 5), (1, 6), (2, 100), (2, 102)] {
            meter.handle_packet(Micros(0), &header(stream, sequence));
        }
        assert_eq!(counters.audio(), totals(4, 1, 0, 0));
    }

    /// Jitter is the difference between the spacing at arrival and the spacing at the sender.
    #[test]
    fn jitter_measures_spacing_error() {
        let counters = Arc::<SessionCounters>::default();
        let mut meter = UplinkMeter::new(counters.clone());
        // 128 frames are 2667 µs.
        let mut at = 0;
        for (n, gap) in [0, 2667, 2667, 2767, 6000, 0].into_iter().enumerate() {
            at += gap;
            meter.handle_packet(Micros(at), &header(1, n as u32));
        }
        // A gap in the numbers is loss and not jitter.
        meter.handle_packet(Micros(at + 9_000_000), &header(1, 50));
        let counts = counters.jitter.counts();
        assert_eq!(counts.sum(), 5);
        let shown = counts.to_string();
        assert!(shown.starts_with("[[100,2],[250,1],[500,0],[1000,0],[2000,0],[4000,2],"), "{shown}");
    }
}
