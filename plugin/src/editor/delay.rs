//! From when the room plays to when it is heard.

use std::time::Duration;

/// Frames a second on the wire.
const RATE: f64 = 48_000.0;

/// How long the room's sound takes to the ear, by its parts, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// A packet leaves when its last frame is there.
    pub packet: u32,
    /// From the server to here: half the round trip.
    pub network: u32,
    /// In the jitter buffer.
    pub buffer: u32,
}

impl Delay {
    /// The parts, in milliseconds. What is shown adds up.
    pub fn of(packet_ms: f64, round_trip_ms: f64, playout_ms: f64) -> Delay {
        let whole = |ms: f64| ms.clamp(0.0, 60_000.0).round() as u32;
        Delay { packet: whole(packet_ms), network: whole(round_trip_ms / 2.0), buffer: whole(playout_ms) }
    }

    /// All together, in milliseconds.
    pub fn total(self) -> u32 {
        self.packet + self.network + self.buffer
    }

    /// For the musician.
    pub fn sentence(self) -> String {
        let Delay { packet, network, buffer } = self;
        let total = self.total();
        format!("You hear the room {total} ms after it plays: {packet} packet, {network} network, {buffer} buffer.")
    }
}

/// Finds out how large a musician's packets are by how many come: the wire's counters do not say.
#[derive(Clone, Debug, Default)]
pub struct PacketSize {
    since: Option<(Duration, u64)>,
    frames: Option<f64>,
}

impl PacketSize {
    /// How long packets are counted before they tell anything: 2 s are 187 packets of 512 frames.
    const SPAN: Duration = Duration::from_secs(2);

    /// Packets sent so far, those that never came included, at `now`. Gives a packet's length in ms, once known.
    pub fn feed(&mut self, packets: u64, now: Duration) -> Option<f64> {
        let Some((then, before)) = self.since else {
            self.since = Some((now, packets));
            return None;
        };
        let span = now.saturating_sub(then);
        if packets < before || span > 4 * Self::SPAN {
            // They came anew, or nobody looked meanwhile.
            self.since = Some((now, packets));
        } else if span >= Self::SPAN {
            let sent = packets - before;
            // A sender who pauses says nothing about their packets' size.
            let frames = (span.as_secs_f64() * RATE / sent.max(1) as f64).round();
            if (8.0..=520.0).contains(&frames) {
                self.frames = Some(frames);
            }
            self.since = Some((now, packets));
        }
        self.frames.map(|frames| 1000.0 * frames / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_adds_up() {
        let delay = Delay::of(2.67, 28.4, 6.4);
        assert_eq!(delay.sentence(), "You hear the room 23 ms after it plays: 3 packet, 14 network, 6 buffer.");
        assert_eq!(Delay::of(0.3, 0.5, 0.4).total(), 0);
        assert_eq!(Delay::of(f64::NAN, -1.0, f64::INFINITY).total(), 60_000);
    }

    #[test]
    fn the_size_of_packets_is_found_by_counting_them() {
        for frames in [32.0_f64, 64.0, 128.0, 256.0, 512.0] {
            let mut size = PacketSize::default();
            let mut found = None;
            for tick in 0..200 {
                let now = Duration::from_millis(33 * tick);
                found = size.feed((now.as_secs_f64() * RATE / frames) as u64, now);
            }
            let ms = found.expect("known after 6 s");
            assert!((ms - frames / 48.0).abs() < 0.02 * ms, "{frames}: {ms}");
        }
    }

    #[test]
    fn a_sender_who_pauses_keeps_the_size_that_was_known() {
        let mut size = PacketSize::default();
        for tick in 0..=4 {
            size.feed(375 * tick, Duration::from_secs(tick));
        }
        let known = size.feed(1500, Duration::from_secs(6));
        assert_eq!(known, size.feed(1500, Duration::from_secs(9)));
        assert_eq!(size.feed(3, Duration::from_secs(10)), known);
    }
}
