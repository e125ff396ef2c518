//! The order and rate of TLS handshakes.
//!
//! Each handshake costs the server a signature and a key exchange. Handshakes are done one at a time and at a limited rate,
//! and the addresses take turns, so an address that asks for thousands delays only itself.

use super::bucket::Bucket;
use rtjam_protocol::Micros;
use rtjam_protocol::server::rooms::AddressKey;
use std::collections::{BTreeMap, HashMap};

/// Handshakes that can be done without a pause, so that everyone in a full room can reconnect at once.
const BURST: u32 = 600;

/// The interval between handshakes after a burst.
const INTERVAL: Micros = Micros::from_millis(2);

/// A queue that serves the addresses in turn (start-time fair queueing).
#[derive(Debug, Default)]
pub struct HandshakeQueue {
    /// By round, then by arrival.
    waiting: BTreeMap<HandshakeTicket, AddressKey>,
    /// The last round in which each address has a ticket.
    last_rounds: HashMap<AddressKey, u64>,
    round: u64,
    arrivals: u64,
    rate: Bucket,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandshakeTicket {
    round: u64,
    arrival: u64,
}

impl HandshakeQueue {
    /// Adds a handshake of an address.
    pub fn push(&mut self, address: AddressKey) -> HandshakeTicket {
        let round = self.last_rounds.get(&address).map_or(0, |last| *last).max(self.round) + 1;
        self.last_rounds.insert(address, round);
        self.arrivals += 1;
        let ticket = HandshakeTicket { round, arrival: self.arrivals };
        self.waiting.insert(ticket, address);
        ticket
    }

    /// Removes a handshake whose client has gone.
    pub fn cancel(&mut self, ticket: HandshakeTicket) {
        if let Some(address) = self.waiting.remove(&ticket)
            && let Some(last) = self.last_rounds.get_mut(&address)
        {
            *last -= 1;
        }
        self.remove_old_rounds();
    }

    /// Takes the next handshake, if the rate permits it now.
    ///
    /// # Errors
    /// The time until the rate permits it; `None` if the queue is empty.
    pub fn pop(&mut self, now: Micros) -> Result<HandshakeTicket, Option<Micros>> {
        let ticket = *self.waiting.keys().next().ok_or(None)?;
        self.rate.take(now, BURST, INTERVAL).map_err(Some)?;
        self.waiting.remove(&ticket);
        self.round = self.round.max(ticket.round);
        self.remove_old_rounds();
        Ok(ticket)
    }

    fn remove_old_rounds(&mut self) {
        if self.waiting.is_empty() {
            self.last_rounds.clear();
        } else if self.last_rounds.len() > 2 * self.waiting.len() + 64 {
            let round = self.round;
            self.last_rounds.retain(|_, last| *last > round);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn address(n: u32) -> AddressKey {
        AddressKey::of(IpAddr::from((0xC633_0000_u32 + n).to_be_bytes()))
    }

    #[test]
    fn flood_delays_only_its_own_addresses() {
        let mut queue = HandshakeQueue::default();
        let flood: Vec<HandshakeTicket> = (0..3000).map(|n| queue.push(address(n % 16))).collect();
        let now = Micros::from_secs(9);
        assert_eq!(queue.pop(now), Ok(flood[0]));
        let ann = queue.push(address(99));
        let served: Vec<_> = (0..32).filter_map(|_| queue.pop(now).ok()).collect();
        assert!(served.contains(&ann), "{served:?}");
    }

    #[test]
    fn cancelled_handshakes_cost_no_turn() {
        let mut queue = HandshakeQueue::default();
        let gone: Vec<HandshakeTicket> = (0..100).map(|_| queue.push(address(1))).collect();
        let other: Vec<HandshakeTicket> = (0..4).map(|_| queue.push(address(2))).collect();
        gone.iter().for_each(|ticket| queue.cancel(*ticket));
        let again = queue.push(address(1));
        let served: Vec<_> = std::iter::from_fn(|| queue.pop(Micros::ZERO).ok()).collect();
        assert_eq!(served, [other[0], again, other[1], other[2], other[3]]);
        assert!(queue.last_rounds.is_empty() && queue.waiting.is_empty());
        queue.cancel(again);
        assert_eq!(queue.pop(Micros::ZERO), Err(None));
    }

    #[test]
    fn rate_is_500_a_second_after_the_burst() {
        let mut queue = HandshakeQueue::default();
        (0..5000).for_each(|n| {
            queue.push(address(n % 7));
        });
        let done = (0..1000).filter(|millis| queue.pop(Micros(1_000_000 + millis * 1000)).is_ok()).count();
        let burst = (0..1000).filter(|_| queue.pop(Micros::from_secs(2)).is_ok()).count();
        assert_eq!(done + burst, 600 + 500);
        assert!(queue.pop(Micros::from_secs(2)).is_err_and(|wait| wait == Some(INTERVAL)));
    }

    #[test]
    fn memory_is_bounded_for_many_addresses() {
        let mut queue = HandshakeQueue::default();
        for n in 0..50_000 {
            queue.push(address(n));
            queue.push(address(n + 1));
            let _ = queue.pop(Micros::from_secs(n.into()));
            let oldest = *queue.waiting.keys().next().expect("somebody waits");
            queue.cancel(oldest);
        }
        assert!(queue.last_rounds.len() < 200, "{}", queue.last_rounds.len());
    }
}
