//! How early packets come, remembered.

/// Bins of the histogram; one is [`WIDTH`] frames wide.
const BINS: usize = 1024;
const WIDTH: i64 = 16;

/// The first slack seen lands on the lower edge of this bin: 213 ms are kept for later packets, 128 ms
/// for earlier ones. What lies outside counts at the end.
const ANCHOR: i64 = 640;

/// After so many frames an observation counts half: 4 s for what must be followed quickly, 60 s for what
/// must not be forgotten soon.
const FAST_HALF_LIFE: f32 = 4.0 * 48_000.0;
const SLOW_HALF_LIFE: f32 = 60.0 * 48_000.0;

/// So many frames in a row outside (20 ms) are where packets come now.
const ELSEWHERE: usize = 960;

/// What is late as seldom as this (a packet of 64 frames in 1.3 s) may be waited for.
const SELDOM: f32 = 0.001;

/// How seldom is known after so many frames (20 s).
const KNOWN: f32 = 20.0 * 48_000.0;

/// Lighter bins (in frames) are empty.
const NOTHING: f32 = 0.01;

/// Which memory to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The last seconds.
    Fast,
    /// The last minutes.
    Slow,
}

/// A forgetting histogram of slack: weights in frames of audio, bins in frames of slack.
pub(crate) struct SlackHistogram {
    bins: Box<[Bin]>,
    /// Slack of bin 0's lower edge.
    origin: Option<i64>,
    /// Frames in a row outside the bins.
    outside: usize,
}

#[derive(Clone, Copy, Default)]
struct Bin {
    fast: f32,
    slow: f32,
    /// The smallest slack seen in it, from its lower edge: keeps the answer exact to the frame.
    low: i8,
}

impl Bin {
    fn weight(&self, memory: Memory) -> f32 {
        match memory {
            Memory::Fast => self.fast,
            Memory::Slow => self.slow,
        }
    }
}

impl SlackHistogram {
    /// Empty. Allocates.
    pub(crate) fn new() -> SlackHistogram {
        SlackHistogram { bins: vec![Bin::default(); BINS].into(), origin: None, outside: 0 }
    }

    /// Forgets all.
    pub(crate) fn restart(&mut self) {
        self.bins.fill(Bin::default());
        (self.origin, self.outside) = (None, 0);
    }

    /// Becomes what `other` is, with every slack `by` frames larger.
    pub(crate) fn copy_from(&mut self, other: &SlackHistogram, by: i64) {
        self.bins.copy_from_slice(&other.bins);
        self.origin = other.origin.map(|origin| origin + by);
    }

    /// A packet of `frames` frames had this slack.
    pub(crate) fn add(&mut self, slack: i64, frames: usize) {
        let mut origin = *self.origin.get_or_insert(slack - ANCHOR * WIDTH);
        let inside = (0..BINS as i64 * WIDTH).contains(&(slack - origin));
        self.outside = if inside { 0 } else { self.outside + frames };
        if self.outside >= ELSEWHERE {
            origin = self.move_to(slack, origin);
        }
        let at = (slack - origin).clamp(0, BINS as i64 * WIDTH - 1);
        let (bin, low) = (&mut self.bins[(at / WIDTH) as usize], (at % WIDTH) as i8);
        bin.low = if bin.slow < NOTHING { low } else { bin.low.min(low) };
        bin.fast += frames as f32;
        bin.slow += frames as f32;
    }

    /// Bins from now on lie around `slack`; returns where they begin. What does not fit is forgotten.
    fn move_to(&mut self, slack: i64, origin: i64) -> i64 {
        let bins = (slack - origin).div_euclid(WIDTH) - ANCHOR;
        let by = bins.unsigned_abs().min(BINS as u64) as usize;
        if bins > 0 {
            self.bins.rotate_left(by);
            self.bins[BINS - by..].fill(Bin::default());
        } else {
            self.bins.rotate_right(by);
            self.bins[..by].fill(Bin::default());
        }
        self.outside = 0;
        *self.origin.insert(origin + bins * WIDTH)
    }

    /// Every slack was so many frames larger.
    pub(crate) fn shift(&mut self, by: i64) {
        self.origin = self.origin.map(|origin| origin + by);
    }

