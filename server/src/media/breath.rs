//! Time for others: a thread with real-time priority that never sleeps is stopped by Linux for 50 ms each second, and
//! starves control on its processor. So one that is busy all the time rests a little, often.

use rtjam_protocol::Micros;

/// In each of these …
const WINDOW: Micros = Micros::from_millis(20);

/// … so long belongs to others: 6 %, where Linux asks for 5 %.
const REST: Micros = Micros(1200);

/// What one thread has left to others.
pub(crate) struct Breath {
    window_began: Micros,
    away: Micros,
}

impl Breath {
    pub(crate) fn new(now: Micros) -> Breath {
        Breath { window_began: now, away: Micros::ZERO }
    }

    /// The thread was away, waiting, for so long.
    pub(crate) fn was_away(&mut self, took: Micros) {
        self.away += took;
    }

    /// How long the thread must rest now, if it must.
    pub(crate) fn rest(&mut self, now: Micros) -> Option<Micros> {
        if now.since(self.window_began) < WINDOW {
            return None;
        }
        let rest = REST.since(std::mem::take(&mut self.away));
        self.window_began = now + rest;
        (rest > Micros::ZERO).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_always_busy_rests_for_a_sixteenth_of_the_time() {
        let (mut now, mut rested) = (Micros::ZERO, 0);
        let mut breath = Breath::new(now);
        while now < Micros::from_secs(1) {
            now += Micros(400);
            if let Some(rest) = breath.rest(now) {
                now += rest;
                rested += rest.0;
            }
        }
        assert!((50_000..65_000).contains(&rested), "{rested}");
    }

    #[test]
    fn who_waits_anyway_need_not_rest() {
        let mut breath = Breath::new(Micros::ZERO);
        for ms in 1..=1000 {
            breath.was_away(Micros(100));
            assert_eq!(breath.rest(Micros::from_millis(ms)), None);
        }
    }
}
