//! How the host's callbacks lie in time.

use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// Frames at 48 kHz a microsecond.
const FRAMES_A_MICRO: f64 = WIRE_RATE as f64 / 1e6;

/// A measurement takes so long, and at least [`CALLS`] calls.
const WINDOW: Micros = Micros::from_millis(200);
const CALLS: u32 = 4;

/// A step of the timeline smaller than this (in frames) is scheduling noise.
const NOISE: f64 = 24.0;

/// So many calls in a row that are late alike (to a quarter of a millisecond, in frames) show that frames were lost: calls
/// that are only held up are less late from one to the next.
const ALIKE_CALLS: u32 = 3;
const ALIKE: f64 = 12.0;

/// Relates the frames that callbacks took to the clock. Audio thread.
///
/// Callbacks come late, never early, so the earliest of a window tells where they belong: the smallest
/// of (time − frames taken). The same holds for packets (see [`super::voice`]), and the difference of
/// the two extremes moves only when clocks differ or somebody lost frames.
pub(crate) struct HostTimeline {
    epoch: Option<Micros>,
    taken: u64,
    begun: Micros,
    calls: u32,
    lowest: f64,
    offset: Option<f64>,
    late: LateCalls,
    slip: Option<Slip>,
}

/// Calls in a row that are late, one like the other.
#[derive(Clone, Copy, Default)]
struct LateCalls {
    count: u32,
    low: f64,
    high: f64,
}

/// Frames that the host lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slip {
    /// How many have been lost, at 48 kHz, since the timeline began.
    pub(crate) total: f64,
    /// When that was noticed.
    pub(crate) at: Micros,
}

/// What a window found, in frames at 48 kHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostWindow {
    /// Time minus frames taken, of the promptest callback.
    pub(crate) offset: f64,
    /// By how much that moved since the window before; 0 when it is noise. Positive: the host left out
    /// frames (an xrun, a sleep). Negative: it took more than time allows.
    pub(crate) step: f64,
    /// The window's length.
    pub(crate) length: f64,
}

impl HostTimeline {
    pub(crate) fn new() -> HostTimeline {
        HostTimeline {
            epoch: None,
            taken: 0,
            begun: Micros::ZERO,
            calls: 0,
            lowest: f64::INFINITY,
            offset: None,
            late: LateCalls::default(),
            slip: None,
        }
    }

    /// A time on the scale of this timeline, in frames.
    pub(crate) fn frames_at(&self, time: Micros) -> f64 {
        let epoch = self.epoch.unwrap_or(time);
        // Either may be the later: a packet can arrive before the first callback.
        (time.0 as f64 - epoch.0 as f64) * FRAMES_A_MICRO
    }

    /// Frames taken before this call.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The offset of the last whole window.
    pub(crate) fn offset(&self) -> Option<f64> {
        self.offset
    }

    /// By how many frames a call at `now` comes later than calls usually do; 0 until that is known.
    pub(crate) fn lateness(&self, now: Micros) -> f64 {
        self.offset.map_or(0.0, |offset| (self.frames_at(now) - self.taken as f64 - offset).max(0.0))
    }

    /// The frames that the host lost, where that was noticed at once; what is not is a step of a window.
    pub(crate) fn slip(&self) -> Option<Slip> {
        self.slip
    }

    /// Begins a call at `now`; a window may end with it. `period` is the usual call's length in frames.
    pub(crate) fn begin(&mut self, now: Micros, period: f64) -> Option<HostWindow> {
        if self.epoch.is_none() {
            self.epoch = Some(now);
            self.begun = now;
        }
        let length = now.since(self.begun);
        let window = (length >= WINDOW && self.calls >= CALLS).then(|| self.close(length, period));
        if window.is_some() {
            self.begun = now;
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

    /// A call begins this far behind the frames taken: what the host has lost, once enough calls say the same.
    fn lost_frames(&mut self, behind: f64) -> Option<f64> {
        let late = behind - self.offset?;
        if late < NOISE {
            self.late.count = 0;
            return None;
        }
        let LateCalls { count, low, high } = self.late;
        let alike = count > 0 && late <= low + ALIKE && late >= high - ALIKE;
        self.late = if alike {
            LateCalls { count: count + 1, low: low.min(late), high: high.max(late) }
        } else {
            LateCalls { count: 1, low: late, high: late }
        };
        let LateCalls { count, low, .. } = self.late;
        (count >= ALIKE_CALLS).then(|| {
            self.late.count = 0;
            low
        })
    }

    fn close(&mut self, length: Micros, period: f64) -> HostWindow {
        let offset = self.lowest;
        let moved = self.offset.map_or(0.0, |before| offset - before);
        let noise = NOISE.max(period / 2.0);
        self.offset = Some(offset);
        HostWindow {
            offset,
            step: if moved.abs() >= noise { moved } else { 0.0 },
            length: length.0 as f64 * FRAMES_A_MICRO,
        }
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

    #[test]
    fn late_callbacks_do_not_move_the_timeline() {
        let mut timeline = HostTimeline::new();
        let windows = run(&mut timeline, 5000, 3000, |call| if call % 3 == 0 { 0 } else { call * 37 % 1200 });
        assert!(windows.len() > 15);
        assert!(windows.iter().all(|w| w.step == 0.0 && w.offset.abs() < 0.2), "{windows:?}");
    }

    #[test]
    fn lost_frames_are_known_with_the_third_call() {
        for lost_us in [1000, 4000, 30_000] {
            let mut timeline = HostTimeline::new();
            run(&mut timeline, 0, 1500, |_| 0);
            assert_eq!(timeline.slip(), None);
            let again = 2_000_000 + lost_us;
            let windows = run(&mut timeline, again, 1500, |_| 0);
            let slip = timeline.slip().expect("frames were lost");
            assert!((slip.total - lost_us as f64 * 0.048).abs() < 1.0, "{slip:?}");
            assert!(slip.at <= Micros(again + 3000), "{slip:?}");
            assert!(windows.iter().skip(1).all(|w| w.step == 0.0), "{windows:?}");
        }
    }

    /// Calls that catch up, or come late one unlike the other, have lost nothing.
    #[test]
    fn calls_that_catch_up_have_lost_nothing() {
        let mut timeline = HostTimeline::new();
        run(&mut timeline, 0, 3000, |call| (10_000 - (call % 750 * 4000 / 3) as i64).max(0) as u64);
        run(&mut timeline, 4_000_000, 3000, |call| call * 1700 % 5000);
        assert_eq!(timeline.slip(), None);
    }
}
