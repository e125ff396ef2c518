//! Clock drift: how fast a musician's clock runs against ours, and the correction for it.
//!
//! Each window of 200 ms takes the earliest packet and the promptest callback, since queues and schedulers only delay.
//! Their distance, in frames, is constant if both clocks are equal. A second-order loop follows it (Adriaensen, "Using a
//! DLL to filter time", LAC 2005). Its gains begin as those of a least-squares line through all windows, and freeze at 20 s
//! of them.
//!
//! Nothing is corrected until the distance leaves a dead band, so equal clocks give equal bits. From then on the read
//! cursor follows the loop's line, at a rate that changes slowly. A line that the next windows contradict was the network's
//! jitter, and is begun anew.

use crate::timeline::HostWindow;

/// The loop's gains freeze after this many windows (20 s).
const LOOP_WINDOWS: f64 = 100.0;

/// Before this many windows (1 s) the reference still moves; before [`CERTAIN_WINDOWS`] (2 s) nothing is corrected.
const REFERENCE_WINDOWS: f64 = 5.0;
const CERTAIN_WINDOWS: f64 = 10.0;

/// Clocks are corrected when they have run this far apart, in frames (0.5 ms).
const DEAD_BAND: f64 = 24.0;

/// The same (0.17 ms) for a stream that is about to miss its callback.
const NARROW_BAND: f64 = 8.0;

/// Packets this close to their callback, in frames (0.33 ms), are about to miss it.
const NEAR_MISS: f64 = 16.0;

/// Slower drift than this (1 ppm) is ignored.
const SLOWEST_DRIFT: f64 = 1e-6;

/// A window this far off the line, in frames, is a step (a route changed, frames were lost) and not drift, if the next one
/// confirms it.
const SMALLEST_STEP: f64 = 48.0;

/// The largest correction, and its largest change from window to window.
const LARGEST_RATE: f64 = 500e-6;
const LARGEST_RATE_CHANGE: f64 = 25e-6;

/// Time constant with which an error is corrected, in frames (4 s).
const ERROR_TIME: f64 = 4.0 * 48_000.0;

/// The last windows contradict the line if their mean error against its slope is larger than this, in frames, and than half
/// of the usual error.
const SMALLEST_BIAS: f64 = 1.0;

/// A young line was noise when this many windows in a row (2 s) contradict it.
const CONTRADICTED: u32 = 10;

/// The correction ends after this many windows (10 s) with nothing to correct.
const RELEASE_AFTER: u32 = 50;

/// Follows one stream's clock. Audio thread.
pub(crate) struct Drift {
    earliest: Option<f64>,
    /// Packets of the open window, and of the previous one.
    packets: [u32; 2],
    /// The least time from a packet's arrival to its callback in the open window, in frames.
    shortest_wait: f64,
    line: Option<LoopLine>,
    /// The distance to hold.
    reference: f64,
    /// Frames that the correction has added so far.
    corrected: f64,
    rate: f64,
    following: bool,
    last_was_outlier: bool,
    /// The open window began before the event that it would be compared with.
    window_is_partial: bool,
    /// The open window lacks its first packets.
    packets_discarded: bool,
    /// The time base shifted: the errors of the next windows, up to the first whole one, are those of the shift, not drift.
    base_shifted: bool,
    host_steps: [f64; 2],
    equal_for: u32,
}

/// The loop's state: a straight line through the windows.
#[derive(Clone, Copy)]
struct LoopLine {
    distance: f64,
    /// In frames per frame.
    slope: f64,
    windows: f64,
    /// Mean square of the windows' errors.
    spread: f64,
    /// Mean of the last windows' errors.
    bias: f64,
    /// Windows in a row that contradict the line.
    contradictions: u32,
}

/// The result of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DriftFinding {
    /// Nothing changes.
    Steady,
    /// The clocks differ: read between frames from now on.
    Follow,
    /// The network's delay changed for good: packets arrive this many frames earlier (negative: later).
    NewLevel(f64),
    /// The clocks are equal again: go to a whole frame and stay there.
    Release,
    /// The host skipped this many frames (negative: took too many): move the read cursor by them.
    HostMoved(f64),
    /// After [`Drift::shift_base`]: packets arrive this many frames earlier (negative: later) than it said.
    Refined(f64),
}

