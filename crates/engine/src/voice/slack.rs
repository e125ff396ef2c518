//! How early packets come, remembered.

/// How many bins a histogram has, and how many frames a bin is wide.
///
/// The first slack seen lands five eighths from the lower end; what lies outside counts at the end.
#[derive(Clone, Copy)]
pub(crate) struct Bins {
    count: usize,
    width: i64,
}

/// Slack on the callbacks' grid: 213 ms for later packets, 128 ms for earlier ones.
pub(crate) const COARSE: Bins = Bins { count: 1024, width: 16 };

/// Packets against the time base, where a few frames decide which callback finds them: 107 ms for later packets.
pub(crate) const FINE: Bins = Bins { count: 2048, width: 4 };

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
    width: i64,
    /// Slack of bin 0's lower edge.
    origin: Option<i64>,
    /// Frames in a row outside the bins.
    outside: usize,
}

#[derive(Clone, Copy, Default)]
struct Bin {
    fast: f32,
    slow: f32,
    /// The same of packets that were held back together.
    held_fast: f32,
    held_slow: f32,
    /// The smallest slack seen in it, from its lower edge: keeps the answer exact to the frame.
    low: i8,
}

impl Bin {
    fn weight(&self, memory: Memory) -> f32 {
        match memory {
            Memory::Fast => self.fast + self.held_fast,
            Memory::Slow => self.slow + self.held_slow,
        }
    }

    fn is_empty(&self) -> bool {
        self.slow + self.held_slow < NOTHING
    }

    fn scale(&mut self, fast: f32, slow: f32) {
        self.fast *= fast;
        self.slow *= slow;
        self.held_fast *= fast;
        self.held_slow *= slow;
    }
}

impl SlackHistogram {
    /// Empty. Allocates.
    pub(crate) fn new(bins: Bins) -> SlackHistogram {
        let Bins { count, width } = bins;
        SlackHistogram { bins: vec![Bin::default(); count].into(), width, origin: None, outside: 0 }
    }

    /// Forgets all.
    pub(crate) fn restart(&mut self) {
        self.bins.fill(Bin::default());
        (self.origin, self.outside) = (None, 0);
    }

    /// A packet of `frames` frames had this slack.
    pub(crate) fn add(&mut self, slack: i64, frames: usize) {
        let origin = *self.origin.get_or_insert(slack - self.anchor());
        let inside = (0..self.range()).contains(&(slack - origin));
        self.outside = if inside { 0 } else { self.outside + frames };
        if self.outside >= ELSEWHERE {
            self.move_to(slack, origin);
        }
        let frames = frames as f32;
        self.add_bin(slack, &Bin { fast: frames, slow: frames, ..Bin::default() }, 1.0);
    }

    /// Adds a part of the weights of `from` at this slack.
    fn add_bin(&mut self, slack: i64, from: &Bin, part: f32) {
        let (bin, low) = self.bin(slack);
        bin.low = if bin.is_empty() { low } else { bin.low.min(low) };
        bin.fast += from.fast * part;
        bin.slow += from.slow * part;
        bin.held_fast += from.held_fast * part;
        bin.held_slow += from.held_slow * part;
    }

    /// A packet that was added a moment ago (and `held` back) does not count after all.
    pub(crate) fn remove(&mut self, slack: i64, frames: usize, held: bool) {
        let (bin, _) = self.bin(slack);
        let weights = if held { [&mut bin.held_fast, &mut bin.held_slow] } else { [&mut bin.fast, &mut bin.slow] };
        weights.into_iter().for_each(|weight| *weight = (*weight - frames as f32).max(0.0));
    }

    /// A packet that was added a moment ago was held back together with others.
    pub(crate) fn hold_back(&mut self, slack: i64, frames: usize) {
        self.remove(slack, frames, false);
        let (bin, _) = self.bin(slack);
        bin.held_fast += frames as f32;
        bin.held_slow += frames as f32;
    }

    /// Forgets packets that were held back together.
    pub(crate) fn forget_held(&mut self) {
        self.bins.iter_mut().for_each(|bin| (bin.held_fast, bin.held_slow) = (0.0, 0.0));
    }

    /// The bin of this slack, and its distance from the bin's lower edge.
    fn bin(&mut self, slack: i64) -> (&mut Bin, i8) {
        let origin = *self.origin.get_or_insert(slack - self.anchor());
        let at = (slack - origin).clamp(0, self.range() - 1);
        (&mut self.bins[(at / self.width) as usize], (at % self.width) as i8)
    }

