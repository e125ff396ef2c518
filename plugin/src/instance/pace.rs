//! How steadily the host calls: whether at all, with anything to play, and no faster than sound passes.

use rtjam_protocol::Micros;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Without a call for so long the host does not play. Longer than the longest block at 44.1 kHz, many times.
const PAUSE: Micros = Micros::from_secs(1);

/// Calls without anything to play that tell that the host has left the outputs out.
const FLUSHES: u32 = 20;

/// When the host called. Written by the audio thread, read by any.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In µs; 0: never since audio began.
    last: AtomicU64,
    /// Calls with nothing to play since the last one with something.
    flushes: AtomicU32,
    last_flush: AtomicU64,
}

impl Calls {
    /// Audio begins anew.
    pub(super) fn restart(&self) {
        self.last.store(0, Relaxed);
        self.flushes.store(0, Relaxed);
    }

    /// Audio thread: a call.
    pub(super) fn note(&self, now: Micros) {
        self.last.store(now.0.max(1), Relaxed);
        self.flushes.store(0, Relaxed);
    }

    /// A call without anything to play.
    pub(super) fn note_flush(&self, now: Micros) {
        self.last_flush.store(now.0, Relaxed);
        // Two threads at once would count one too few, at worst.
        self.flushes.store(self.flushes.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Whether the host plays.
    pub(super) fn is_playing(&self, now: Micros) -> bool {
        let last = Micros(self.last.load(Relaxed));
        last.0 != 0 && now.since(last) < PAUSE
    }

    /// Whether the host calls but gives nothing to play.
    pub(super) fn is_left_out(&self, now: Micros) -> bool {
        let recent = now.since(Micros(self.last_flush.load(Relaxed))) < PAUSE;
        !self.is_playing(now) && recent && self.flushes.load(Relaxed) >= FLUSHES
    }
}

/// Sound taken this much faster than it passes, in µs, within a window is a burst; so are three blocks.
const BURST: f64 = 20_000.0;
const BURST_BLOCKS: f64 = 3.0;

/// Windows of a second, the newest in the lowest bit; so many of the last ten with a burst are the host's way
/// and no accident: a busy machine has one now and then.
const WINDOW: Micros = Micros::from_secs(1);
const WINDOWS: u32 = 0x3ff;
const TOO_MANY: u32 = 5;

/// Whether the host works ahead of time: it takes more sound than time passes, and rests after. Audio thread.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Micros>,
    window_began: Micros,
    /// Sound taken minus time passed, in µs, and its least in this window.
    lead: f64,
    least: f64,
    burst: bool,
    windows: u32,
}

impl Pace {
    /// A call for so many frames at `rate` Hz begins. Whether the host works ahead.
    pub(super) fn note(&mut self, now: Micros, frames: usize, rate: u32) -> bool {
        let sound = frames as f64 * 1e6 / f64::from(rate.max(1));
        match self.last.map(|last| now.since(last)) {
            Some(passed) if passed < PAUSE => self.lead -= passed.0 as f64,
            _ => *self = Pace { window_began: now, windows: self.windows, ..Pace::default() },
        }
        self.last = Some(now);
        self.least = self.least.min(self.lead);
        // A steady host is where it was one block ago.
        self.burst |= self.lead - self.least > BURST.max(BURST_BLOCKS * sound);
        self.lead += sound;
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

    /// Calls of 128 frames at 48 kHz, `burst` of them at once and then a rest, for so many seconds.
    fn ahead(burst: u64, jitter: u64, seconds: u64) -> bool {
        let (mut pace, mut ahead) = (Pace::default(), false);
        for call in 0..seconds * 375 {
            let due = call / burst * burst * 8_000 / 3;
            let late = if call % 7 == 0 { jitter } else { 0 };
            ahead = pace.note(Micros(1_000_000 + due + late), 128, 48_000);
        }
        ahead
    }

    #[test]
    fn a_host_that_works_in_bursts_is_found_and_a_steady_one_is_not() {
        assert!(!ahead(1, 0, 20));
        // Two periods at once, and calls that come late.
        assert!(!ahead(2, 2_500, 20));
        assert!(!ahead(3, 0, 20));
        // 100 ms ahead of time.
        assert!(ahead(37, 0, 7));
    }

    #[test]
    fn a_host_that_is_steady_again_is_forgiven() {
        let mut pace = Pace::default();
        for call in 0..37 * 80 {
            pace.note(Micros(1_000_000 + call / 37 * 98_667), 128, 48_000);
        }
        let from = 1_000_000 + 80 * 98_667;
        let told: Vec<bool> = (0..375 * 12).map(|c| pace.note(Micros(from + c * 8_000 / 3), 128, 48_000)).collect();
        assert!(told[0] && !told[told.len() - 1]);
    }

    #[test]
    fn a_second_without_a_call_is_a_pause() {
        let calls = Calls::default();
        let second = |s: u64| Micros::from_secs(s);
        assert!(!calls.is_playing(second(5)));
        calls.note(second(5));
        assert!(calls.is_playing(Micros(5_900_000)));
        assert!(!calls.is_playing(second(6)));
        calls.restart();
        assert!(!calls.is_playing(second(5)));
    }

    #[test]
    fn a_host_that_only_flushes_has_left_the_outputs_out() {
        let calls = Calls::default();
        let at = |ms: u64| Micros::from_millis(5_000 + ms);
        (0..FLUSHES).for_each(|_| calls.note_flush(at(0)));
        assert!(calls.is_left_out(at(10)));
        // An editor's edits while nothing plays are flushed too, but not for ever.
        assert!(!calls.is_left_out(at(2_000)));
        calls.note(at(20));
        assert!(!calls.is_left_out(at(30)));
    }
}