impl Drift {
    pub(crate) fn new() -> Drift {
        Drift {
            earliest: None,
            packets: [0; 2],
            shortest_wait: f64::INFINITY,
            line: None,
            reference: 0.0,
            corrected: 0.0,
            rate: 0.0,
            following: false,
            last_was_outlier: false,
            window_is_partial: false,
            packets_discarded: false,
            base_shifted: false,
            host_steps: [0.0; 2],
            equal_for: 0,
        }
    }

    /// Forgets everything: another musician, or an unknown stream.
    pub(crate) fn restart(&mut self) {
        *self = Drift::new();
    }

    /// Positions or the read cursor jumped: keeps the rate of the clock, and forgets the distance.
    pub(crate) fn rebase(&mut self) {
        self.earliest = None;
        self.host_steps = [0.0; 2];
        (self.last_was_outlier, self.window_is_partial, self.base_shifted) = (false, true, false);
        if self.following {
            if let Some(line) = &mut self.line {
                line.windows = line.windows.min(REFERENCE_WINDOWS);
            }
            self.reference = f64::NAN;
        } else {
            self.line = None;
        }
    }

    /// Forgets the open window: it is not known yet which time base its packets have.
    pub(crate) fn discard_window(&mut self) {
        (self.earliest, self.shortest_wait, self.packets[0]) = (None, f64::INFINITY, 0);
        self.packets_discarded = true;
    }

    /// From now on packets arrive this many frames earlier (negative: later), because a host lost frames.
    pub(crate) fn shift_base(&mut self, earlier: f64) {
        self.discard_window();
        (self.host_steps, self.last_was_outlier, self.base_shifted) = ([0.0; 2], false, true);
        if let Some(line) = self.line {
            self.accept_jump(line.distance, earlier);
        }
    }

    /// A packet arrived. `lead` is its position minus its time of arrival, `wait` the time from then to its callback
    /// (infinite if unknown), in frames.
    pub(crate) fn observe(&mut self, lead: f64, wait: f64) {
        self.packets[0] += 1;
        self.earliest = Some(self.earliest.map_or(lead, |e| e.max(lead)));
        self.shortest_wait = self.shortest_wait.min(wait);
    }

    /// The distance on the loop's line at the end of the last window.
    pub(crate) fn distance(&self) -> Option<f64> {
        self.line.filter(|line| line.windows >= REFERENCE_WINDOWS).map(|line| line.distance)
    }

    /// The same without what the correction has made up for: it is constant while the reader follows the clock.
    pub(crate) fn uncorrected(&self) -> Option<f64> {
        self.distance().map(|distance| distance - self.corrected)
    }

    /// Whether the reader follows this clock.
    pub(crate) fn is_following(&self) -> bool {
        self.following
    }

    /// Frames of the stream per frame of ours; 1 if nothing is corrected.
    pub(crate) fn step(&self) -> f64 {
        1.0 + self.rate
    }

    /// `frames` frames were read at that step.
    pub(crate) fn advance(&mut self, frames: usize) {
        self.corrected += self.rate * frames as f64;
    }

    /// The reader has reached a whole frame after [`DriftFinding::Release`].
    pub(crate) fn released(&mut self) {
        self.following = false;
        (self.rate, self.corrected) = (0.0, 0.0);
        if let Some(line) = self.line {
            self.reference = line.distance;
        }
    }

