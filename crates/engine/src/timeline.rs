//! How the host's callbacks lie in time.

use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

const FRAMES_PER_MICRO: f64 = WIRE_RATE as f64 / 1e6;

/// A measurement window lasts this long and at least this many calls.
const WINDOW: Micros = Micros::from_millis(200);
const CALLS: u32 = 4;

/// A step of the timeline smaller than this, in frames, is scheduling noise.
const NOISE: f64 = 24.0;

/// This many calls in a row that are late alike show that frames were lost: calls that were only held up are less late from
/// one to the next.
const ALIKE_CALLS: usize = 3;

/// A duration in frames at 48 kHz.
pub(crate) fn frames_in(time: Micros) -> f64 {
    time.0 as f64 * FRAMES_PER_MICRO
}

/// Whole frames, bounded: positions may be anything.
pub(crate) fn whole_frames(frames: f64) -> i64 {
    frames.floor().clamp(-1e9, 1e9) as i64
}

/// A run of values that are alike: they differ by at most a quarter of a millisecond, in frames.
#[derive(Clone, Copy, Default)]
pub(crate) struct AlikeRun {
    pub(crate) count: usize,
    /// The least and the greatest value; valid if there are any.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl AlikeRun {
    pub(crate) const TOLERANCE: f64 = 12.0;

    /// Whether the run goes on with this value.
    pub(crate) fn accepts(&self, value: f64) -> bool {
        self.count > 0 && value <= self.low + Self::TOLERANCE && value >= self.high - Self::TOLERANCE
    }

    /// Continues the run with this value, or starts another.
    pub(crate) fn push(&mut self, value: f64) {
        *self = if self.accepts(value) {
            AlikeRun { count: self.count + 1, low: self.low.min(value), high: self.high.max(value) }
        } else {
            AlikeRun { count: 1, low: value, high: value }
        };
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }
}

/// Relates the frames that callbacks took to the clock. Audio thread.
///
/// Callbacks are late, never early, so the promptest of a window tells where they belong: the smallest (time − frames
/// taken). The same holds for packets (see [`crate::voice`]), and the difference of both changes only if clocks differ or a
/// host loses frames.
pub(crate) struct HostTimeline {
    epoch: Option<Micros>,
    taken: u64,
    /// When the open window began, how many calls it has had, and their smallest (time − frames taken).
    window_start: Micros,
    calls: u32,
    lowest: f64,
    offset: Option<f64>,
    late_calls: AlikeRun,
    slip: Option<Slip>,
}

/// Frames that the host lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slip {
    /// Frames lost since the timeline began, at 48 kHz.
    pub(crate) total: f64,
    /// When the last loss was noticed.
    pub(crate) at: Micros,
}

/// The result of a window, in frames at 48 kHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostWindow {
    /// Time minus frames taken, of the promptest callback.
    pub(crate) offset: f64,
    /// Change of the offset since the previous window; 0 if it is noise. Positive: the host skipped frames (an xrun, a
    /// sleep). Negative: it took more than time allows.
    pub(crate) step: f64,
    pub(crate) length: f64,
}

impl HostTimeline {
    pub(crate) fn new() -> HostTimeline {
        HostTimeline {
            epoch: None,
            taken: 0,
            window_start: Micros::ZERO,
            calls: 0,
            lowest: f64::INFINITY,
            offset: None,
            late_calls: AlikeRun::default(),
            slip: None,
        }
    }

    /// A time on the scale of this timeline, in frames.
    pub(crate) fn frames_at(&self, time: Micros) -> f64 {
        let epoch = self.epoch.unwrap_or(time);
        // A packet can arrive before the first callback, so the difference may be negative.
        (time.0 as f64 - epoch.0 as f64) * FRAMES_PER_MICRO
    }

    /// Frames taken before this call.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The offset of the last complete window.
    pub(crate) fn offset(&self) -> Option<f64> {
        self.offset
    }

    /// How many frames later than usual a call at `now` is; 0 until that is known.
    pub(crate) fn lateness(&self, now: Micros) -> f64 {
        self.offset.map_or(0.0, |offset| (self.frames_at(now) - self.taken as f64 - offset).max(0.0))
    }

