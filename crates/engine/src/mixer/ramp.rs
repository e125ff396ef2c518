//! Gain ramps: changes without zipper noise.

/// A gain that moves to its target linearly within [`Ramp::MS`], and then equals it exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    now: f32,
    target: f32,
    step: f32,
    left: u32,
}

impl Ramp {
    /// Duration of a change, in milliseconds.
    pub(crate) const MS: u32 = 15;

    /// A ramp at rest at `gain`.
    pub(crate) const fn at(gain: f32) -> Ramp {
        Ramp { now: gain, target: gain, step: 0.0, left: 0 }
    }

    /// Moves to `target`, at `rate` frames per second. The same target again changes nothing.
    pub(crate) fn aim(&mut self, target: f32, rate: u32) {
        if target != self.target {
            let frames = (u64::from(rate) * u64::from(Self::MS) / 1000).clamp(1, u64::from(u32::MAX)) as u32;
            self.target = target;
            self.step = (target - self.now) / frames as f32;
            self.left = frames;
        }
    }

    /// The gain at rest; `None` while it moves.
    pub(crate) fn settled(&self) -> Option<f32> {
        (self.left == 0).then_some(self.now)
    }

    /// Adds `from`, scaled, to `onto`. At rest at 1 samples are added unchanged.
    pub(crate) fn add(&mut self, from: &[f32], onto: &mut [f32]) {
        match self.settled() {
            Some(0.0) => {}
            Some(1.0) => onto.iter_mut().zip(from).for_each(|(o, &s)| *o += s),
            Some(gain) => onto.iter_mut().zip(from).for_each(|(o, &s)| *o += s * gain),
            None => onto.iter_mut().zip(from).for_each(|(o, &s)| *o += s * self.next()),
        }
    }

    /// Scales `samples` in place. At rest at 1 they stay unchanged.
    pub(crate) fn apply(&mut self, samples: &mut [f32]) {
        match self.settled() {
            Some(1.0) => {}
            Some(gain) => samples.iter_mut().for_each(|s| *s *= gain),
            None => samples.iter_mut().for_each(|s| *s *= self.next()),
        }
    }

    /// Advances by `frames` frames.
    pub(crate) fn pass(&mut self, frames: usize) {
        for _ in 0..frames.min(self.left as usize) {
            self.next();
        }
    }

    fn next(&mut self) -> f32 {
        if self.left > 0 {
            self.left -= 1;
            self.now = if self.left == 0 { self.target } else { self.now + self.step };
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change has no step, and ends exactly at its target.
    #[test]
    fn change_is_smooth_and_exact() {
        let mut ramp = Ramp::at(0.0);
        ramp.aim(1.0, 48_000);
        let mut out = vec![0.0; 1000];
        ramp.add(&[1.0; 1000], &mut out);
        let widest = out.windows(2).map(|w| w[1] - w[0]).fold(0.0_f32, f32::max);
        assert!(widest < 2.0 / 720.0, "{widest}");
        assert!(out.windows(2).all(|w| w[1] >= w[0]));
        assert_eq!(ramp.settled(), Some(1.0));
        let odd = [0.1, -0.3, 1.7e-9];
        let mut same = odd;
        ramp.apply(&mut same);
        assert_eq!(same, odd);
    }

    /// A change in the middle of a ramp begins at the current gain.
    #[test]
    fn reversal_starts_at_current_gain() {
        let mut ramp = Ramp::at(1.0);
        ramp.aim(0.0, 48_000);
        let mut half = [1.0; 360];
        ramp.apply(&mut half);
        ramp.aim(1.0, 48_000);
        let mut back = [1.0; 1];
        ramp.apply(&mut back);
        assert!((back[0] - half[359]).abs() < 0.01);
    }
}
