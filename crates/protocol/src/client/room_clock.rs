//! The client's estimate of the room's time.

use crate::datagram::ClockReply;
use crate::time::Micros;

/// The exchange with the shortest round trip of this many determines the offset.
const WINDOW: usize = 16;

/// Round-trip time and clock offset, from clock exchanges.
#[derive(Clone, Debug, Default)]
pub struct RoomClock {
    samples: [Option<ClockSample>; WINDOW],
    next: usize,
    /// Smoothed over about eight exchanges.
    rtt: Option<f64>,
    epoch: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct ClockSample {
    rtt: u64,
    /// Room time minus client time in µs.
    offset: i64,
}

impl RoomClock {
    /// Smoothed round-trip time; `None` before the first exchange.
    pub fn rtt(&self) -> Option<Micros> {
        self.rtt.map(|us| Micros(us as u64))
    }

    /// The room's time at `now`, and its epoch. The error is at most half of the shortest recent round trip.
    pub fn room_time(&self, now: Micros) -> Option<(Micros, u32)> {
        let best = self.samples.iter().flatten().min_by_key(|s| s.rtt)?;
        Some((Micros(now.0.wrapping_add_signed(best.offset)), self.epoch?))
    }

    pub(super) fn take(&mut self, now: Micros, reply: &ClockReply) {
        if self.epoch != Some(reply.epoch) {
            *self = RoomClock { epoch: Some(reply.epoch), ..RoomClock::default() };
        }
        let held = reply.replied.since(reply.received);
        let rtt = now.since(reply.asked).since(held);
        // Halves of the two one-way differences. Wrapping, because the server may send any number.
        let out = reply.received.0.wrapping_sub(reply.asked.0) as i64;
        let back = reply.replied.0.wrapping_sub(now.0) as i64;
        let offset = (out / 2).wrapping_add(back / 2);
        self.samples[self.next] = Some(ClockSample { rtt: rtt.0, offset });
        self.next = (self.next + 1) % WINDOW;
        let rtt = rtt.0 as f64;
        self.rtt = Some(self.rtt.map_or(rtt, |smooth| smooth + (rtt - smooth) / 8.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(asked: u64, received: u64, replied: u64) -> ClockReply {
        ClockReply { asked: Micros(asked), received: Micros(received), replied: Micros(replied), epoch: 7 }
    }

    /// The exchange with the shortest round trip determines the time.
    #[test]
    fn shortest_round_trip_wins() {
        let mut clock = RoomClock::default();
        // The room is 1,000,000 ahead. In the first exchange, the reply takes 30 ms longer than the request.
        clock.take(Micros(50_000), &reply(0, 1_010_000, 1_010_000));
        clock.take(Micros(120_000), &reply(100_000, 1_110_000, 1_110_000));
        assert_eq!(clock.room_time(Micros(200_000)), Some((Micros(1_200_000), 7)));
    }

    /// A new epoch discards earlier exchanges.
    #[test]
    fn new_epochs_reset_the_clock() {
        let mut clock = RoomClock::default();
        clock.take(Micros(1000), &reply(0, 500, 500));
        clock.take(Micros(2000), &ClockReply { epoch: 8, ..reply(1000, 9_001_500, 9_001_500) });
        assert_eq!(clock.room_time(Micros(2000)), Some((Micros(9_002_000), 8)));
    }

    /// The server's processing time is not part of the round trip.
    #[test]
    fn server_time_is_subtracted() {
        let mut clock = RoomClock::default();
        clock.take(Micros(30_000), &reply(0, 5_000, 25_000));
        assert_eq!(clock.rtt(), Some(Micros(10_000)));
    }
}
