//! Batching under load.
//!
//! A system call costs about as much as several datagrams in it, so under load it pays to wait until several packets for
//! the same recipients have arrived. Also, a sleep that a timer ends costs less than one that a packet ends. Below
//! [`START_ABOVE`] forwarded datagrams a second each packet is forwarded at once; above, the thread sleeps after each
//! round.

use rtjam_protocol::Micros;

/// Forwarded datagrams a second of one thread from which on it batches. Sent one by one, these take about a quarter of a
/// processor. Ten musicians in a room make 34,000, sixteen make 90,000.
const START_ABOVE: u64 = 75_000;

/// Below this rate, batching stops.
const STOP_BELOW: u64 = 60_000;

/// The load is measured over at least this long.
const WINDOW: Micros = Micros::from_millis(20);

/// Decides whether one thread batches.
pub(crate) struct Batching {
    limit: Micros,
    window_began: Micros,
    forwards: u64,
    active: bool,
}

impl Batching {
    /// A thread that sleeps for `limit` when it batches. With a limit of zero it never does.
    pub(crate) fn new(now: Micros, limit: Micros) -> Batching {
        Batching { limit, window_began: now, forwards: 0, active: false }
    }

    /// Records how many datagrams a round has sent.
    pub(crate) fn record_sent(&mut self, now: Micros, forwards: u64) {
        self.forwards += forwards;
        let took = now.since(self.window_began);
        if took >= WINDOW {
            let a_second = self.forwards * 1_000_000 / took.0;
            self.active = a_second >= if self.active { STOP_BELOW } else { START_ABOVE };
            (self.window_began, self.forwards) = (now, 0);
        }
    }

    /// How long to sleep after a round that `took` this long. `None` when the load is low, or when the round was so long
    /// that further packets have arrived already.
    pub(crate) fn poll_sleep(&self, took: Micros) -> Option<Micros> {
        (self.active && took < self.limit).then_some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Micros = Micros(250);

    /// Records a second of `forwards`, one round each millisecond. Returns the time afterwards.
    fn run_second(batching: &mut Batching, start: Micros, forwards: u64) -> Micros {
        let now = |ms| start + Micros::from_millis(ms);
        (1..=1000).for_each(|ms| batching.record_sent(now(ms), forwards / 1000));
        now(1000)
    }

    /// Batching starts above one rate and stops below another.
    #[test]
    fn batches_under_load_only() {
        let mut batching = Batching::new(Micros::ZERO, LIMIT);
        let now = run_second(&mut batching, Micros::ZERO, START_ABOVE - 2000);
        assert_eq!(batching.poll_sleep(Micros(50)), None);
        let now = run_second(&mut batching, now, START_ABOVE + 2000);
        assert_eq!(batching.poll_sleep(Micros(50)), Some(LIMIT));
        assert_eq!(batching.poll_sleep(LIMIT), None);
        let now = run_second(&mut batching, now, STOP_BELOW + 2000);
        assert!(batching.poll_sleep(Micros(50)).is_some());
        run_second(&mut batching, now, STOP_BELOW - 2000);
        assert_eq!(batching.poll_sleep(Micros(50)), None);
    }

    #[test]
    fn pause_stops_batching() {
        let mut batching = Batching::new(Micros::ZERO, LIMIT);
        let now = run_second(&mut batching, Micros::ZERO, 10 * START_ABOVE);
        batching.record_sent(now + Micros::from_secs(1), 5);
        assert_eq!(batching.poll_sleep(Micros(50)), None);
    }

    #[test]
    fn zero_limit_disables_batching() {
        let mut batching = Batching::new(Micros::ZERO, Micros::ZERO);
        run_second(&mut batching, Micros::ZERO, 10 * START_ABOVE);
        assert_eq!(batching.poll_sleep(Micros::ZERO), None);
    }
}
