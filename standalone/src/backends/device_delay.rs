//! Measures the delay of cpal's devices from the timestamps of their callbacks.

use cpal::{InputCallbackInfo, OutputCallbackInfo};
use rtjam_ui::audio::DeviceDelay;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// Share of a new measurement in the average: timestamps vary by some hundred µs.
const SHARE: f32 = 1.0 / 64.0;

/// Longer than any device's delay.
const LONGEST_MS: f32 = 1000.0;

/// The average delays, written by the audio threads.
#[derive(Debug)]
pub(super) struct DelayMeter {
    capture: Average,
    /// From the input's callback to the output's.
    between: Average,
    playback: Average,
    start: Instant,
    /// When the input's callback ran last, in µs since `start`.
    input_at: AtomicU64,
    /// Frames of that call.
    input_frames: AtomicU32,
}

impl DelayMeter {
    pub(super) fn new() -> DelayMeter {
        let [capture, between, playback] = [const { Average::unknown() }; 3];
        let (input_at, input_frames) = (AtomicU64::new(0), AtomicU32::new(0));
        DelayMeter { capture, between, playback, start: Instant::now(), input_at, input_frames }
    }

    /// Input thread. A callback with `frames` frames, whose first was captured first.
    pub(super) fn note_input(&self, info: &InputCallbackInfo, frames: usize) {
        let times = info.timestamp();
        self.capture.add(times.callback.checked_duration_since(times.capture).map(|delay| delay.as_secs_f32()));
        self.input_at.store(self.start.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.input_frames.store(frames as u32, Ordering::Relaxed);
    }

    /// Output thread.
    pub(super) fn note_output(&self, info: &OutputCallbackInfo) {
        let times = info.timestamp();
        self.playback.add(times.playback.checked_duration_since(times.callback).map(|delay| delay.as_secs_f32()));
    }

    /// Output thread. `waiting` frames at `rate` Hz are between the two callbacks.
    pub(super) fn note_between(&self, waiting: usize, rate: u32) {
        let elapsed = self.start.elapsed().as_micros() as u64;
        let since = elapsed.saturating_sub(self.input_at.load(Ordering::Relaxed)) as f32 / 1e6;
        // The first waiting frame is older than the first of the last call.
        let older = waiting as f32 - self.input_frames.load(Ordering::Relaxed) as f32;
        self.between.add(Some((since + older / rate as f32).max(0.0)));
    }

    /// Any thread. `None` until both devices have run, and where there is no input.
    pub(super) fn delay(&self) -> Option<DeviceDelay> {
        let input_ms = self.capture.ms()? + self.between.ms()?;
        Some(DeviceDelay { input_ms, output_ms: self.playback.ms()? })
    }
}

/// An average in ms as the bits of an `f32`; a NaN is unknown. One thread writes it.
#[derive(Debug)]
struct Average(AtomicU32);

impl Average {
    const fn unknown() -> Average {
        Average(AtomicU32::new(f32::NAN.to_bits()))
    }

    fn ms(&self) -> Option<f32> {
        Some(f32::from_bits(self.0.load(Ordering::Relaxed))).filter(|ms| ms.is_finite())
    }

    /// Leaves out what no device can need: its stream stands still, or its driver does not know the time.
    fn add(&self, seconds: Option<f32>) {
        let Some(measured) = seconds.map(|seconds| seconds * 1000.0).filter(|ms| *ms < LONGEST_MS) else { return };
        let ms = self.ms().map_or(measured, |ms| ms + (measured - ms) * SHARE);
        self.0.store(ms.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpal::{InputStreamTimestamp, OutputStreamTimestamp, StreamInstant};

    #[test]
    fn delays_add_up() {
        let at = StreamInstant::from_millis;
        let meter = DelayMeter::new();
        for period in 0..200 {
            let now = 1000 + 3 * period;
            let output = OutputStreamTimestamp { callback: at(now), playback: at(now + 6) };
            meter.note_output(&OutputCallbackInfo::new(output));
            assert_eq!(meter.delay().is_some(), period > 0);
            let input = InputStreamTimestamp { callback: at(now), capture: at(now - 4) };
            meter.note_input(&InputCallbackInfo::new(input), 96);
            // Two periods wait, of which one has just come: 2 ms, and what the test takes.
            meter.note_between(192, 48_000);
        }
        let delay = meter.delay().expect("measured");
        assert!((5.9..7.0).contains(&delay.input_ms) && (delay.output_ms - 6.0).abs() < 0.01, "{delay:?}");
    }

    #[test]
    fn averages_settle() {
        let average = Average::unknown();
        average.add(None);
        average.add(Some(2.3));
        assert_eq!(average.ms(), None);
        for i in 0..1000 {
            average.add(Some(if i % 2 == 0 { 0.002 } else { 0.004 }));
        }
        assert!((average.ms().expect("known") - 3.0).abs() < 0.1);
    }
}
