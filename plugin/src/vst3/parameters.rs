//! Parameters in VST3: ids of 31 bits and values from 0 to 1. Projects and automation contain both, so the formulas never
//! change.

use rtjam_ui::params::Param;
use vst3::Steinberg::Vst::{ParamID, ParamValue};
use vst3::Steinberg::int32;

/// The id. VST3 reserves the highest bit for hosts.
pub(super) fn id(param: Param) -> ParamID {
    param.id() & 0x7fff_ffff
}

/// Number of steps in the range; 0: continuous.
pub(super) fn step_count(param: Param) -> int32 {
    int32::from(param.is_switch())
}

/// The normalized value, 0 to 1, of a value in the parameter's range.
pub(super) fn to_normalized(param: Param, value: f64) -> ParamValue {
    let (least, most) = param.range().into_inner();
    (value - least) / (most - least)
}

/// The value at `normalized`, which is clamped to 0 to 1; `None` for NaN.
pub(super) fn to_value(param: Param, normalized: ParamValue) -> Option<f64> {
    let (least, most) = param.range().into_inner();
    (!normalized.is_nan()).then(|| param.tidy(normalized.clamp(0.0, 1.0) * (most - least) + least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_and_default_round_trip() {
        for param in Param::all() {
            let (least, most) = param.range().into_inner();
            for value in [least, most, param.default()] {
                let normalized = to_normalized(param, value);
                assert!((0.0..=1.0).contains(&normalized), "{param:?}");
                let back = to_value(param, normalized).expect("a number");
                assert!((back - value).abs() < 1e-12, "{param:?}: {value} becomes {back}");
            }
            assert_eq!(to_value(param, f64::NAN), None);
            assert_eq!(to_value(param, 7.0), Some(most));
        }
    }
}
