//! Which datagram sizes get through, both ways.
//!
//! A probe is a datagram of the size in question; the server answers with one of the same size. The largest
//! size is tried first; what is not answered three times does not get through, and the next smaller one is tried.

use crate::datagram::{MAX_DATAGRAM, Probe};
use crate::time::Micros;

/// Sizes tried, largest first. The last one is taken without a try: IPv4 promises it.
const SIZES: [u16; 4] = [MAX_DATAGRAM as u16, 1000, 800, 540];
const TRIES: u8 = 3;
const TRY_EVERY: Micros = Micros::from_millis(250);
/// A path is tried anew this often: it may have changed.
const ANEW_EVERY: Micros = Micros::from_secs(30);

pub(super) struct Prober {
    step: usize,
    tries: u8,
    id: u16,
    next_at: Option<Micros>,
    limit: u16,
}

impl Prober {
    /// Tries nothing before `start`. Until something is known, the largest size is assumed.
    pub(super) fn new() -> Prober {
        Prober { step: 0, tries: 0, id: 0, next_at: None, limit: SIZES[0] }
    }

    /// Begins at the largest size.
    pub(super) fn start(&mut self, now: Micros) {
        (self.step, self.tries, self.next_at) = (0, 0, Some(now));
    }

    /// Begins again before the time, unless it is trying already or has not begun.
    pub(super) fn start_anew(&mut self, now: Micros) {
        if self.next_at.is_some() && self.tries == 0 {
            self.start(now);
        }
    }

    pub(super) fn limit(&self) -> usize {
        usize::from(self.limit)
    }

    pub(super) fn due(&self) -> Option<Micros> {
        self.next_at
    }

    /// The probe to send now, if one is due.
    pub(super) fn poll(&mut self, now: Micros) -> Option<Probe> {
        if self.next_at.is_none_or(|at| at > now) {
            return None;
        }
        if self.tries == TRIES {
            (self.tries, self.step) = (0, self.step + 1);
        }
        let size = SIZES[self.step];
        if self.step + 1 == SIZES.len() {
            self.settle(now, size);
            return None;
        }
        self.tries += 1;
        self.id = self.id.wrapping_add(1);
        self.next_at = Some(now + TRY_EVERY);
        Some(Probe { id: self.id, size })
    }

    pub(super) fn take_reply(&mut self, now: Micros, reply: &Probe) {
        let asked = self.next_at.is_some() && self.tries > 0 && reply.size == SIZES[self.step];
        let recent = self.id.wrapping_sub(reply.id) < u16::from(TRIES);
        if asked && recent {
            self.settle(now, reply.size);
        }
    }

    fn settle(&mut self, now: Micros, size: u16) {
        self.limit = size;
        (self.step, self.tries) = (0, 0);
        self.next_at = Some(now + ANEW_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the prober over a path that carries at most `mtu` bytes; returns the limit it finds.
    fn probe_over(mtu: u16) -> (usize, Micros) {
        let mut prober = Prober::new();
        prober.start(Micros::ZERO);
        let mut now = Micros::ZERO;
        while let Some(at) = prober.due().filter(|at| *at < Micros::from_secs(20)) {
            now = at;
            if let Some(p) = prober.poll(now)
                && p.size <= mtu
            {
                prober.take_reply(now + Micros::from_millis(40), &p);
            }
        }
        (prober.limit(), now)
    }

    #[test]
    fn the_largest_size_that_gets_through_is_found_within_three_seconds() {
        for (mtu, limit) in [(1500, 1200), (1200, 1200), (1199, 1000), (900, 800), (600, 540)] {
            let (found, took) = probe_over(mtu);
            assert_eq!(found, limit);
            assert!(took <= Micros::from_secs(3));
        }
    }

    #[test]
    fn a_path_that_has_become_smaller_is_noticed_at_once_when_the_address_changes_and_else_within_half_a_minute() {
        for (address_changes, within) in [(true, Micros::from_secs(3)), (false, Micros::from_secs(33))] {
            let mut prober = Prober::new();
            prober.start(Micros::ZERO);
            let p = prober.poll(Micros::ZERO).expect("a probe");
            prober.take_reply(Micros(40_000), &p);
            assert_eq!(prober.limit(), 1200);
            if address_changes {
                prober.start_anew(Micros(50_000));
            }
            let mut small = None;
            while let Some(at) = prober.due().filter(|at| *at < Micros::from_secs(60)) {
                if let Some(p) = prober.poll(at).filter(|p| p.size <= 1000) {
                    prober.take_reply(at, &p);
                    small = small.or(Some(at));
                }
            }
            assert!(prober.limit() == 1000 && small.is_some_and(|at| at <= within), "{small:?}");
        }
    }

    #[test]
    fn an_answer_to_nothing_changes_nothing() {
        let mut prober = Prober::new();
        prober.take_reply(Micros(5), &Probe { id: 0, size: 540 });
        assert_eq!(prober.limit(), 1200);
    }
}
