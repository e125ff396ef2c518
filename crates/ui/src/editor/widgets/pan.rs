//! Where a channel, or a pair, lies between left and right.

use super::{Target, focus_ring, follow_gesture, offer_values};
use crate::board::Board;
use crate::editor::hand::Hand;
use crate::editor::theme::{self, ROUND, UNIT};
use crate::params::Param;
use egui::{Id, Key, Rect, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// A step of the arrow keys.
const STEP: f64 = 0.05;
/// So near to the middle it snaps.
const SNAP: f64 = 0.04;
const THUMB: f32 = 2.0 * UNIT;

/// Pans one channel, or a linked pair; see [`offer_values`] too. Reset, the musician's layout decides.
pub(in crate::editor) fn pan(ui: &mut Ui, rect: Rect, id: Id, hand: &Hand<'_>, params: &[Param]) {
    let Some(place) = place(&**hand, params) else { return };
    let response = ui.interact(rect, id, Sense::click_and_drag());
    follow_gesture(&response, hand, params);
    let held = Id::unique(("pan", id));
    if response.drag_started() {
        ui.data_mut(|data| data.insert_temp(held, place.unwrap_or(0.0)));
    }
    if response.dragged() && response.drag_delta().x != 0.0 {
        // The hand's own place, which the middle's snapping does not hold back.
        let free: f64 = ui.data(|data| data.get_temp(held)).unwrap_or(0.0);
        let free = (free + 2.0 * f64::from(response.drag_delta().x / (rect.width() - THUMB).max(1.0))).clamp(-1.0, 1.0);
        ui.data_mut(|data| data.insert_temp(held, free));
        targets(params, Some(if free.abs() < SNAP { 0.0 } else { free })).for_each(|(p, v)| hand.set(p, v));
    }
    offer_values(&response, hand, &Target::Pan(params.to_vec()));
    if response.has_focus() {
        let arrows = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(id, arrows));
        let steps = ui.input(|i| i.num_presses(Key::ArrowRight) as f64 - i.num_presses(Key::ArrowLeft) as f64);
        if steps != 0.0 {
            let place = (place.unwrap_or(0.0) + STEP * steps).clamp(-1.0, 1.0);
            hand.set_once(&targets(params, Some(place)).collect::<Vec<_>>());
        }
    }
    paint(ui, rect, &response, place);
    focus_ring(ui, &response);
    let text = text(place);
    response.widget_info(|| WidgetInfo::slider(true, place.unwrap_or(0.0), format!("pan: {text}")));
    response.on_hover_text_at_pointer(format!("Pan: {text}"));
}

/// In a few signs, for the place below the fader too.
pub(in crate::editor) fn text(place: Option<f64>) -> String {
    match place {
        None => "auto".to_owned(),
        Some(place) => match (place * 100.0).round() {
            0.0 => "centre".to_owned(),
            percent if percent < 0.0 => format!("L {}", -percent),
            percent => format!("R {percent}"),
        },
    }
}

/// Where it is; inside `None`: where the layout puts it. `None`: there is no parameter.
#[expect(clippy::option_option, reason = "no parameter, no place, a place")]
pub(super) fn place(board: &dyn Board, params: &[Param]) -> Option<Option<f64>> {
    let set = |value: f64| (value >= -1.0).then_some(value);
    match *params {
        [] => None,
        [one] => Some(set(board.value(one))),
        [left, right, ..] => Some(match (set(board.value(left)), set(board.value(right))) {
            (Some(left), Some(right)) => Some(of_pair(left, right)),
            _ => None,
        }),
    }
}

/// What each parameter is to be.
pub(super) fn targets(params: &[Param], place: Option<f64>) -> impl Iterator<Item = (Param, f64)> + Clone + use<> {
    let pair = match place {
        None => [Param::PAN_AUTO; 2],
        Some(place) if params.len() > 1 => pair_at(place),
        Some(place) => [place; 2],
    };
    let params: Vec<Param> = params.to_vec();
    params.into_iter().zip(pair)
}

/// A stereo pair moved to a side becomes narrower, until both are there.
fn pair_at(place: f64) -> [f64; 2] {
    [-1.0 + 2.0 * place.max(0.0), 1.0 + 2.0 * place.min(0.0)]
}

/// Whether two pans are a pair's: both left to the layout, or a place of [`pair_at`].
pub(in crate::editor) fn is_pair([left, right]: [f64; 2]) -> bool {
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

fn paint(ui: &Ui, rect: Rect, response: &Response, place: Option<f64>) {
    let (palette, painter) = (theme::of(ui), ui.painter());
    let at =
        |place: f64| egui::lerp(rect.left() + THUMB / 2.0..=rect.right() - THUMB / 2.0, (place as f32 + 1.0) / 2.0);
    let track = Rect::from_center_size(rect.center(), vec2(rect.width(), UNIT + 1.0));
    painter.rect_filled(track, ROUND, palette.field);
    painter.rect_stroke(track, ROUND, Stroke::new(1.0, palette.line), StrokeKind::Inside);
    painter.vline(at(0.0), rect.center().y - UNIT..=rect.center().y + UNIT, Stroke::new(1.0, palette.muted));
    let x = at(place.unwrap_or(0.0));
    if place.is_some() {
        let part = Rect::from_two_pos(pos2(at(0.0), track.top() + 1.0), pos2(x, track.bottom() - 1.0));
        painter.rect_filled(part, 0.0, palette.accent);
    }
    let thumb = Rect::from_center_size(pos2(x, rect.center().y), vec2(THUMB, rect.height().min(4.0 * UNIT)));
    let held = response.dragged() || response.hovered();
    painter.rect_filled(thumb, ROUND / 2.0, if held { palette.control_hover } else { palette.control });
    painter.rect_stroke(thumb, ROUND / 2.0, Stroke::new(1.0, palette.muted), StrokeKind::Inside);
    if place.is_some() {
        let line = Stroke::new(2.0, palette.accent);
        painter.line_segment([pos2(x, thumb.top() + 2.0), pos2(x, thumb.bottom() - 2.0)], line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_comes_back_to_where_it_was_and_keeps_its_width_in_the_middle() {
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

    #[test]
    fn places_are_told_in_a_few_signs() {
        assert_eq!(text(None), "auto");
        assert_eq!(text(Some(0.0)), "centre");
        assert_eq!(text(Some(-0.3)), "L 30");
        assert_eq!(text(Some(1.0)), "R 100");
    }
}
