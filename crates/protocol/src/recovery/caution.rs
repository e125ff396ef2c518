//! Copies cost bandwidth. Where that is what is short, they lose more than they mend, and are done without.

use crate::time::Micros;

/// Losses are compared over so long.
const WINDOW: Micros = Micros::from_secs(1);

/// A window with fewer datagrams says nothing.
const ENOUGH: u64 = 50;

/// Copies are held to do harm when with them more than twice as much is lost as without, and this share more.
const HARM: f32 = 0.1;

/// How long copies are then done without: doubled each time they did harm again.
const FIRST_PAUSE: Micros = Micros::from_secs(3);
const LONGEST_PAUSE: Micros = Micros::from_secs(60);

/// Compares losses with and without copies.
pub(super) struct Caution {
    from: Micros,
    expected: u64,
    lost: u64,
    /// What was done at the window's begin.
    asking: bool,
    /// The share lost when there were no copies.
    without: f32,
    pause: Micros,
    until: Micros,
}

impl Caution {
    pub(super) fn new(now: Micros) -> Caution {
        Caution {
            from: now,
            expected: 0,
            lost: 0,
            asking: false,
            without: 0.0,
            pause: FIRST_PAUSE,
            until: Micros::ZERO,
        }
    }

    /// So many datagrams should have come since the session began, and so many were lost.
    pub(super) fn look(&mut self, now: Micros, expected: u64, lost: u64, asking: bool) {
        let over = now.since(self.from) >= WINDOW;
        if !over && asking == self.asking {
            return;
        }
        let came = expected.saturating_sub(self.expected);
        // A window in which copies began or ended is neither.
        if over && asking == self.asking && came >= ENOUGH {
            self.judge(now, lost.saturating_sub(self.lost) as f32 / came as f32);
        }
        (self.from, self.expected, self.lost, self.asking) = (now, expected, lost, asking);
    }

    /// Whether there should be no copies now.
    pub(super) fn forbids(&self, now: Micros) -> bool {
        now < self.until
    }

    fn judge(&mut self, now: Micros, share: f32) {
        if !self.asking {
            self.without = share;
        } else if share > 2.0 * self.without + HARM {
            self.until = now + self.pause;
            self.pause = Micros(self.pause.0 * 2).min(LONGEST_PAUSE);
        }
    }
}
