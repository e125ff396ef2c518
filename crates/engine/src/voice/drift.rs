//! How fast a musician's clock runs against ours, and the correction for it.
//!
//! In each window of 200 ms the earliest packet and the promptest callback are taken: queues and
//! schedulers only ever delay. Their distance, in frames, stands still when both clocks are equal. A
//! second-order loop follows it (Adriaensen, "Using a DLL to filter time", LAC 2005), with gains that
//! begin as those of a least-squares line through all windows and freeze at 20 s of them.
//!
//! Nothing is corrected until the distance has left a dead band, so equal clocks give equal bits. From
//! then on the read position follows the loop's line, at a rate that changes slowly.

use crate::timeline::HostWindow;

/// The loop's gains freeze at so many windows (20 s).
const MEMORY: f64 = 100.0;

/// Before so many windows (1 s) the reference still moves; before [`SURE`] (2 s) nothing is corrected.
const YOUNG: f64 = 5.0;
const SURE: f64 = 10.0;

/// How far, in frames (0.5 ms), clocks must have run apart before they are corrected.
const DEAD_BAND: f64 = 24.0;

/// How far (0.17 ms) when the stream is about to lose its callback.
const NARROW_BAND: f64 = 8.0;

/// Packets that come in so few frames (0.33 ms) before their callback are about to lose it.
const CLOSE: f64 = 16.0;

/// Slower drift than this is none: 1 ppm.
const SLOWEST: f64 = 1e-6;

/// A window off the line by more than this, in frames, is a step (a route changed, frames were lost),
/// not drift: believed when the next one says so too.
const STEP: f64 = 48.0;

/// The largest correction, and the largest change of it from window to window.
const LARGEST: f64 = 500e-6;
const SLEW: f64 = 25e-6;

/// An error is worked off with this time constant, in frames (4 s).
const WORK_OFF: f64 = 4.0 * 48_000.0;

/// The correction ends when for so many windows (10 s) there was nothing to correct.
const EQUAL_FOR: u32 = 50;

/// Follows one stream's clock. Audio thread.
pub(crate) struct Drift {
    earliest: Option<f64>,
    /// Packets of the open window, and of the last one.
    packets: [u32; 2],
    /// The least time from a packet's arrival to the next callback in the open window, in frames.
    closest: f64,
    line: Option<LoopLine>,
    /// The distance to hold.
    reference: f64,
    /// Frames by which the rate was corrected so far.
    corrected: f64,
    rate: f64,
    following: bool,
    odd: bool,
    /// The window that is open began before what it would be compared with.
    partial: bool,
    /// The open window lacks its first packets.
    discarded: bool,
    /// The time base moved: what the next window misses is what that is off, and no drift.
    shifted: bool,
    host_steps: [f64; 2],
    equal_for: u32,
}

/// The loop: a straight line through the windows.
#[derive(Clone, Copy)]
struct LoopLine {
    distance: f64,
    /// Frames a frame.
    slope: f64,
    windows: f64,
    /// Mean square of what the line missed.
    spread: f64,
}

/// What a window found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    /// Nothing to do but to go on.
    Steady,
    /// The clocks differ: read between frames from now on.
    Follow,
    /// The network's delay is another from now on: packets come so many frames earlier (negative: later).
    NewLevel(f64),
    /// They do not any more: come to a whole frame and stay there.
    Release,
    /// The host left out so many frames (negative: took too many): move the read position by them.
    HostMoved(f64),
    /// After [`Drift::shift_base`]: packets come so many frames earlier (negative: later) than was thought.
    Refined(f64),
}

impl Drift {
    pub(crate) fn new() -> Drift {
        Drift {
            earliest: None,
            packets: [0; 2],
            closest: f64::INFINITY,
            line: None,
            reference: 0.0,
            corrected: 0.0,
            rate: 0.0,
            following: false,
            odd: false,
            partial: false,
            discarded: false,
            shifted: false,
            host_steps: [0.0; 2],
            equal_for: 0,
        }
    }

    /// Another musician, or a stream that nothing is known of.
    pub(crate) fn restart(&mut self) {
        *self = Drift::new();
    }

