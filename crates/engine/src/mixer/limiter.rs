//! The limiter of a voice and of a room sum.

/// Keeps a stereo pair at or below −1 dBFS, without look-ahead and so without delay.
///
/// Samples above the ceiling are clipped one by one. The gain reacts only to peaks that take an eighth of a millisecond
/// within one millisecond: it falls at once by what those samples have in common, and recovers smoothly. So a single click
/// does not affect other samples, however loud it is and however often it comes. Both sides share the gain, so the stereo
/// image does not move. While nothing exceeds the ceiling, samples pass bit for bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    gain: f32,
    /// Share of the missing gain that recovers per frame.
    release: f32,
    /// The most recent frames above the ceiling; only `sustained` places are used.
    overs: [Over; MOST_OVERS],
    /// This many frames above the ceiling within `window` frames reduce the gain.
    sustained: usize,
    window: u64,
    /// The place of the oldest of them.
    oldest: usize,
    /// Frames so far; starts at `window`.
    frame: u64,
}

/// A frame above the ceiling.
#[derive(Clone, Copy, Debug)]
struct Over {
    frame: u64,
    /// Magnitude of its louder side, before any gain.
    peak: f32,
}

/// An eighth of a millisecond at 192 kHz.
const MOST_OVERS: usize = 24;

impl Limiter {
    /// −1 dBFS.
    pub(crate) const CEILING: f32 = 0.891_250_94;
    /// The release's time constant, in seconds: too long to follow a bass note's waveform.
    const RELEASE_TIME: f32 = 0.15;
    /// A gain this close to 1 (0.01 dB) becomes 1.
    const UNITY: f32 = 0.999;

    pub(crate) fn new(rate: u32) -> Limiter {
        let window = u64::from(rate / 1000).max(1);
        Limiter {
            gain: 1.0,
            release: 1.0 / (Self::RELEASE_TIME * rate as f32),
            overs: [Over { frame: 0, peak: 0.0 }; MOST_OVERS],
            sustained: rate.div_ceil(8000).clamp(2, MOST_OVERS as u32) as usize,
            window,
            oldest: 0,
            frame: window,
        }
    }

    /// Whether the gain is reduced at the moment.
    pub(crate) fn is_active(&self) -> bool {
        self.gain < 1.0
    }

    /// Processes two slices of the same length. Audio thread.
    pub(crate) fn process(&mut self, left: &mut [f32], right: &mut [f32]) {
        let top = left.iter().chain(right.iter()).fold(0.0_f32, |m, s| m.max(s.abs()));
        if top <= Self::CEILING && self.gain == 1.0 {
            self.frame += left.len() as u64;
            return;
        }
        for (l, r) in left.iter_mut().zip(right) {
            self.frame += 1;
            let peak = l.abs().max(r.abs());
            self.gain += (1.0 - self.gain) * self.release;
            if self.gain > Self::UNITY {
                self.gain = 1.0;
            }
            if peak * self.gain > Self::CEILING {
                self.gain = self.gain.min(self.bearable(peak));
            }
            if self.gain < 1.0 || peak > Self::CEILING {
                *l = (*l * self.gain).clamp(-Self::CEILING, Self::CEILING);
                *r = (*r * self.gain).clamp(-Self::CEILING, Self::CEILING);
            }
        }
    }

    /// Records a frame above the ceiling. Returns the gain that brings the recent ones to the ceiling, except the loudest; 1 if
    /// they are few.
    fn bearable(&mut self, peak: f32) -> f32 {
        self.overs[self.oldest] = Over { frame: self.frame, peak };
        self.oldest = (self.oldest + 1) % self.sustained;
        let overs = &self.overs[..self.sustained];
        if self.frame - overs[self.oldest].frame >= self.window {
            return 1.0;
        }
        Self::CEILING / overs.iter().fold(peak, |least, over| least.min(over.peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32) -> Vec<f32> {
        (0..48_000).map(|i| amplitude * (i as f32 * 0.09).sin()).collect()
    }

    fn top(sound: &[f32]) -> f32 {
        sound.iter().fold(0.0_f32, |m, s| m.max(s.abs()))
    }

    /// Below the ceiling every bit passes.
    #[test]
    fn quiet_sound_passes_exactly() {
        let (mut l, mut r) = (sine(0.89), sine(-0.2));
        let before = (l.clone(), r.clone());
        Limiter::new(48_000).process(&mut l, &mut r);
        assert_eq!((l, r), before);
    }

    /// Nothing exceeds −1 dBFS, at any rate and level.
    #[test]
    fn output_stays_below_ceiling() {
        for rate in [8_000, 44_100, 48_000, 192_000] {
            for amplitude in [0.9, 1.0, 3.0, 128.0, 1e30] {
                let (mut l, mut r) = (sine(amplitude), sine(0.5));
                let mut limiter = Limiter::new(rate);
                for (l, r) in l.chunks_mut(64).zip(r.chunks_mut(64)) {
                    limiter.process(l, r);
                }
                assert!(top(&l).max(top(&r)) <= Limiter::CEILING, "{rate} {amplitude}");
                // Peaks of a few samples are clipped and do not reduce the gain.
                assert!(limiter.is_active() || amplitude < 1.0, "{rate} {amplitude}");
            }
        }
    }

    /// A tone that stays 6 dB above the ceiling is reduced as a whole, and not clipped.
    #[test]
    fn loud_tone_keeps_its_shape() {
        let (mut l, mut r) = (sine(2.0 * Limiter::CEILING), sine(0.0));
        Limiter::new(48_000).process(&mut l, &mut r);
        let (heard, tone) = (&l[24_000..], &sine(Limiter::CEILING)[24_000..]);
        let error: f32 = heard.iter().zip(tone).map(|(h, t)| (h - t).powi(2)).sum();
        let power: f32 = tone.iter().map(|t| t * t).sum();
        let db = 10.0 * (error / power).log10();
        assert!(db < -35.0, "{db} dB");
    }

    /// Single clicks of any loudness leave all other samples unchanged, bit for bit.
    #[test]
    fn clicks_leave_other_samples_alone() {
        for (rate, every) in [(48_000, 16), (48_000, 64), (96_000, 32), (8_000, 8)] {
            let (mut l, mut r) = (sine(0.5), sine(0.4));
            let clicks: Vec<usize> = (0..l.len()).step_by(every).collect();
            clicks.iter().for_each(|&i| l[i] = 128.0);
            let mut limiter = Limiter::new(rate);
            for (l, r) in l.chunks_mut(64).zip(r.chunks_mut(64)) {
                limiter.process(l, r);
            }
            assert!(!limiter.is_active(), "{rate} {every}");
            let clean = sine(0.5);
            for (i, s) in l.iter().enumerate() {
                assert_eq!(*s, if i % every == 0 { Limiter::CEILING } else { clean[i] }, "{rate} {every}: {i}");
            }
        }
    }

    /// After a peak the gain recovers, and sound passes bit for bit again.
    #[test]
    fn gain_recovers_to_exact_unity() {
        let mut limiter = Limiter::new(48_000);
        limiter.process(&mut [2.0; 48], &mut [0.0; 48]);
        assert!(limiter.is_active());
        for _ in 0..200 {
            limiter.process(&mut sine(0.3)[..480], &mut sine(0.3)[..480]);
        }
        let (mut l, mut r) = (sine(0.8), sine(0.8));
        limiter.process(&mut l, &mut r);
        assert_eq!(l, sine(0.8));
        assert!(!limiter.is_active());
    }
}