    /// A window ends. `period` (1 or more) is the usual callback's length in frames.
    pub(crate) fn end_window(&mut self, host: HostWindow, period: f64) -> DriftFinding {
        self.host_steps = [host.step, self.host_steps[0]];
        let shortest_wait = std::mem::replace(&mut self.shortest_wait, f64::INFINITY);
        let [packets, before] = self.packets;
        if self.packets_discarded && packets < before / 4 {
            // Too few packets to show how promptly they arrive: they count with the next window's.
            return DriftFinding::Steady;
        }
        let partial = self.packets_discarded && packets < before * 3 / 4;
        self.packets = [0, if std::mem::take(&mut self.packets_discarded) { before } else { packets }];
        if std::mem::take(&mut self.window_is_partial) {
            self.earliest = None;
        }
        let Some(earliest) = self.earliest.take() else {
            if let Some(line) = &mut self.line {
                line.distance += line.slope * host.length;
            }
            return DriftFinding::Steady;
        };
        let distance = earliest + host.offset;
        let Some(line) = &mut self.line else {
            self.begin(distance);
            return DriftFinding::Steady;
        };
        if self.reference.is_nan() {
            // The first window after a rebase: its distance is the one to hold.
            line.distance = distance;
            self.reference = distance - self.corrected;
            return DriftFinding::Steady;
        }
        let expected = line.distance + line.slope * host.length;
        let deviation = distance - expected;
        let refined = self.base_shifted && deviation.abs() <= SMALLEST_STEP;
        // The few packets of a partial window are less prompt than those of a whole one.
        self.base_shifted = refined && partial;
        if refined {
            self.accept_jump(expected, deviation);
            return DriftFinding::Refined(deviation);
        }
        if let Some(moved) = self.host_jump(deviation, period) {
            self.accept_jump(expected, deviation);
            return DriftFinding::HostMoved(moved);
        }
        if deviation.abs() > SMALLEST_STEP {
            return self.outlier(expected, deviation);
        }
        self.last_was_outlier = false;
        if let Some(line) = &mut self.line {
            line.update(expected, deviation, host.length);
        }
        self.correct(host.length, shortest_wait)
    }

    /// Begins the line, or begins it anew from this distance on: what it said so far was wrong.
    fn begin(&mut self, distance: f64) {
        let windows = self.line.map_or(1.0, |line| line.windows.min(REFERENCE_WINDOWS));
        self.line = Some(LoopLine { distance, slope: 0.0, windows, spread: 0.0, bias: 0.0, contradictions: 0 });
        self.reference = distance - self.corrected;
    }

    /// The host lost or doubled frames, and this stream shows it too. If host and musician share a sound card they lose frames
    /// together, and nothing moves.
    fn host_jump(&mut self, deviation: f64, period: f64) -> Option<f64> {
        let noise = DEAD_BAND.max(period / 2.0);
        let step = self.host_steps.into_iter().find(|s| *s != 0.0)?;
        if deviation.abs() < noise || deviation.signum() != step.signum() {
            return None;
        }
        self.host_steps = [0.0; 2];
        Some(deviation)
    }

    /// Accepts a jump of the distance as neither drift nor error.
    fn accept_jump(&mut self, expected: f64, by: f64) {
        if let Some(line) = &mut self.line {
            line.distance = expected + by;
        }
        self.reference += by;
    }

    fn outlier(&mut self, expected: f64, deviation: f64) -> DriftFinding {
        if let Some(line) = &mut self.line {
            line.distance = expected;
        }
        self.last_was_outlier = !self.last_was_outlier;
        if self.last_was_outlier {
            return DriftFinding::Steady;
        }
        if self.following {
            self.accept_jump(expected, deviation);
        } else {
            // The previous slope says nothing about the new level.
            self.begin(expected + deviation);
        }
        DriftFinding::NewLevel(deviation)
    }