    /// The same clock, but positions or the read position jumped: the rate is kept, the distance not.
    pub(crate) fn rebase(&mut self) {
        self.earliest = None;
        self.host_steps = [0.0; 2];
        (self.odd, self.partial, self.shifted) = (false, true, false);
        if self.following {
            if let Some(line) = &mut self.line {
                line.windows = line.windows.min(YOUNG);
            }
            self.reference = f64::NAN;
        } else {
            self.line = None;
        }
    }

    /// The open window is measured afresh: it is not known yet on which base its packets came.
    pub(crate) fn discard(&mut self) {
        (self.earliest, self.closest, self.packets[0]) = (None, f64::INFINITY, 0);
        self.discarded = true;
    }

    /// From now on packets come so many frames earlier (negative: later), because somebody lost frames.
    pub(crate) fn shift_base(&mut self, earlier: f64) {
        self.discard();
        (self.host_steps, self.odd, self.shifted) = ([0.0; 2], false, true);
        if let Some(line) = self.line {
            self.shift(line.distance, earlier);
        }
    }

    /// A packet: its position minus its time of arrival, and from then to the callback that is to find it
    /// (infinite if unknown), in frames.
    pub(crate) fn observe(&mut self, lead: f64, before: f64) {
        self.packets[0] += 1;
        self.earliest = Some(self.earliest.map_or(lead, |e| e.max(lead)));
        self.closest = self.closest.min(before);
    }

    /// The distance, on the loop's line, at the end of the last window.
    pub(crate) fn distance(&self) -> Option<f64> {
        self.line.filter(|line| line.windows >= YOUNG).map(|line| line.distance)
    }

    /// The same less what the rate has already made up for: it stands still while the reader keeps step.
    pub(crate) fn uncorrected(&self) -> Option<f64> {
        self.distance().map(|distance| distance - self.corrected)
    }

    /// Whether the read position lies between frames.
    pub(crate) fn is_following(&self) -> bool {
        self.following
    }

    /// Frames of the stream a frame of ours: 1 while nothing is corrected.
    pub(crate) fn step(&self) -> f64 {
        1.0 + self.rate
    }

    /// `frames` frames were read with that step.
    pub(crate) fn advance(&mut self, frames: usize) {
        self.corrected += self.rate * frames as f64;
    }

    /// The read position has come to a whole frame after [`Found::Release`].
    pub(crate) fn released(&mut self) {
        self.following = false;
        (self.rate, self.corrected) = (0.0, 0.0);
        if let Some(line) = self.line {
            self.reference = line.distance;
        }
    }

    /// A window ends. `period` (1 or more) is the usual callback's length in frames.
    pub(crate) fn window(&mut self, host: HostWindow, period: f64) -> Found {
        self.host_steps = [host.step, self.host_steps[0]];
        let closest = std::mem::replace(&mut self.closest, f64::INFINITY);
        let [packets, before] = self.packets;
        if self.discarded && packets < before / 4 {
            // Too few to say how promptly packets come: they count with the next window's.
            return Found::Steady;
        }
        self.packets = [0, if std::mem::take(&mut self.discarded) { before } else { packets }];
        if std::mem::take(&mut self.partial) {
            self.earliest = None;
        }
        let Some(earliest) = self.earliest.take() else {
            if let Some(line) = &mut self.line {
                line.distance += line.slope * host.length;
            }
            return Found::Steady;
        };
        let distance = earliest + host.offset;
        let Some(line) = &mut self.line else {
            self.begin(distance);
            return Found::Steady;
        };
        if self.reference.is_nan() {
            // The first window after a rebase: hold what there is.
            line.distance = distance;
            self.reference = distance - self.corrected;
            return Found::Steady;
        }
        let expected = line.distance + line.slope * host.length;
        let miss = distance - expected;
        if std::mem::take(&mut self.shifted) && miss.abs() <= STEP {
            self.shift(expected, miss);
            return Found::Refined(miss);
        }
        if let Some(moved) = self.host_moved(miss, period) {
            self.shift(expected, miss);
            return Found::HostMoved(moved);
        }
        if miss.abs() > STEP {
            return self.odd_window(expected, miss);
        }
        self.odd = false;
        if let Some(line) = &mut self.line {
            line.update(expected, miss, host.length);
        }
        self.steer(host.length, closest)
    }

