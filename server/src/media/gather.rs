//! Whether packets wait for company.
//!
//! A send costs the system as much as several datagrams in it do, so under load it pays to wait until several packets
//! for the same musicians are there, and a sleep that a timer ends costs less than one that the first packet ends. Below
//! [`ABOVE`] a packet is handed on at once; above, the thread sleeps after each round.

use rtjam_protocol::Micros;

/// Forwards a second and thread from which on packets wait: then sending them one by one takes about a quarter of a
/// processor. Ten musicians in a room make 34,000, sixteen 90,000.
pub(super) const ABOVE: u64 = 75_000;

/// Below this they wait no more.
const BELOW: u64 = 60_000;

/// The load is measured over at least this long.
const WINDOW: Micros = Micros::from_millis(20);

/// One thread's decision.
pub(crate) struct Gather {
    limit: Micros,
    window_began: Micros,
    forwards: u64,
    waits: bool,
}

impl Gather {
    /// The thread sleeps for `limit`; zero is never.
    pub(crate) fn new(now: Micros, limit: Micros) -> Gather {
        Gather { limit, window_began: now, forwards: 0, waits: false }
    }

    /// So many datagrams were sent to musicians.
    pub(crate) fn note(&mut self, now: Micros, forwards: u64) {
        self.forwards += forwards;
        let took = now.since(self.window_began);
        if took >= WINDOW {
            let a_second = self.forwards * 1_000_000 / took.0;
            self.waits = a_second >= if self.waits { BELOW } else { ABOVE };
            (self.window_began, self.forwards) = (now, 0);
        }
    }

    /// How long to wait for company, after a round that `took` so long; `None` is not at all: the load is low, or the
    /// round was so long that there is company already.
    pub(crate) fn rest(&self, took: Micros) -> Option<Micros> {
        (self.waits && took < self.limit).then_some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Micros = Micros(250);

    /// A second at a load, a flush a millisecond.
    fn after_a_second_of(gather: &mut Gather, start: Micros, forwards: u64) -> Micros {
        let now = |ms| start + Micros::from_millis(ms);
        (1..=1000).for_each(|ms| gather.note(now(ms), forwards / 1000));
        now(1000)
    }

    #[test]
    fn nothing_waits_until_the_load_is_high() {
        let mut gather = Gather::new(Micros::ZERO, LIMIT);
        let now = after_a_second_of(&mut gather, Micros::ZERO, ABOVE - 2000);
        assert_eq!(gather.rest(Micros(50)), None);
        let now = after_a_second_of(&mut gather, now, ABOVE + 2000);
        assert_eq!(gather.rest(Micros(50)), Some(LIMIT));
        assert_eq!(gather.rest(LIMIT), None);
        let now = after_a_second_of(&mut gather, now, BELOW + 2000);
        assert!(gather.rest(Micros(50)).is_some());
        after_a_second_of(&mut gather, now, BELOW - 2000);
        assert_eq!(gather.rest(Micros(50)), None);
    }

    #[test]
    fn after_a_pause_nothing_waits() {
        let mut gather = Gather::new(Micros::ZERO, LIMIT);
        let now = after_a_second_of(&mut gather, Micros::ZERO, 10 * ABOVE);
        gather.note(now + Micros::from_secs(1), 5);
        assert_eq!(gather.rest(Micros(50)), None);
    }

    #[test]
    fn a_limit_of_zero_is_never() {
        let mut gather = Gather::new(Micros::ZERO, Micros::ZERO);
        after_a_second_of(&mut gather, Micros::ZERO, 10 * ABOVE);
        assert_eq!(gather.rest(Micros::ZERO), None);
    }
}
