//! The test tone: a quiet sine in the musician's own outputs, so that they hear whether they will hear the others. It is
//! added after the engine, so it never reaches the room. It ends by itself.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Hz.
const PITCH: f64 = 440.0;

/// Peak of the sine: −20 dBFS.
const PEAK: f64 = 0.1;

const SECONDS: u32 = 3;

/// Length of each fade, as a fraction of a second.
const FADE: u32 = 50;

/// Both ends of a test tone, which is off.
pub(crate) fn test_tone() -> (ToneSwitch, TestTone) {
    let shared = Arc::new(Shared::default());
    let tone = TestTone { shared: Arc::clone(&shared), presses: 0, rate: 48_000, played: 0, left: 0 };
    (ToneSwitch { shared }, tone)
}

#[derive(Debug, Default)]
struct Shared {
    /// How often the switch was pressed.
    presses: AtomicU32,
    plays: AtomicBool,
}

/// The user's end.
#[derive(Debug)]
pub(crate) struct ToneSwitch {
    shared: Arc<Shared>,
}

impl ToneSwitch {
    /// Any thread. Starts the tone, or ends it if it plays.
    pub(crate) fn press(&self) {
        self.shared.presses.fetch_add(1, Ordering::Relaxed);
    }

    /// Any thread. Whether the tone plays.
    #[cfg(feature = "window")]
    pub(crate) fn plays(&self) -> bool {
        self.shared.plays.load(Ordering::Relaxed)
    }
}

/// The audio thread's end.
#[derive(Debug)]
pub(crate) struct TestTone {
    shared: Arc<Shared>,
    /// Presses that were obeyed.
    presses: u32,
    /// Hz.
    rate: u32,
    /// Frames since the tone began.
    played: u32,
    /// Frames until the tone ends; 0: it is off.
    left: u32,
}

impl TestTone {
    /// Main thread. Ends the tone and forgets what was pressed before, since another device may be louder. `rate` is in Hz.
    pub(crate) fn prepare(&mut self, rate: u32) {
        self.presses = self.shared.presses.load(Ordering::Relaxed);
        (self.rate, self.played, self.left) = (rate, 0, 0);
        self.shared.plays.store(false, Ordering::Relaxed);
    }

    /// Audio thread. Adds the tone to both channels, which have equal lengths.
    pub(crate) fn add_to(&mut self, [left, right]: &mut [&mut [f32]; 2]) {
        self.obey();
        if self.left == 0 {
            return;
        }
        for (l, r) in left.iter_mut().zip(right.iter_mut()) {
            let sample = self.next() as f32;
            *l += sample;
            *r += sample;
        }
        self.shared.plays.store(self.left > 0, Ordering::Relaxed);
    }

    fn obey(&mut self) {
        let presses = self.shared.presses.load(Ordering::Relaxed);
        let is_odd = presses.wrapping_sub(std::mem::replace(&mut self.presses, presses)) % 2 == 1;
        if !is_odd {
            return;
        }
        if self.left == 0 {
            (self.played, self.left) = (0, SECONDS * self.rate);
        } else {
            self.left = self.faded_in();
        }
    }

    /// Frames of a fade that correspond to the present gain.
    fn faded_in(&self) -> u32 {
        self.played.min(self.left).min(self.rate / FADE)
    }

    fn next(&mut self) -> f64 {
        if self.left == 0 {
            return 0.0;
        }
        let fade = f64::from(self.faded_in()) / f64::from(self.rate / FADE);
        let gain = 0.5 - 0.5 * (fade * PI).cos();
        let sine = (f64::from(self.played) * PITCH * TAU / f64::from(self.rate)).sin();
        self.played += 1;
        self.left -= 1;
        PEAK * gain * sine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// Adds the tone to silence for some seconds, in periods of 64 frames, and calls `each` before every period.
    fn play(tone: &mut TestTone, seconds: u32, mut each: impl FnMut(usize)) -> Vec<f32> {
        let mut heard = Vec::new();
        for period in 0..(seconds * RATE / 64) as usize {
            each(period);
            let [mut left, mut right] = [[0.0; 64]; 2];
            tone.add_to(&mut [&mut left, &mut right]);
            assert_eq!(left, right);
            heard.extend_from_slice(&left);
        }
        heard
    }

    fn peak(samples: &[f32]) -> f32 {
        samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// The highest step between two samples: a click would be higher than the sine's own.
    fn steepest(samples: &[f32]) -> f32 {
        samples.windows(2).fold(0.0, |most, pair| most.max((pair[1] - pair[0]).abs()))
    }

    #[test]
    fn tone_is_quiet_and_ends() {
        let (switch, mut tone) = test_tone();
        tone.prepare(RATE);
        assert_eq!(peak(&play(&mut tone, 1, |_| {})), 0.0);
        switch.press();
        let heard = play(&mut tone, 4, |_| {});
        let (sounding, silent) = heard.split_at(3 * RATE as usize);
        assert!((0.0999..=0.1).contains(&peak(sounding)), "{}", peak(sounding));
        assert_eq!(peak(silent), 0.0);
        let crossings = sounding.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!((1319..=1320).contains(&crossings), "{crossings} periods in 3 s");
        let steepest = steepest(&heard);
        assert!(steepest < 0.1 * 440.0 * 6.3 / RATE as f32, "a step of {steepest}");
        assert!(peak(&heard[..64]) < 0.002, "it fades in");
    }

    /// A press in the fade-in, where the gain is low, and one in the middle.
    #[test]
    fn second_press_fades_out() {
        for at in [5, 750] {
            let (switch, mut tone) = test_tone();
            tone.prepare(RATE);
            switch.press();
            let heard = play(&mut tone, 2, |period| {
                if period == at {
                    switch.press();
                }
            });
            let end = at * 64 + (RATE / FADE) as usize;
            assert_eq!(peak(&heard[end..]), 0.0, "{at}");
            assert!(peak(&heard[..end]) > 0.01, "{at}");
            assert!(steepest(&heard) < 0.1 * 440.0 * 6.3 / RATE as f32, "{at}");
        }
    }

    #[test]
    fn another_device_ends_the_tone() {
        let (switch, mut tone) = test_tone();
        tone.prepare(RATE);
        switch.press();
        assert!(peak(&play(&mut tone, 1, |_| {})) > 0.0);
        switch.press();
        tone.prepare(44_100);
        assert_eq!(peak(&play(&mut tone, 1, |_| {})), 0.0);
    }
}