    fn begin(&mut self, distance: f64) {
        self.line = Some(LoopLine { distance, slope: 0.0, windows: 1.0, spread: 0.0 });
        self.reference = distance - self.corrected;
    }

    /// The host lost or doubled frames, and this stream shows it too: a host and a musician on the same
    /// sound card lose them together, and then there is nothing to move.
    fn host_moved(&mut self, miss: f64, period: f64) -> Option<f64> {
        let noise = DEAD_BAND.max(period / 2.0);
        let step = self.host_steps.into_iter().find(|s| *s != 0.0)?;
        if miss.abs() < noise || miss.signum() != step.signum() {
            return None;
        }
        self.host_steps = [0.0; 2];
        Some(miss)
    }

    /// Takes a jump of the distance as it is: neither drift nor error.
    fn shift(&mut self, expected: f64, by: f64) {
        if let Some(line) = &mut self.line {
            line.distance = expected + by;
        }
        self.reference += by;
    }

    fn odd_window(&mut self, expected: f64, miss: f64) -> Found {
        if let Some(line) = &mut self.line {
            line.distance = expected;
        }
        self.odd = !self.odd;
        if self.odd {
            return Found::Steady;
        }
        match &mut self.line {
            Some(line) if !self.following => {
                // How fast it moved before says nothing any more; where it is does.
                *line =
                    LoopLine { distance: expected + miss, slope: 0.0, windows: line.windows.min(YOUNG), spread: 0.0 };
                self.reference = line.distance - self.corrected;
            }
            _ => self.shift(expected, miss),
        }
        Found::NewLevel(miss)
    }

    fn steer(&mut self, length: f64, closest: f64) -> Found {
        let Some(line) = self.line else { return Found::Steady };
        let error = line.distance - self.reference - self.corrected;
        if !self.following {
            if line.windows < YOUNG {
                self.reference = line.distance - self.corrected;
            } else if line.windows >= SURE && line.runs_away(error, length, closest) {
                // What has run apart so far is the playout delay's business: nothing is caught up with.
                self.reference = line.distance - self.corrected;
                self.following = true;
                self.rate = line.slope;
                self.equal_for = 0;
                return Found::Follow;
            }
            return Found::Steady;
        }
        let wanted = (line.slope + error / WORK_OFF).clamp(-LARGEST, LARGEST);
        self.rate += (wanted - self.rate).clamp(-SLEW, SLEW);
        let equal = line.windows >= MEMORY && line.slope.abs() < SLOWEST / 2.0 && error.abs() < 2.0;
        self.equal_for = if equal { self.equal_for + 1 } else { 0 };
        if self.equal_for >= EQUAL_FOR { Found::Release } else { Found::Steady }
    }
}

impl LoopLine {
    fn update(&mut self, expected: f64, miss: f64, length: f64) {
        self.windows = (self.windows + 1.0).min(MEMORY);
        let n = self.windows;
        self.distance = expected + 2.0 * (2.0 * n - 1.0) / (n * (n + 1.0)) * miss;
        self.slope += 6.0 / (n * (n + 1.0)) * miss / length;
        self.spread += (miss * miss - self.spread) / (n - 1.0);
    }

