//! A histogram of how early packets arrive, with a fast and a slow memory.

/// Number and width of a histogram's bins.
///
/// The first slack lands five eighths from the lower end; slack outside counts in the outermost bins.
#[derive(Clone, Copy)]
pub(crate) struct Bins {
    count: usize,
    /// In frames.
    width: i64,
}

/// For slack on the callbacks' grid: 213 ms for later packets, 128 ms for earlier ones.
pub(crate) const COARSE: Bins = Bins { count: 1024, width: 16 };

/// For packets relative to the drift's line, where a few frames decide which callback finds them: 107 ms for later packets.
pub(crate) const FINE: Bins = Bins { count: 2048, width: 4 };

/// An observation counts half after this many frames: 4 s in the fast memory, 60 s in the slow one.
const FAST_HALF_LIFE: f32 = 4.0 * 48_000.0;
const SLOW_HALF_LIFE: f32 = 60.0 * 48_000.0;

/// After this many frames in a row outside the bins (20 ms), the bins move there.
const MOVE_AFTER: usize = 960;

/// Late packets are rare up to this share: one of 64 frames in 1.3 s.
const RARE: f32 = 0.001;

/// A share is known after this many frames (20 s).
const KNOWN_AFTER: f32 = 20.0 * 48_000.0;

/// Bins lighter than this, in frames, are empty.
const EMPTY: f32 = 0.01;

/// A memory of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The last seconds.
    Fast,
    /// The last minutes.
    Slow,
}

/// A histogram that forgets: weights in frames of audio, bins in frames of slack.
pub(crate) struct SlackHistogram {
    bins: Box<[Bin]>,
    width: i64,
    /// Slack at the lower edge of bin 0.
    origin: Option<i64>,
    /// Frames in a row outside the bins.
    outside: usize,
}

#[derive(Clone, Copy, Default)]
struct Bin {
    fast: f32,
    slow: f32,
    /// The same for packets that a stall held back.
    held_fast: f32,
    held_slow: f32,
    /// The smallest slack in the bin, from its lower edge: keeps results exact to the frame.
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
        self.slow + self.held_slow < EMPTY
    }

    fn scale(&mut self, fast: f32, slow: f32) {
        self.fast *= fast;
        self.slow *= slow;
        self.held_fast *= fast;
        self.held_slow *= slow;
    }
}

impl SlackHistogram {
    /// An empty histogram. Allocates.
    pub(crate) fn new(bins: Bins) -> SlackHistogram {
        let Bins { count, width } = bins;
        SlackHistogram { bins: vec![Bin::default(); count].into(), width, origin: None, outside: 0 }
    }

    /// Forgets everything.
    pub(crate) fn restart(&mut self) {
        self.bins.fill(Bin::default());
        (self.origin, self.outside) = (None, 0);
    }

    /// A packet of `frames` frames had this slack.
    pub(crate) fn add(&mut self, slack: i64, frames: usize) {
        let origin = *self.origin.get_or_insert(slack - self.anchor());
        let inside = (0..self.range()).contains(&(slack - origin));
        self.outside = if inside { 0 } else { self.outside + frames };
        if self.outside >= MOVE_AFTER {
            self.move_to(slack, origin);
        }
        let frames = frames as f32;
        self.add_bin(slack, &Bin { fast: frames, slow: frames, ..Bin::default() }, 1.0);
    }

    /// Adds this share of the weights of `from` at this slack.
    fn add_bin(&mut self, slack: i64, from: &Bin, share: f32) {
        let (bin, low) = self.bin(slack);
        bin.low = if bin.is_empty() { low } else { bin.low.min(low) };
        bin.fast += from.fast * share;
        bin.slow += from.slow * share;
        bin.held_fast += from.held_fast * share;
        bin.held_slow += from.held_slow * share;
    }

    /// Removes a packet that was just added, and perhaps marked as held back.
    pub(crate) fn remove(&mut self, slack: i64, frames: usize, held: bool) {
        let (bin, _) = self.bin(slack);
        let weights = if held { [&mut bin.held_fast, &mut bin.held_slow] } else { [&mut bin.fast, &mut bin.slow] };
        weights.into_iter().for_each(|weight| *weight = (*weight - frames as f32).max(0.0));
    }

    /// Marks a packet that was just added as held back by a stall.
    pub(crate) fn mark_held_back(&mut self, slack: i64, frames: usize) {
        self.remove(slack, frames, false);
        let (bin, _) = self.bin(slack);
        bin.held_fast += frames as f32;
        bin.held_slow += frames as f32;
    }

    /// Forgets the packets that stalls held back.
    pub(crate) fn forget_held_back(&mut self) {
        self.bins.iter_mut().for_each(|bin| (bin.held_fast, bin.held_slow) = (0.0, 0.0));
    }

    /// The bin of this slack, and the slack's distance from the bin's lower edge.
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

