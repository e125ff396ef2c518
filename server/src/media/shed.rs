//! What a thread does that has more to forward than it can: it drops the oldest audio, of every musician alike, so
//! that what it does forward is fresh. A hiccup is not overload: after one everything is handed on, late.

use rtjam_protocol::Micros;

/// While a thread cannot keep up, audio that lay in the socket for longer is dropped: two packets' time.
const TOO_OLD: Micros = Micros::from_millis(6);

/// It cannot keep up when it has been behind for so long without a break.
const PATIENCE: Micros = Micros::from_millis(50);

/// One thread's judgement.
#[derive(Default)]
pub(super) struct Shedder {
    behind_since: Option<Micros>,
    longest: Micros,
}

impl Shedder {
    /// A datagram has been read that lay in the socket for so long. Says whether its audio is to be dropped.
    pub(super) fn is_too_old(&mut self, now: Micros, waited: Micros) -> bool {
        self.longest = self.longest.max(waited);
        waited > TOO_OLD && self.is_overloaded(now)
    }

    /// All that had arrived has been read.
    pub(super) fn end_round(&mut self, now: Micros) {
        if std::mem::take(&mut self.longest) <= TOO_OLD {
            self.behind_since = None;
        } else {
            self.behind_since.get_or_insert(now);
        }
    }

    fn is_overloaded(&self, now: Micros) -> bool {
        self.behind_since.is_some_and(|since| now.since(since) >= PATIENCE)
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
            let now = Micros::from_millis(ms);
            assert!(!shedder.is_too_old(now, LONG));
            shedder.end_round(now);
            let now = Micros::from_millis(ms + 1);
            assert!(!shedder.is_too_old(now, Micros::ZERO));
            shedder.end_round(now);
        }
    }

    #[test]
    fn overload_drops_what_is_old_until_the_thread_keeps_up_again() {
        let mut shedder = Shedder::default();
        let mut dropped = 0;
        for ms in 0..100 {
            let now = Micros::from_millis(ms);
            dropped += u32::from(shedder.is_too_old(now, LONG));
            assert!(!shedder.is_too_old(now, TOO_OLD));
            shedder.end_round(now);
        }
        assert_eq!(dropped, 50);
        let now = Micros::from_millis(100);
        assert!(!shedder.is_too_old(now, TOO_OLD));
        shedder.end_round(now);
        assert!(!shedder.is_too_old(now, LONG));
    }
}