    /// Whether the clocks have run apart: out of the dead band, still going, and both by four times what
    /// the windows' own spread explains. (The slope of a line through n points that are off by σ is itself
    /// off by σ·√(12/n³) a point.)
    ///
    /// Packets that come later and later, and soon too late for their callback, leave no time for the whole band.
    fn runs_away(&self, error: f64, length: f64, closest: f64) -> bool {
        let spread = self.spread.sqrt();
        let band = if self.slope < 0.0 && closest < CLOSE { NARROW_BAND } else { DEAD_BAND };
        let doubt = spread * (12.0 / self.windows.powi(3)).sqrt() / length;
        error.abs() > band.max(4.0 * spread)
            && self.slope.abs() > SLOWEST.max(4.0 * doubt)
            && self.slope.abs() < LARGEST
            && self.slope.signum() == error.signum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: f64 = 9600.0;

    fn host(step: f64) -> HostWindow {
        HostWindow { offset: 0.0, step, length: WINDOW }
    }

    /// Runs windows with the distance that an uncorrected reader would see; returns the last error.
    fn run(drift: &mut Drift, windows: usize, distance: impl Fn(usize) -> f64) -> f64 {
        let mut error = 0.0;
        for i in 0..windows {
            drift.observe(distance(i), f64::INFINITY);
            drift.window(host(0.0), 64.0);
            drift.advance(WINDOW as usize);
            error = distance(i) - drift.reference - drift.corrected;
        }
        error
    }

    #[test]
    fn equal_clocks_are_never_corrected_whatever_the_jitter() {
        let mut drift = Drift::new();
        let jitter = |i: usize| ((i * 7919) % 19) as f64;
        run(&mut drift, 18_000, jitter);
        assert!(!drift.is_following());
        assert_eq!(drift.step(), 1.0);
    }

    #[test]
    fn clocks_apart_are_followed_within_half_a_millisecond() {
        for ppm in [-200.0, -50.0, 5.0, 200.0] {
            let mut drift = Drift::new();
            let error = run(&mut drift, 3000, |i| ppm * 1e-6 * WINDOW * i as f64 + ((i * 31) % 5) as f64);
            assert!(drift.is_following());
            assert!((drift.step() - 1.0 - ppm * 1e-6).abs() < 3e-6, "{ppm}: {}", drift.step());
            assert!(error.abs() < 24.0, "{ppm}: {error}");
        }
    }

    #[test]
    fn who_is_about_to_lose_a_callback_is_followed_before() {
        for (before, windows) in [(f64::INFINITY, 26), (10.0, 11)] {
            let mut drift = Drift::new();
            let followed = (0..100).position(|i| {
                drift.observe(-f64::from(i), before);
                drift.window(host(0.0), 64.0) == Found::Follow
            });
            assert!(followed.is_some_and(|f| f.abs_diff(windows) < 5), "{before}: {followed:?}");
        }
    }

    #[test]
    fn a_step_of_the_network_is_not_drift() {
        let mut drift = Drift::new();
        run(&mut drift, 3000, |i| if i < 500 { 0.0 } else { -960.0 });
        assert!(!drift.is_following());
    }

    #[test]
    fn frames_that_the_host_left_out_move_the_reader_once() {
        let mut drift = Drift::new();
        run(&mut drift, 50, |_| 0.0);
        drift.observe(0.0, f64::INFINITY);
        assert_eq!(drift.window(host(640.0), 64.0), Found::Steady);
        drift.observe(641.5, f64::INFINITY);
        assert_eq!(drift.window(host(0.0), 64.0), Found::HostMoved(641.5));
        run(&mut drift, 100, |_| 641.5);
        assert!(!drift.is_following());
    }

    /// Frames that somebody lost every second are no drift, and what a shift was off is known with the next window.
    #[test]
    fn a_base_that_shifts_is_no_drift() {
        let mut drift = Drift::new();
        let mut level = 0.0;
        for window in 0..300 {
            if window % 5 == 4 {
                level -= 150.0;
                drift.shift_base(-140.0);
            }
            (0..100).for_each(|n| drift.observe(level - f64::from(n % 7), f64::INFINITY));
            let found = drift.window(host(0.0), 64.0);
            let refined = window % 5 == 4;
            assert_eq!(found, if refined { Found::Refined(-10.0) } else { Found::Steady }, "{window}");
        }
        assert!(!drift.is_following());
    }

    #[test]
    fn when_clocks_are_equal_again_the_correction_ends() {
        let mut drift = Drift::new();
        run(&mut drift, 400, |i| 30e-6 * WINDOW * i as f64);
        assert!(drift.is_following());
        let at = 30e-6 * WINDOW * 400.0;
        let mut released = false;
        for _ in 0..1500 {
            drift.observe(at, f64::INFINITY);
            released |= drift.window(host(0.0), 64.0) == Found::Release;
            drift.advance(WINDOW as usize);
        }
        assert!(released);
    }
}