    /// So many frames of time pass.
    pub(crate) fn forget(&mut self, frames: f32) {
        let (fast, slow) = ((-frames / FAST_HALF_LIFE).exp2(), (-frames / SLOW_HALF_LIFE).exp2());
        for bin in &mut self.bins {
            bin.fast *= fast;
            bin.slow *= slow;
        }
    }

    /// Where to stand best: the slack at which (frames of delay + price of what would be late) is least,
    /// and how much less than at `now` that is, in frames. `None` before the first packet.
    ///
    /// `price` is what it costs that everything is late, in frames of delay.
    pub(crate) fn best(&self, memory: Memory, price: f32, now: i64) -> Option<(i64, f32)> {
        self.best_by(memory, |late, total| price * late / total, now)
    }

    /// The same by what is late seldom, again and again, in the last minutes: it costs `price` where it is all that
    /// [`SELDOM`] says, and no more where it is more.
    pub(crate) fn best_by_seldom(&self, price: f32, now: i64) -> Option<(i64, f32)> {
        self.best_by(Memory::Slow, |late, total| price * (late / total.max(KNOWN) / SELDOM).min(1.0), now)
    }

    fn best_by(&self, memory: Memory, cost: impl Fn(f32, f32) -> f32, now: i64) -> Option<(i64, f32)> {
        let origin = self.origin?;
        let total: f32 = self.bins.iter().map(|b| b.weight(memory)).sum();
        if total < NOTHING {
            return None;
        }
        let (mut best, mut best_gain) = (None, f32::MIN);
        let (mut late, mut late_now) = (0.0, 0.0);
        for (i, bin) in self.bins.iter().enumerate() {
            let weight = bin.weight(memory);
            if weight < NOTHING {
                continue;
            }
            let at = origin + i as i64 * WIDTH + i64::from(bin.low);
            let gain = (at - now) as f32 - cost(late, total);
            if gain > best_gain {
                (best, best_gain) = (Some(at), gain);
            }
            late += weight;
            if at < now {
                late_now = late;
            }
        }
        best.map(|at| (at, best_gain + cost(late_now, total)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: f32 = 19_200.0;

    #[test]
    fn on_a_steady_grid_it_stands_exactly_on_the_smallest() {
        let mut slack = SlackHistogram::new();
        for i in 0..1000 {
            slack.add(137 + 64 * (i % 3), 64);
        }
        assert_eq!(slack.best(Memory::Fast, PRICE, 100).unwrap().0, 137);
        assert_eq!(slack.best(Memory::Slow, PRICE, 100).unwrap().0, 137);
    }

    #[test]
    fn a_lone_late_packet_is_not_worth_its_delay_and_a_burst_is() {
        let mut slack = SlackHistogram::new();
        for _ in 0..1000 {
            slack.add(0, 64);
        }
        slack.add(-500, 64);
        assert_eq!(slack.best(Memory::Fast, PRICE, 0).unwrap().0, 0);
        for _ in 0..50 {
            slack.add(-500, 64);
        }
        let (at, gain) = slack.best(Memory::Fast, PRICE, 0).unwrap();
        assert_eq!(at, -500);
        assert!(gain > 300.0);
    }

    #[test]
    fn packets_that_come_elsewhere_for_good_are_found_there_and_a_lone_one_moves_nothing() {
        for far in [-30_000, -9_000, 9_000, 30_000] {
            let mut slack = SlackHistogram::new();
            for i in 0..200 {
                slack.add(if i % 50 == 49 { far } else { 7 }, 64);
            }
            assert_eq!(slack.best(Memory::Fast, PRICE, 0).map(|b| b.0), Some(7), "{far}");
            for _ in 0..100 {
                slack.add(far, 64);
                slack.forget(48_000.0);
            }
            assert_eq!(slack.best(Memory::Fast, PRICE, far).map(|b| b.0), Some(far), "{far}");
        }
    }

    #[test]
    fn bursts_are_forgotten_fast_and_slowly() {
        let mut slack = SlackHistogram::new();
        for second in 0..60 {
            for _ in 0..750 {
                slack.add(if second < 3 { -480 } else { 0 }, 64);
            }
            slack.forget(48_000.0);
        }
        assert_eq!(slack.best(Memory::Fast, PRICE, 0).unwrap().0, 0);
        assert_eq!(slack.best(Memory::Slow, PRICE, 0).unwrap().0, -480);
    }
}
