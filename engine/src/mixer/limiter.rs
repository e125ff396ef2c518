//! The limiter on the room sum.

/// Keeps a stereo pair at or under −1 dBFS, without look-ahead and so without delay.
///
/// The gain falls at once, on the very sample that would go over, and comes back smoothly. Both sides
/// share it, so that the image does not move. While nothing goes over, samples pass bit for bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    gain: f32,
    /// Share of the missing gain that comes back a frame.
    release: f32,
}

impl Limiter {
    /// −1 dBFS.
    pub(crate) const CEILING: f32 = 0.891_250_94;
    /// The release's time constant, in seconds: long enough not to follow a bass note's waveform.
    const RELEASE_TIME: f32 = 0.15;
    /// A gain this near to 1 (0.01 dB) is 1.
    const UNITY: f32 = 0.999;

    pub(crate) fn new(rate: u32) -> Limiter {
        Limiter { gain: 1.0, release: 1.0 / (Self::RELEASE_TIME * rate as f32) }
    }

    /// Whether it turns the sum down now.
    pub(crate) fn is_active(&self) -> bool {
        self.gain < 1.0
    }

    /// Works on two slices of the same length. Audio thread.
    pub(crate) fn process(&mut self, left: &mut [f32], right: &mut [f32]) {
        let top = left.iter().chain(right.iter()).fold(0.0_f32, |m, s| m.max(s.abs()));
        if top <= Self::CEILING && self.gain == 1.0 {
            return;
        }
        for (l, r) in left.iter_mut().zip(right) {
            let peak = l.abs().max(r.abs());
            self.gain += (1.0 - self.gain) * self.release;
            if self.gain > Self::UNITY {
                self.gain = 1.0;
            }
            if peak * self.gain > Self::CEILING {
                self.gain = Self::CEILING / peak;
            }
            if self.gain < 1.0 {
                // The cut takes what rounding may leave over.
                *l = (*l * self.gain).clamp(-Self::CEILING, Self::CEILING);
                *r = (*r * self.gain).clamp(-Self::CEILING, Self::CEILING);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32) -> Vec<f32> {
        (0..48_000).map(|i| amplitude * (i as f32 * 0.09).sin()).collect()
    }

    #[test]
    fn under_the_ceiling_every_bit_passes() {
        let (mut l, mut r) = (sine(0.89), sine(-0.2));
        let before = (l.clone(), r.clone());
        Limiter::new(48_000).process(&mut l, &mut r);
        assert_eq!((l, r), before);
    }

    #[test]
    fn nothing_goes_over_minus_one_dbfs() {
        for amplitude in [0.9, 1.0, 3.0, 128.0, 1e30] {
            let (mut l, mut r) = (sine(amplitude), sine(0.5));
            let mut limiter = Limiter::new(48_000);
            for (l, r) in l.chunks_mut(64).zip(r.chunks_mut(64)) {
                limiter.process(l, r);
            }
            let top = l.iter().chain(&r).fold(0.0_f32, |m, s| m.max(s.abs()));
            assert!(top <= Limiter::CEILING, "{amplitude}: {top}");
            assert!(limiter.is_active());
        }
    }

    #[test]
    fn after_the_peak_it_becomes_transparent_again() {
        let mut limiter = Limiter::new(48_000);
        limiter.process(&mut [2.0], &mut [0.0]);
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