    fn correct(&mut self, length: f64, shortest_wait: f64) -> DriftFinding {
        let Some(line) = self.line else { return DriftFinding::Steady };
        if line.windows < LOOP_WINDOWS && line.contradictions >= CONTRADICTED {
            self.begin(line.distance);
            return if self.following { DriftFinding::Release } else { DriftFinding::Steady };
        }
        let error = line.distance - self.reference - self.corrected;
        if !self.following {
            if line.windows < REFERENCE_WINDOWS {
                self.reference = line.distance - self.corrected;
            } else if line.windows >= CERTAIN_WINDOWS && line.is_drifting(error, length, shortest_wait) {
                // The distance so far belongs to the playout delay: it is not caught up with.
                self.reference = line.distance - self.corrected;
                self.following = true;
                self.rate = line.slope;
                self.equal_for = 0;
                return DriftFinding::Follow;
            }
            return DriftFinding::Steady;
        }
        let wanted = (line.slope + error / ERROR_TIME).clamp(-LARGEST_RATE, LARGEST_RATE);
        self.rate += (wanted - self.rate).clamp(-LARGEST_RATE_CHANGE, LARGEST_RATE_CHANGE);
        let equal = line.windows >= LOOP_WINDOWS && line.slope.abs() < SLOWEST_DRIFT / 2.0 && error.abs() < 2.0;
        self.equal_for = if equal { self.equal_for + 1 } else { 0 };
        if self.equal_for >= RELEASE_AFTER { DriftFinding::Release } else { DriftFinding::Steady }
    }
}

impl LoopLine {
    fn update(&mut self, expected: f64, deviation: f64, length: f64) {
        self.windows = (self.windows + 1.0).min(LOOP_WINDOWS);
        let n = self.windows;
        self.distance = expected + 2.0 * (2.0 * n - 1.0) / (n * (n + 1.0)) * deviation;
        let slope = self.slope + 6.0 / (n * (n + 1.0)) * deviation / length;
        self.slope = slope.clamp(-LARGEST_RATE, LARGEST_RATE);
        self.spread += (deviation * deviation - self.spread) / (n - 1.0);
        self.bias += (deviation - self.bias) / 4.0;
        self.contradictions = if self.is_contradicted() { self.contradictions + 1 } else { 0 };
    }

    /// Whether the last windows show that the distance does not go on as the slope says.
    fn is_contradicted(&self) -> bool {
        -self.bias * self.slope.signum() > SMALLEST_BIAS.max(self.spread.sqrt() / 2.0)
    }

