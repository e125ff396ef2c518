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
        HostTimeline { epoch: None, taken: 0, begun: Micros::ZERO, calls: 0, lowest: f64::INFINITY, offset: None }
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
        self.calls += 1;
        self.lowest = self.lowest.min(self.frames_at(now) - self.taken as f64);
        window
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
    fn left_out_frames_are_one_step() {
        let mut timeline = HostTimeline::new();
        run(&mut timeline, 0, 1500, |_| 0);
        let windows = run(&mut timeline, 2_000_000 + 30_000, 1500, |_| 0);
        let steps: Vec<f64> = windows.iter().map(|w| w.step).filter(|s| *s != 0.0).collect();
        assert_eq!(steps.len(), 1);
        assert!((steps[0] - 1440.0).abs() < 1.0, "{steps:?}");
    }
}