    fn range(&self) -> i64 {
        self.bins.len() as i64 * self.width
    }

    fn anchor(&self) -> i64 {
        self.range() * 5 / 8
    }

    /// Becomes what `other` is where its slacks become others, in equal parts for each of so many phases.
    pub(crate) fn rebuild(&mut self, other: &SlackHistogram, phases: usize, slack: impl Fn(usize, i64) -> i64) {
        self.restart();
        let Some(origin) = other.origin else { return };
        for (i, bin) in other.bins.iter().enumerate().filter(|(_, bin)| !bin.is_empty()) {
            let edge = origin + i as i64 * other.width;
            let seen = i64::from(bin.low)..other.width;
            let part = 1.0 / ((seen.end - seen.start) as f32 * phases as f32);
            for (at, phase) in seen.flat_map(|at| (0..phases).map(move |phase| (at, phase))) {
                self.add_bin(slack(phase, edge + at), bin, part);
            }
        }
    }

    /// Bins from now on lie around `slack`. What does not fit is forgotten.
    fn move_to(&mut self, slack: i64, origin: i64) {
        let bins = (slack - origin - self.anchor()).div_euclid(self.width);
        let count = self.bins.len();
        let by = bins.unsigned_abs().min(count as u64) as usize;
        if bins > 0 {
            self.bins.rotate_left(by);
            self.bins[count - by..].fill(Bin::default());
        } else {
            self.bins.rotate_right(by);
            self.bins[..by].fill(Bin::default());
        }
        self.outside = 0;
        self.origin = Some(origin + bins * self.width);
    }

    /// So many frames of time pass.
    pub(crate) fn forget(&mut self, frames: f32) {
        let (fast, slow) = ((-frames / FAST_HALF_LIFE).exp2(), (-frames / SLOW_HALF_LIFE).exp2());
        for bin in &mut self.bins {
            bin.scale(fast, slow);
        }
    }

    /// Where to stand best: the slack at which (frames of delay + price of what would be late) is least,
    /// and how much less than at `now` that is, in frames. `None` before the first packet.
    ///
    /// `price` is what it costs that everything is late, in frames of delay.
    pub(crate) fn best(&self, memory: Memory, price: f32, now: i64) -> Option<(i64, f32)> {
        self.best_by(|bin| bin.weight(memory), |late, total| price * late / total, now)
    }

    /// The same, in the fast memory, by what stalls did not hold back.
    pub(crate) fn best_without_held(&self, price: f32, now: i64) -> Option<(i64, f32)> {
        self.best_by(|bin| bin.fast, |late, total| price * late / total, now)
    }

    /// The same by what is late alone and seldom, again and again, in the last minutes: it costs `price` where it is all
    /// that [`SELDOM`] says, and no more where it is more; what was `held` back by stalls counts or does not.
    pub(crate) fn best_by_seldom(&self, price: f32, held: bool, now: i64) -> Option<(i64, f32)> {
        self.best_by(
            |bin| if held { bin.weight(Memory::Slow) } else { bin.slow },
            |late, total| price * (late / total.max(KNOWN) / SELDOM).min(1.0),
            now,
        )
    }

    fn best_by(&self, weight: impl Fn(&Bin) -> f32, cost: impl Fn(f32, f32) -> f32, now: i64) -> Option<(i64, f32)> {
        let origin = self.origin?;
        let total: f32 = self.bins.iter().map(&weight).sum();
        if total < NOTHING {
            return None;
        }
        let (mut best, mut best_gain) = (None, f32::MIN);
        let (mut late, mut late_now) = (0.0, 0.0);
        for (i, bin) in self.bins.iter().enumerate() {
            let weight = weight(bin);
            if weight < NOTHING {
                continue;
            }
            let at = origin + i as i64 * self.width + i64::from(bin.low);
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
        let mut slack = SlackHistogram::new(COARSE);
        for i in 0..1000 {
            slack.add(137 + 64 * (i % 3), 64);
        }
        assert_eq!(slack.best(Memory::Fast, PRICE, 100).unwrap().0, 137);
        assert_eq!(slack.best(Memory::Slow, PRICE, 100).unwrap().0, 137);
    }

    #[test]
    fn a_lone_late_packet_is_not_worth_its_delay_and_a_burst_is() {
        let mut slack = SlackHistogram::new(COARSE);
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
            let mut slack = SlackHistogram::new(COARSE);
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
        let mut slack = SlackHistogram::new(COARSE);
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
