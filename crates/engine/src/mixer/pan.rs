//! The pan law: constant power, exact at its ends.

use crate::level::Pan;
use core::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_4};
use rtjam_protocol::audio::Layout;

/// The gains of a channel in the left and the right side.
///
/// (cos θ, sin θ) with θ from 0 (left) to π/2 (right): constant power, −3 dB at the centre. At the ends the gains are exactly
/// 1 and 0, so that a stereo pair with default pans passes bit for bit.
pub(crate) fn sides(pan: Pan) -> [f32; 2] {
    let position = pan.position();
    if position <= -1.0 {
        [1.0, 0.0]
    } else if position >= 1.0 {
        [0.0, 1.0]
    } else if position == 0.0 {
        [FRAC_1_SQRT_2, FRAC_1_SQRT_2]
    } else {
        let (sin, cos) = ((position + 1.0) * FRAC_PI_4).sin_cos();
        [cos, sin]
    }
}

/// The pan of a channel (0 or 1) that the user did not move.
pub(crate) fn default_pan(layout: Layout, channel: usize) -> Pan {
    match (layout, channel) {
        (Layout::DualMono, _) => Pan::CENTRE,
        (Layout::Stereo, 0) => Pan::LEFT,
        (Layout::Stereo, _) => Pan::RIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The power is the same for all pans, and each side is −3 dB at the centre.
    #[test]
    fn power_is_constant() {
        for i in -20..=20 {
            let [l, r] = sides(Pan::new(i as f32 / 20.0));
            assert!((l * l + r * r - 1.0).abs() < 1e-6);
        }
        let [l, r] = sides(Pan::CENTRE);
        assert_eq!(l, r);
        assert!((20.0 * l.log10() + 3.01).abs() < 0.01);
    }

    /// A stereo pair lies exactly left and right by default.
    #[test]
    fn stereo_defaults_are_exact() {
        assert_eq!(sides(default_pan(Layout::Stereo, 0)), [1.0, 0.0]);
        assert_eq!(sides(default_pan(Layout::Stereo, 1)), [0.0, 1.0]);
    }
}
