//! Linear prediction, the other common method to extrapolate a sound, for comparison only.
//!
//! Each frame is a weighted sum of the previous ones, with the weights that would have predicted the last 1024 frames best
//! (Burg, "Maximum entropy spectral analysis", 1975). It cannot represent pitches whose period is longer than its order, and
//! its cost grows with order times window: about 400,000 multiplications per channel at 128 coefficients, twenty times those
//! of the search for a matching waveform in both channels.

/// Frames from which the weights are computed.
const WINDOW: usize = 1024;

/// The engine's fades, in frames: end of the fade-out, its begin, and length of the fade-in.
const TAIL: usize = 1200;
const HOLD: usize = 720;
const RETURN: usize = 96;

/// Fills gaps of one channel.
pub struct LinearPrediction {
    order: usize,
}

impl LinearPrediction {
    /// A predictor with `order` coefficients.
    pub fn new(order: usize) -> LinearPrediction {
        LinearPrediction { order }
    }

    /// Plays `sound` without the packets marked in `lost`.
    pub fn play(&self, sound: &[f32], lost: &[bool], packet: usize) -> Vec<f32> {
        let mut out: Vec<f32> = Vec::with_capacity(sound.len());
        let mut tail = vec![0.0; TAIL];
        // Frames of the tail that were played, and of the fade-in that remain.
        let (mut heard, mut back) = (TAIL, RETURN);
        for (index, &lost) in lost.iter().enumerate() {
            let real = &sound[index * packet..(index + 1) * packet];
            if lost && back > 0 {
                (tail, heard) = (self.tail(&out), 0);
            }
            back = if lost { 0 } else { back };
            for &sample in real {
                let made = tail.get(heard).copied().unwrap_or(0.0);
                heard += 1;
                out.push(match back {
                    _ if lost => made,
                    RETURN.. => sample,
                    _ => made + (sample - made) * rise(back, RETURN),
                });
                back += usize::from(!lost);
            }
            back = back.min(RETURN + 1);
        }
        out
    }

    fn tail(&self, past: &[f32]) -> Vec<f32> {
        let window = &past[past.len() - WINDOW.min(past.len())..];
        let top = f64::from(window.iter().fold(0.0_f32, |m, s| m.max(s.abs())));
        if top == 0.0 {
            return vec![0.0; TAIL];
        }
        let weights = burg(window, self.order);
        let mut sound: Vec<f64> = window.iter().map(|s| f64::from(*s)).collect();
        for _ in 0..TAIL {
            let next: f64 = weights.iter().zip(sound.iter().rev()).map(|(w, s)| w * s).sum();
            sound.push(next.clamp(-top, top));
        }
        let faded = sound[window.len()..].iter().enumerate();
        faded.map(|(i, s)| *s as f32 * (1.0 - rise(i.saturating_sub(HOLD), TAIL - HOLD))).collect()
    }
}

/// Weights of the last frame, the one before, and so on.
fn burg(window: &[f32], order: usize) -> Vec<f64> {
    let mut forward: Vec<f64> = window.iter().map(|s| f64::from(*s)).collect();
    let mut backward = forward.clone();
    let mut weights: Vec<f64> = Vec::new();
    for m in 0..order.min(window.len() - 1) {
        let (mut product, mut power) = (0.0, 1e-12);
        for (f, b) in forward[m + 1..].iter().zip(&backward[m..]) {
            product += f * b;
            power += f * f + b * b;
        }
        let k = 2.0 * product / power;
        let reversed: Vec<f64> = weights.iter().rev().copied().collect();
        weights.iter_mut().zip(reversed).for_each(|(w, r)| *w -= k * r);
        weights.push(k);
        for i in (m + 1..window.len()).rev() {
            let (f, b) = (forward[i], backward[i - 1]);
            (forward[i], backward[i]) = (f - k * b, b - k * f);
        }
    }
    weights
}

fn rise(at: usize, whole: usize) -> f32 {
    let t = at.min(whole) as f32 / whole as f32;
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tones are predicted until the fade-out.
    #[test]
    fn tones_are_predicted() {
        let tone = |i: usize| 0.4 * (i as f32 * 0.05).sin() + 0.3 * (i as f32 * 0.21).sin();
        let past: Vec<f32> = (0..2048).map(tone).collect();
        let tail = LinearPrediction::new(128).tail(&past);
        let off = (0..HOLD).map(|i| (tail[i] - tone(2048 + i)).abs()).fold(0.0, f32::max);
        assert!(off < 0.05, "{off}");
        assert!(tail[TAIL - 1].abs() < 1e-4);
    }

    /// Audio that is not lost is unchanged.
    #[test]
    fn received_audio_is_unchanged() {
        let sound: Vec<f32> = (0..12_800).map(|i| (i as f32 * 0.03).sin()).collect();
        let mut lost = vec![false; 100];
        lost[40] = true;
        let heard = LinearPrediction::new(32).play(&sound, &lost, 128);
        assert_eq!(heard[..40 * 128], sound[..40 * 128]);
        assert_eq!(heard[42 * 128..], sound[42 * 128..]);
        assert_ne!(heard[40 * 128..41 * 128], sound[40 * 128..41 * 128]);
    }
}
