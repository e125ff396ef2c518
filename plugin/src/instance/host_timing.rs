//! The timing of the host's calls: whether it calls at all, with audio, and no faster than real time.

use rtjam_protocol::Micros;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Without a call for this long, the host is paused. Many times the longest block at 44.1 kHz.
const PAUSE: Micros = Micros::from_secs(1);

/// After this many calls without audio, the host has left out the plugin's outputs.
const FLUSHES: u32 = 20;

/// The times of the host's calls. The audio thread writes, any thread reads.
#[derive(Debug, Default)]
pub(super) struct CallMonitor {
    /// In µs; 0: no call since activation.
    last: AtomicU64,
    /// Calls without audio since the last one with audio.
    flushes: AtomicU32,
    last_flush: AtomicU64,
}

impl CallMonitor {
    /// Main thread, at activation.
    pub(super) fn restart(&self) {
        self.last.store(0, Relaxed);
        self.flushes.store(0, Relaxed);
    }

    /// Audio thread. Notes a call with audio.
    pub(super) fn note(&self, now: Micros) {
        self.last.store(now.0.max(1), Relaxed);
        self.flushes.store(0, Relaxed);
    }

    /// Notes a call without audio.
    pub(super) fn note_flush(&self, now: Micros) {
        self.last_flush.store(now.0, Relaxed);
        // Two concurrent calls may count as one, which is harmless.
        self.flushes.store(self.flushes.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Whether the host plays.
    pub(super) fn is_playing(&self, now: Micros) -> bool {
        let last = Micros(self.last.load(Relaxed));
        last.0 != 0 && now.since(last) < PAUSE
    }

    /// Whether the host calls, but without audio.
    pub(super) fn is_left_out(&self, now: Micros) -> bool {
        let recent = now.since(Micros(self.last_flush.load(Relaxed))) < PAUSE;
        !self.is_playing(now) && recent && self.flushes.load(Relaxed) >= FLUSHES
    }
}

/// A lead over real time that grows by more than this, in µs and in blocks, within a window is a burst.
const BURST: f64 = 20_000.0;
const BURST_BLOCKS: f64 = 3.0;

/// The last ten windows of a second, the newest in the lowest bit. With this many bursts the host renders ahead; a busy
/// machine causes single ones.
const WINDOW: Micros = Micros::from_secs(1);
const WINDOWS: u32 = 0x3ff;
const TOO_MANY: u32 = 5;

/// Detects a host that renders ahead of time: it renders several blocks at once, then pauses. Audio thread.
#[derive(Debug, Default)]
pub(super) struct BurstDetector {
    last: Option<Micros>,
    window_began: Micros,
    /// Duration of the rendered audio minus the elapsed time, in µs, and its minimum in this window.
    lead: f64,
    least: f64,
    burst: bool,
    windows: u32,
}

impl BurstDetector {
    /// Notes a call for `frames` frames at `rate` Hz. Returns whether the host renders ahead.
    pub(super) fn note(&mut self, now: Micros, frames: usize, rate: u32) -> bool {
        let duration = frames as f64 * 1e6 / f64::from(rate.max(1));
        match self.last.map(|last| now.since(last)) {
            Some(passed) if passed < PAUSE => self.lead -= passed.0 as f64,
            _ => *self = BurstDetector { window_began: now, windows: self.windows, ..BurstDetector::default() },
        }
        self.last = Some(now);
        self.least = self.least.min(self.lead);
        // With a steady host the lead is that of the block before.
        self.burst |= self.lead - self.least > BURST.max(BURST_BLOCKS * duration);
        self.lead += duration;
        if now.since(self.window_began) >= WINDOW {
            self.windows = (self.windows << 1 | u32::from(self.burst)) & WINDOWS;
            (self.window_began, self.burst, self.least) = (now, false, f64::INFINITY);
        }
        self.windows.count_ones() >= TOO_MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether bursts of `burst` calls of 128 frames at 48 kHz are detected within `seconds`.
    fn ahead(burst: u64, jitter: u64, seconds: u64) -> bool {
        let (mut bursts, mut ahead) = (BurstDetector::default(), false);
        for call in 0..seconds * 375 {
            let due = call / burst * burst * 8_000 / 3;
            let late = if call % 7 == 0 { jitter } else { 0 };
            ahead = bursts.note(Micros(1_000_000 + due + late), 128, 48_000);
        }
        ahead
    }

    #[test]
    fn bursts_are_detected() {
        assert!(!ahead(1, 0, 20));
        // Two blocks at once, and late calls.
        assert!(!ahead(2, 2_500, 20));
        assert!(!ahead(3, 0, 20));
        // 100 ms ahead.
        assert!(ahead(37, 0, 7));
    }

    #[test]
    fn steady_host_clears_detection() {
        let mut bursts = BurstDetector::default();
        for call in 0..37 * 80 {
            bursts.note(Micros(1_000_000 + call / 37 * 98_667), 128, 48_000);
        }
        let from = 1_000_000 + 80 * 98_667;
        let told: Vec<bool> = (0..375 * 12).map(|c| bursts.note(Micros(from + c * 8_000 / 3), 128, 48_000)).collect();
        assert!(told[0] && !told[told.len() - 1]);
    }

    #[test]
    fn second_without_call_is_pause() {
        let calls = CallMonitor::default();
        let second = |s: u64| Micros::from_secs(s);
        assert!(!calls.is_playing(second(5)));
        calls.note(second(5));
        assert!(calls.is_playing(Micros(5_900_000)));
        assert!(!calls.is_playing(second(6)));
        calls.restart();
        assert!(!calls.is_playing(second(5)));
    }

    #[test]
    fn flushing_host_leaves_outputs_out() {
        let calls = CallMonitor::default();
        let at = |ms: u64| Micros::from_millis(5_000 + ms);
        (0..FLUSHES).for_each(|_| calls.note_flush(at(0)));
        assert!(calls.is_left_out(at(10)));
        // Edits while nothing plays are flushed, too, but not permanently.
        assert!(!calls.is_left_out(at(2_000)));
        calls.note(at(20));
        assert!(!calls.is_left_out(at(30)));
    }
}
