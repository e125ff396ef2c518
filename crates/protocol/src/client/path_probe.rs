//! Finds the largest datagram that passes the network in both directions.
//!
//! A probe is a datagram of the size to test, and the server replies with one of the same size. Probing starts with the
//! largest size. After three probes without a reply it continues with the next smaller one.

use crate::datagram::{MAX_DATAGRAM, Probe};
use crate::time::Micros;

/// Sizes to test, largest first. The last one needs no test: IPv4 guarantees it.
const SIZES: [u16; 4] = [MAX_DATAGRAM as u16, 1000, 800, 540];
const TRIES: u8 = 3;
const PROBE_INTERVAL: Micros = Micros::from_millis(250);
/// Interval between tests; paths change.
const REPEAT_EVERY: Micros = Micros::from_secs(30);

pub(super) struct PathProbe {
    step: usize,
    tries: u8,
    id: u16,
    next_at: Option<Micros>,
    limit: u16,
}

impl PathProbe {
    /// Sends nothing before [`PathProbe::start`]. Assumes the largest size until then.
    pub(super) fn new() -> PathProbe {
        PathProbe { step: 0, tries: 0, id: 0, next_at: None, limit: SIZES[0] }
    }

    /// Starts with the largest size.
    pub(super) fn start(&mut self, now: Micros) {
        (self.step, self.tries, self.next_at) = (0, 0, Some(now));
    }

    /// Starts again, unless a test is running or none has been started.
    pub(super) fn restart(&mut self, now: Micros) {
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

    /// The probe to send now.
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
        self.next_at = Some(now + PROBE_INTERVAL);
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
        self.next_at = Some(now + REPEAT_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probes a path that carries at most `mtu` bytes. Returns the limit found, and when.
    fn probe_over(mtu: u16) -> (usize, Micros) {
        let mut prober = PathProbe::new();
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

    /// Probing finds the largest size that passes within three seconds.
    #[test]
    fn probing_finds_largest_size() {
        for (mtu, limit) in [(1500, 1200), (1200, 1200), (1199, 1000), (900, 800), (600, 540)] {
            let (found, took) = probe_over(mtu);
            assert_eq!(found, limit);
            assert!(took <= Micros::from_secs(3));
        }
    }

    /// A smaller path is detected at once if the address changes, and otherwise within half a minute.
    #[test]
    fn smaller_paths_are_detected() {
        for (address_changes, within) in [(true, Micros::from_secs(3)), (false, Micros::from_secs(33))] {
            let mut prober = PathProbe::new();
            prober.start(Micros::ZERO);
            let p = prober.poll(Micros::ZERO).expect("a probe");
            prober.take_reply(Micros(40_000), &p);
            assert_eq!(prober.limit(), 1200);
            if address_changes {
                prober.restart(Micros(50_000));
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

    /// A reply without a probe changes nothing.
    #[test]
    fn unexpected_replies_are_ignored() {
        let mut prober = PathProbe::new();
        prober.take_reply(Micros(5), &Probe { id: 0, size: 540 });
        assert_eq!(prober.limit(), 1200);
    }
}