    /// Becomes a copy of `other` in which `slack` maps each slack to another, in equal parts for each of `phases` phases.
    pub(crate) fn rebuild(&mut self, other: &SlackHistogram, phases: usize, slack: impl Fn(usize, i64) -> i64) {
        self.restart();
        let Some(origin) = other.origin else { return };
        for (i, bin) in other.bins.iter().enumerate().filter(|(_, bin)| !bin.is_empty()) {
            let edge = origin + i as i64 * other.width;
            let seen = i64::from(bin.low)..other.width;
            let share = 1.0 / ((seen.end - seen.start) as f32 * phases as f32);
            for (at, phase) in seen.flat_map(|at| (0..phases).map(move |phase| (at, phase))) {
                self.add_bin(slack(phase, edge + at), bin, share);
            }
        }
    }

    /// Moves the bins so that they lie around `slack`, and forgets what no longer fits.
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

    /// `frames` frames of time pass.
    pub(crate) fn decay(&mut self, frames: f32) {
        let (fast, slow) = ((-frames / FAST_HALF_LIFE).exp2(), (-frames / SLOW_HALF_LIFE).exp2());
        for bin in &mut self.bins {
            bin.scale(fast, slow);
        }
    }

    /// The best slack to read at: where (frames of delay + price × share of late packets) is least. Also returns by how many
    /// frames that is better than reading at `now`. `None` before the first packet.
    ///
    /// `price` is what it costs if all packets are late, in frames of delay.
    pub(crate) fn best(&self, memory: Memory, price: f32, now: i64) -> Option<(i64, f32)> {
        self.best_by(|bin| bin.weight(memory), |late, total| price * late / total, now)
    }

    /// The same in the fast memory, without packets that stalls held back.
    pub(crate) fn best_without_held_back(&self, price: f32, now: i64) -> Option<(i64, f32)> {
        self.best_by(|bin| bin.fast, |late, total| price * late / total, now)
    }

    /// The same in the slow memory, for late packets that are rare but recur: a share of [`RARE`] costs `price`, and more
    /// costs no more than that. `held` says whether packets that stalls held back count.
    pub(crate) fn best_for_rare(&self, price: f32, held: bool, now: i64) -> Option<(i64, f32)> {
        self.best_by(
            |bin| if held { bin.weight(Memory::Slow) } else { bin.slow },
            |late, total| price * (late / total.max(KNOWN_AFTER) / RARE).min(1.0),
            now,
        )
    }

    fn best_by(&self, weight: impl Fn(&Bin) -> f32, cost: impl Fn(f32, f32) -> f32, now: i64) -> Option<(i64, f32)> {
        let origin = self.origin?;
        let total: f32 = self.bins.iter().map(&weight).sum();
        if total < EMPTY {
            return None;
        }
        let (mut best, mut best_gain) = (None, f32::MIN);
        let (mut late, mut late_now) = (0.0, 0.0);
        for (i, bin) in self.bins.iter().enumerate() {
            let weight = weight(bin);
            if weight < EMPTY {
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

    /// Without late packets the best slack is exactly the smallest one.
    #[test]
    fn steady_slack_is_met_exactly() {
        let mut slack = SlackHistogram::new(COARSE);
        for i in 0..1000 {
            slack.add(137 + 64 * (i % 3), 64);
        }
        assert_eq!(slack.best(Memory::Fast, PRICE, 100).unwrap().0, 137);
        assert_eq!(slack.best(Memory::Slow, PRICE, 100).unwrap().0, 137);
    }

    /// A single late packet is not worth its delay; a burst is.
    #[test]
    fn bursts_are_worth_delay() {
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

    /// The bins follow packets that move far away for good, and ignore single ones.
    #[test]
    fn bins_move_only_for_good() {
        for far in [-30_000, -9_000, 9_000, 30_000] {
            let mut slack = SlackHistogram::new(COARSE);
            for i in 0..200 {
                slack.add(if i % 50 == 49 { far } else { 7 }, 64);
            }
            assert_eq!(slack.best(Memory::Fast, PRICE, 0).map(|b| b.0), Some(7), "{far}");
            for _ in 0..100 {
                slack.add(far, 64);
                slack.decay(48_000.0);
            }
            assert_eq!(slack.best(Memory::Fast, PRICE, far).map(|b| b.0), Some(far), "{far}");
        }
    }

    /// After a minute a burst is forgotten by the fast memory, and not by the slow one.
    #[test]
    fn memories_forget_at_their_rates() {
        let mut slack = SlackHistogram::new(COARSE);
        for second in 0..60 {
            for _ in 0..750 {
                slack.add(if second < 3 { -480 } else { 0 }, 64);
            }
            slack.decay(48_000.0);
        }
        assert_eq!(slack.best(Memory::Fast, PRICE, 0).unwrap().0, 0);
        assert_eq!(slack.best(Memory::Slow, PRICE, 0).unwrap().0, -480);
    }
}