    /// Whether the clocks have run apart: the error is outside the dead band, still grows, and both are four times what the
    /// windows' spread explains. (The slope of a line through n points that are off by σ is itself off by σ·√(12/n³) per
    /// point.)
    ///
    /// Packets that arrive later and later, and soon miss their callback, get a narrower band.
    fn is_drifting(&self, error: f64, length: f64, shortest_wait: f64) -> bool {
        let spread = self.spread.sqrt();
        let band = if self.slope < 0.0 && shortest_wait < NEAR_MISS { NARROW_BAND } else { DEAD_BAND };
        let doubt = spread * (12.0 / self.windows.powi(3)).sqrt() / length;
        error.abs() > band.max(4.0 * spread)
            && self.slope.abs() > SLOWEST_DRIFT.max(4.0 * doubt)
            && self.slope.abs() < LARGEST_RATE
            && !self.is_contradicted()
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

    /// Runs windows with the distance that an uncorrected reader would see. Returns the last error.
    fn run(drift: &mut Drift, windows: usize, distance: impl Fn(usize) -> f64) -> f64 {
        let mut error = 0.0;
        for i in 0..windows {
            drift.observe(distance(i), f64::INFINITY);
            drift.end_window(host(0.0), 64.0);
            drift.advance(WINDOW as usize);
            error = distance(i) - drift.reference - drift.corrected;
        }
        error
    }

    /// Equal clocks are not corrected, whatever the jitter.
    #[test]
    fn equal_clocks_are_not_corrected() {
        let mut drift = Drift::new();
        let jitter = |i: usize| ((i * 7919) % 19) as f64;
        run(&mut drift, 18_000, jitter);
        assert!(!drift.is_following());
        assert_eq!(drift.step(), 1.0);
    }

    /// Drifting clocks are followed to within half a millisecond.
    #[test]
    fn drifting_clocks_are_followed() {
        for ppm in [-200.0, -50.0, 5.0, 200.0] {
            let mut drift = Drift::new();
            let error = run(&mut drift, 3000, |i| ppm * 1e-6 * WINDOW * i as f64 + ((i * 31) % 5) as f64);
            assert!(drift.is_following());
            assert!((drift.step() - 1.0 - ppm * 1e-6).abs() < 3e-6, "{ppm}: {}", drift.step());
            assert!(error.abs() < 24.0, "{ppm}: {error}");
        }
    }

    /// A stream that is about to miss its callback is followed sooner.
    #[test]
    fn near_misses_are_followed_sooner() {
        for (before, windows) in [(f64::INFINITY, 26), (10.0, 11)] {
            let mut drift = Drift::new();
            let followed = (0..100).position(|i| {
                drift.observe(-f64::from(i), before);
                drift.end_window(host(0.0), 64.0) == DriftFinding::Follow
            });
            assert!(followed.is_some_and(|f| f.abs_diff(windows) < 5), "{before}: {followed:?}");
        }
    }

    /// A step of the network's delay is not drift.
    #[test]
    fn network_step_is_not_drift() {
        let mut drift = Drift::new();
        run(&mut drift, 3000, |i| if i < 500 { 0.0 } else { -960.0 });
        assert!(!drift.is_following());
    }

    /// Frames that the host skipped move the reader once, and are not drift.
    #[test]
    fn skipped_frames_move_the_reader_once() {
        let mut drift = Drift::new();
        run(&mut drift, 50, |_| 0.0);
        drift.observe(0.0, f64::INFINITY);
        assert_eq!(drift.end_window(host(640.0), 64.0), DriftFinding::Steady);
        drift.observe(641.5, f64::INFINITY);
        assert_eq!(drift.end_window(host(0.0), 64.0), DriftFinding::HostMoved(641.5));
        run(&mut drift, 100, |_| 641.5);
        assert!(!drift.is_following());
    }

    /// Frames that a host loses every second are not drift, and the next window tells a shift's error.
    #[test]
    fn base_shifts_are_not_drift() {
        let mut drift = Drift::new();
        let mut level = 0.0;
        for window in 0..300 {
            if window % 5 == 4 {
                level -= 150.0;
                drift.shift_base(-140.0);
            }
            (0..100).for_each(|n| drift.observe(level - f64::from(n % 7), f64::INFINITY));
            let found = drift.end_window(host(0.0), 64.0);
            let refined = window % 5 == 4;
            assert_eq!(found, if refined { DriftFinding::Refined(-10.0) } else { DriftFinding::Steady }, "{window}");
        }
        assert!(!drift.is_following());
    }

    /// The few packets after a shift are less prompt than those of a whole window: that is not drift either.
    #[test]
    fn few_packets_after_shifts_are_not_drift() {
        let mut drift = Drift::new();
        for window in 0..300 {
            let shifted = window % 5 == 4;
            if shifted {
                drift.shift_base(0.0);
            }
            let (packets, promptest) = if shifted { (25, -6.0) } else { (75, 0.0) };
            (0..packets).for_each(|n| drift.observe(promptest - f64::from(n % 7), f64::INFINITY));
            drift.end_window(host(0.0), 64.0);
        }
        assert!(!drift.is_following());
    }

    /// A ramp that stops is no clock: it is given up soon, and not held for the time of a long line.
    #[test]
    fn ramp_that_stops_is_given_up() {
        let mut drift = Drift::new();
        run(&mut drift, 20, |i| 4.0 * i as f64);
        assert!(drift.is_following());
        let released = (0..100).position(|_| {
            drift.observe(80.0, f64::INFINITY);
            let found = drift.end_window(host(0.0), 64.0);
            drift.advance(WINDOW as usize);
            found == DriftFinding::Release
        });
        assert!(released.is_some_and(|windows| windows < 20), "{released:?}");
    }

    /// When the clocks are equal again, the correction ends.
    #[test]
    fn correction_ends_with_the_drift() {
        let mut drift = Drift::new();
        run(&mut drift, 400, |i| 30e-6 * WINDOW * i as f64);
        assert!(drift.is_following());
        let at = 30e-6 * WINDOW * 400.0;
        let mut released = false;
        for _ in 0..1500 {
            drift.observe(at, f64::INFINITY);
            released |= drift.end_window(host(0.0), 64.0) == DriftFinding::Release;
            drift.advance(WINDOW as usize);
        }
        assert!(released);
    }
}
