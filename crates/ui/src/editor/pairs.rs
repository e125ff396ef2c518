//! The pan of one channel or of a stereo pair. No egui.

use crate::editor_model::EditorModel;
use crate::params::Param;

/// The current place, −1 to 1; the inner `None` means that the layout decides. The outer `None`: there is no parameter.
#[expect(clippy::option_option, reason = "no parameter, no place, a place")]
pub(super) fn place(model: &dyn EditorModel, params: &[Param]) -> Option<Option<f64>> {
    let set = |value: f64| (value >= -1.0).then_some(value);
    match *params {
        [] => None,
        [one] => Some(set(model.value(one))),
        [left, right, ..] => Some(match (set(model.value(left)), set(model.value(right))) {
            (Some(left), Some(right)) => Some(of_pair(left, right)),
            _ => None,
        }),
    }
}

/// The value of each parameter for a place; `None` lets the layout decide.
pub(super) fn targets(params: &[Param], place: Option<f64>) -> impl Iterator<Item = (Param, f64)> + Clone + use<> {
    let pair = match place {
        None => [Param::PAN_AUTO; 2],
        Some(place) if params.len() > 1 => pair_at(place),
        Some(place) => [place; 2],
    };
    let params: Vec<Param> = params.to_vec();
    params.into_iter().zip(pair)
}

/// The pans of a stereo pair at a place. Towards a side the pair becomes narrower, until both channels are there.
fn pair_at(place: f64) -> [f64; 2] {
    [-1.0 + 2.0 * place.max(0.0), 1.0 + 2.0 * place.min(0.0)]
}

/// Whether two pans belong to a pair: the layout decides both, or they are at a place of [`pair_at`].
pub(super) fn is_pair([left, right]: [f64; 2]) -> bool {
    match (left >= -1.0, right >= -1.0) {
        (false, false) => true,
        (true, true) => {
            let [l, r] = pair_at(of_pair(left, right));
            (l - left).abs() < 1e-6 && (r - right).abs() < 1e-6
        }
        _ => false,
    }
}

fn of_pair(left: f64, right: f64) -> f64 {
    ((left + right) / 2.0).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place of a pair is recognized, and the centre keeps the full width.
    #[test]
    fn pairs_return_to_their_place() {
        assert_eq!(pair_at(0.0), [-1.0, 1.0]);
        assert_eq!(pair_at(1.0), [1.0, 1.0]);
        assert_eq!(pair_at(-0.5), [-1.0, 0.0]);
        for hundredth in -100..=100 {
            let place = f64::from(hundredth) / 100.0;
            let [left, right] = pair_at(place);
            assert!((of_pair(left, right) - place).abs() < 1e-9 && is_pair([left, right]));
        }
        assert!(is_pair([Param::PAN_AUTO; 2]));
        assert!(!is_pair([0.0, 0.0]) && !is_pair([Param::PAN_AUTO, 0.0]));
    }
}