    /// The frames that the host lost, if that was noticed at once; otherwise they are a step of a window.
    pub(crate) fn slip(&self) -> Option<Slip> {
        self.slip
    }

    /// Begins a call at `now`, with which a window may end. `period` is the usual call's length in frames.
    pub(crate) fn begin(&mut self, now: Micros, period: f64) -> Option<HostWindow> {
        if self.epoch.is_none() {
            self.epoch = Some(now);
            self.window_start = now;
        }
        let length = now.since(self.window_start);
        let window = (length >= WINDOW && self.calls >= CALLS).then(|| self.close(length, period));
        if window.is_some() {
            self.window_start = now;
            self.calls = 0;
            self.lowest = f64::INFINITY;
        }
        let behind = self.frames_at(now) - self.taken as f64;
        if let Some(lost) = self.lost_frames(behind) {
            let total = self.slip.map_or(0.0, |slip| slip.total) + lost;
            self.slip = Some(Slip { total, at: now });
            self.offset = self.offset.map(|offset| offset + lost);
            (self.calls, self.lowest) = (0, f64::INFINITY);
        }
        self.calls += 1;
        self.lowest = self.lowest.min(behind);
        window
    }

    /// A call begins this far behind the frames taken. Returns the frames that the host lost, once enough calls agree.
    fn lost_frames(&mut self, behind: f64) -> Option<f64> {
        let late = behind - self.offset?;
        if late < NOISE {
            self.late_calls.clear();
            return None;
        }
        self.late_calls.push(late);
        (self.late_calls.count >= ALIKE_CALLS).then(|| std::mem::take(&mut self.late_calls).low)
    }

    fn close(&mut self, length: Micros, period: f64) -> HostWindow {
        let offset = self.lowest;
        let moved = self.offset.map_or(0.0, |before| offset - before);
        let noise = NOISE.max(period / 2.0);
        self.offset = Some(offset);
        HostWindow { offset, step: if moved.abs() >= noise { moved } else { 0.0 }, length: frames_in(length) }
    }

    /// The call took `frames` frames.
    pub(crate) fn take(&mut self, frames: usize) {
        self.taken += frames as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(timeline: &mut HostTimeline, from: u64, calls: u64, late: impl Fn(u64) -> u64) -> Vec<HostWindow> {
        let mut windows = Vec::new();
        for call in 0..calls {
            windows.extend(timeline.begin(Micros(from + call * 4000 / 3 + late(call)), 64.0));
            timeline.take(64);
        }
        windows
    }

    /// Late callbacks do not move the timeline.
    #[test]
    fn late_callbacks_keep_the_timeline() {
        let mut timeline = HostTimeline::new();
        let windows = run(&mut timeline, 5000, 3000, |call| if call % 3 == 0 { 0 } else { call * 37 % 1200 });
        assert!(windows.len() > 15);
        assert!(windows.iter().all(|w| w.step == 0.0 && w.offset.abs() < 0.2), "{windows:?}");
    }

    /// Lost frames are recognised at the third call.
    #[test]
    fn third_call_shows_lost_frames() {
        for lost_us in [1000, 4000, 30_000] {
            let mut timeline = HostTimeline::new();
            run(&mut timeline, 0, 1500, |_| 0);
            assert_eq!(timeline.slip(), None);
            let restart = 2_000_000 + lost_us;
            let windows = run(&mut timeline, restart, 1500, |_| 0);
            let slip = timeline.slip().expect("frames were lost");
            assert!((slip.total - lost_us as f64 * 0.048).abs() < 1.0, "{slip:?}");
            assert!(slip.at <= Micros(restart + 3000), "{slip:?}");
            assert!(windows.iter().skip(1).all(|w| w.step == 0.0), "{windows:?}");
        }
    }

    /// Calls that catch up, or are late by different amounts, lost nothing.
    #[test]
    fn catching_up_loses_no_frames() {
        let mut timeline = HostTimeline::new();
        run(&mut timeline, 0, 3000, |call| (10_000 - (call % 750 * 4000 / 3) as i64).max(0) as u64);
        run(&mut timeline, 4_000_000, 3000, |call| call * 1700 % 5000);
        assert_eq!(timeline.slip(), None);
    }
}
