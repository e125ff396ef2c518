//! Whose TLS handshake is next.
//!
//! Handshakes cost the server a signature and a key exchange each, whoever asks for them. They are done one at a
//! time and so many a second, and the addresses take turns: one that asks for thousands waits for its own.

use super::{AddressKey, Bucket};
use rtjam_protocol::Micros;
use std::collections::{BTreeMap, HashMap};

/// Handshakes that are done without a pause between them: a full room's people come back at once.
const AT_ONCE: u32 = 600;

/// After that one is done each of these.
const ONE_EVERY: Micros = Micros::from_millis(2);

/// A queue from which the addresses are served in turn (start-time fair queueing).
#[derive(Debug, Default)]
pub struct Turns {
    /// By round, then in the order of arrival.
    waiting: BTreeMap<(u64, u64), AddressKey>,
    /// The last round that an address has a place in.
    last: HashMap<AddressKey, u64>,
    round: u64,
    arrivals: u64,
    pace: Bucket,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn(u64, u64);

impl Turns {
    /// An address asks for a turn.
    pub fn ask(&mut self, address: AddressKey) -> Turn {
        let round = self.last.get(&address).map_or(0, |last| *last).max(self.round) + 1;
        self.last.insert(address, round);
        self.arrivals += 1;
        self.waiting.insert((round, self.arrivals), address);
        Turn(round, self.arrivals)
    }

    /// Whoever asked has gone; the address does not wait for that turn.
    pub fn cancel(&mut self, turn: Turn) {
        if let Some(address) = self.waiting.remove(&(turn.0, turn.1))
            && let Some(last) = self.last.get_mut(&address)
        {
            *last -= 1;
        }
        self.tidy();
    }

    /// The next one, if its time has come.
    ///
    /// # Errors
    /// How long until then; `None` when nobody waits.
    pub fn next(&mut self, now: Micros) -> Result<Turn, Option<Micros>> {
        let (round, arrival) = *self.waiting.keys().next().ok_or(None)?;
        self.pace.take(now, AT_ONCE, ONE_EVERY).map_err(Some)?;
        self.waiting.remove(&(round, arrival));
        self.round = self.round.max(round);
        self.tidy();
        Ok(Turn(round, arrival))
    }

    fn tidy(&mut self) {
        if self.waiting.is_empty() {
            self.last.clear();
        } else if self.last.len() > 2 * self.waiting.len() + 64 {
            let round = self.round;
            self.last.retain(|_, last| *last > round);
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
    fn an_address_waits_for_its_own_turns_alone() {
        let mut turns = Turns::default();
        let flood: Vec<Turn> = (0..3000).map(|n| turns.ask(address(n % 16))).collect();
        let now = Micros::from_secs(9);
        assert_eq!(turns.next(now), Ok(flood[0]));
        let ann = turns.ask(address(99));
        let served: Vec<_> = (0..32).filter_map(|_| turns.next(now).ok()).collect();
        assert!(served.contains(&ann), "{served:?}");
    }

    #[test]
    fn cancelled_turns_are_not_waited_for() {
        let mut turns = Turns::default();
        let gone: Vec<Turn> = (0..100).map(|_| turns.ask(address(1))).collect();
        let other: Vec<Turn> = (0..4).map(|_| turns.ask(address(2))).collect();
        gone.iter().for_each(|turn| turns.cancel(*turn));
        let again = turns.ask(address(1));
        let served: Vec<_> = std::iter::from_fn(|| turns.next(Micros::ZERO).ok()).collect();
        assert_eq!(served, [other[0], again, other[1], other[2], other[3]]);
        assert!(turns.last.is_empty() && turns.waiting.is_empty());
        turns.cancel(again);
        assert_eq!(turns.next(Micros::ZERO), Err(None));
    }

    #[test]
    fn a_second_holds_so_many_handshakes() {
        let mut turns = Turns::default();
        (0..5000).for_each(|n| {
            turns.ask(address(n % 7));
        });
        let done = (0..1000).filter(|millis| turns.next(Micros(1_000_000 + millis * 1000)).is_ok()).count();
        let burst = (0..1000).filter(|_| turns.next(Micros::from_secs(2)).is_ok()).count();
        assert_eq!(done + burst, 600 + 500);
        assert!(turns.next(Micros::from_secs(2)).is_err_and(|wait| wait == Some(ONE_EVERY)));
    }

    #[test]
    fn however_many_addresses_ask_few_are_remembered() {
        let mut turns = Turns::default();
        for n in 0..50_000 {
            turns.ask(address(n));
            turns.ask(address(n + 1));
            let _ = turns.next(Micros::from_secs(n.into()));
            let (oldest, _) = turns.waiting.iter().next().map(|(k, v)| (*k, *v)).expect("somebody waits");
            turns.cancel(Turn(oldest.0, oldest.1));
        }
        assert!(turns.last.len() < 200, "{}", turns.last.len());
    }
}
