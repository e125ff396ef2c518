//! Stops redundant copies where they cause more losses than they repair, because the network's bandwidth is short.

use crate::time::Micros;

/// Length of a measurement.
const WINDOW: Micros = Micros::from_secs(1);

/// Datagrams that a measurement needs to be significant.
const MIN_DATAGRAMS: u64 = 50;

/// Copies are harmful if the loss with them exceeds twice the loss without them by this share.
const HARM_THRESHOLD: f32 = 0.1;

/// Duration of a pause. It doubles each time that copies are harmful again.
const FIRST_PAUSE: Micros = Micros::from_secs(3);
const MAX_PAUSE: Micros = Micros::from_secs(60);

/// Compares the loss with copies and without.
pub(super) struct CopyGuard {
    window_start: Micros,
    expected: u64,
    lost: u64,
    /// Whether copies were sent at the start of the measurement.
    copying: bool,
    /// Share of datagrams lost without copies.
    loss_without_copies: f32,
    pause: Micros,
    paused_until: Micros,
}

impl CopyGuard {
    pub(super) fn new(now: Micros) -> CopyGuard {
        CopyGuard {
            window_start: now,
            expected: 0,
            lost: 0,
            copying: false,
            loss_without_copies: 0.0,
            pause: FIRST_PAUSE,
            paused_until: Micros::ZERO,
        }
    }

    /// Takes the numbers of expected and lost datagrams since the session began, and whether copies are sent now.
    pub(super) fn observe(&mut self, now: Micros, expected: u64, lost: u64, copying: bool) {
        let over = now.since(self.window_start) >= WINDOW;
        if !over && copying == self.copying {
            return;
        }
        let datagrams = expected.saturating_sub(self.expected);
        // A measurement during which copies began or ended is discarded.
        if over && copying == self.copying && datagrams >= MIN_DATAGRAMS {
            self.judge(now, lost.saturating_sub(self.lost) as f32 / datagrams as f32);
        }
        (self.window_start, self.expected, self.lost, self.copying) = (now, expected, lost, copying);
    }

    /// Whether copies are paused.
    pub(super) fn forbids(&self, now: Micros) -> bool {
        now < self.paused_until
    }

    fn judge(&mut self, now: Micros, share: f32) {
        if !self.copying {
            self.loss_without_copies = share;
        } else if share > 2.0 * self.loss_without_copies + HARM_THRESHOLD {
            self.paused_until = now + self.pause;
            self.pause = Micros(self.pause.0 * 2).min(MAX_PAUSE);
        }
    }
}
