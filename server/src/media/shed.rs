//! What becomes of a room's packets that a thread cannot hand on in time: the oldest are dropped, so that what it does hand
//! on is fresh. A hiccup is not overload: after one everything is handed on, late.

use rtjam_protocol::Micros;

/// While a room's packets cannot be handed on in time, those that have waited for longer are dropped: two packets' time.
const TOO_OLD: Micros = Micros::from_millis(6);

/// They cannot be handed on in time when some have been too old for so long without a break.
const PATIENCE: Micros = Micros::from_millis(50);

/// One room's state in one thread.
#[derive(Debug, Default)]
pub(super) struct Shedder {
    behind_since: Option<Micros>,
    looked: Micros,
}

impl Shedder {
    /// A room has packets, the oldest of which arrived so long ago. How old those may be that are handed on now; `None`
    /// for any age.
    pub(super) fn oldest_allowed(&mut self, now: Micros, oldest: Micros) -> Option<Micros> {
        // After a pause it begins anew.
        let paused = now.since(std::mem::replace(&mut self.looked, now)) >= PATIENCE;
        if oldest <= TOO_OLD {
            self.behind_since = None;
        } else if paused || self.behind_since.is_none() {
            self.behind_since = Some(now);
        }
        self.behind_since.filter(|since| now.since(*since) >= PATIENCE).map(|_| TOO_OLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Micros = Micros::from_millis(30);

    #[test]
    fn a_hiccup_drops_nothing() {
        let mut shedder = Shedder::default();
        for ms in (0..1000).step_by(40) {
            assert_eq!(shedder.oldest_allowed(Micros::from_millis(ms), LONG), None);
            assert_eq!(shedder.oldest_allowed(Micros::from_millis(ms + 1), Micros::ZERO), None);
        }
    }

    #[test]
    fn overload_drops_what_is_old_until_the_thread_keeps_up_again() {
        let mut shedder = Shedder::default();
        let dropped = (0..100).filter(|ms| shedder.oldest_allowed(Micros::from_millis(*ms), LONG).is_some()).count();
        assert_eq!(dropped, 50);
        assert_eq!(shedder.oldest_allowed(Micros::from_millis(100), TOO_OLD), None);
        assert_eq!(shedder.oldest_allowed(Micros::from_millis(101), LONG), None);
    }

    /// Two hiccups with silence between them are not one long overload.
    #[test]
    fn a_pause_ends_an_overload() {
        let mut shedder = Shedder::default();
        for second in 0..10 {
            assert_eq!(shedder.oldest_allowed(Micros::from_secs(second), LONG), None);
        }
    }
}
