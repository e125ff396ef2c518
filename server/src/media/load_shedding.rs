//! Load shedding: an overloaded thread drops a room's oldest packets, so that what it forwards is fresh. A single stall is
//! not overload; after it everything is forwarded, late.

use rtjam_protocol::Micros;

/// In overload, packets that have waited for longer are dropped: the duration of two packets.
const TOO_OLD: Micros = Micros::from_millis(6);

/// A room is overloaded when some of its packets have been too old for this long without a break.
const PATIENCE: Micros = Micros::from_millis(50);

/// Detects the overload of one room at one thread.
#[derive(Debug, Default)]
pub(super) struct Shedder {
    behind_since: Option<Micros>,
    last_checked: Micros,
}

impl Shedder {
    /// The greatest age of packets that may be forwarded now, given the age of the room's oldest packet. `None` permits any
    /// age.
    pub(super) fn oldest_allowed(&mut self, now: Micros, oldest: Micros) -> Option<Micros> {
        let paused = now.since(std::mem::replace(&mut self.last_checked, now)) >= PATIENCE;
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
    fn single_stall_drops_nothing() {
        let mut shedder = Shedder::default();
        for ms in (0..1000).step_by(40) {
            assert_eq!(shedder.oldest_allowed(Micros::from_millis(ms), LONG), None);
            assert_eq!(shedder.oldest_allowed(Micros::from_millis(ms + 1), Micros::ZERO), None);
        }
    }

    /// Overload drops old packets until the thread keeps up again.
    #[test]
    fn overload_drops_old_packets() {
        let mut shedder = Shedder::default();
        let dropped = (0..100).filter(|ms| shedder.oldest_allowed(Micros::from_millis(*ms), LONG).is_some()).count();
        assert_eq!(dropped, 50);
        assert_eq!(shedder.oldest_allowed(Micros::from_millis(100), TOO_OLD), None);
        assert_eq!(shedder.oldest_allowed(Micros::from_millis(101), LONG), None);
    }

    /// Two stalls with silence between them are not one long overload.
    #[test]
    fn pause_ends_overload() {
        let mut shedder = Shedder::default();
        for second in 0..10 {
            assert_eq!(shedder.oldest_allowed(Micros::from_secs(second), LONG), None);
        }
    }
}
