//! Parameters as VST3 has them: ids of 31 bits and values from 0 to 1. Projects and automation hold both, so the formulas
//! never change.

use rtjam_ui::params::Param;
use vst3::Steinberg::Vst::{ParamID, ParamValue};
use vst3::Steinberg::int32;

/// VST3 keeps the highest bit of ids for hosts.
pub(super) fn id(param: Param) -> ParamID {
    param.id() & 0x7fff_ffff
}

/// How many steps lie between the two ends; 0: it is continuous.
pub(super) fn step_count(param: Param) -> int32 {
    int32::from(param.is_switch())
}

/// `value`, which lies in the parameter's range, from 0 to 1.
pub(super) fn to_normalized(param: Param, value: f64) -> ParamValue {
    let (least, most) = param.range().into_inner();
    (value - least) / (most - least)
}

/// The value at `normalized`, which is cut to 0 to 1; `None` for what is no number.
pub(super) fn to_value(param: Param, normalized: ParamValue) -> Option<f64> {
    let (least, most) = param.range().into_inner();
    (!normalized.is_nan()).then(|| param.tidy(normalized.clamp(0.0, 1.0) * (most - least) + least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_and_the_default_come_back() {
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
