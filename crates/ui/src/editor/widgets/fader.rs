//! A gain: vertical for a strip, horizontal for the room.

use super::value::{focus_ring, follow_gesture, offer_values};
use crate::editor::hand::{Hand, Target};
use crate::editor::scale::{gain_at, gain_place};
use crate::editor::theme::{self, ROUND, UNIT};
use crate::messages::{self, MessageKey};
use crate::params::Param;
use egui::{Id, Key, Rect, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Direction of a fader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::editor) enum Way {
    /// Louder is up.
    Up,
    /// Louder is right.
    Right,
}

/// Length of the thumb.
const THUMB: f32 = 3.0 * UNIT;
/// Speed while the shift key is held.
const FINE: f32 = 0.2;
/// Step of the mouse wheel or an arrow key, in dB.
const STEP: f64 = 1.0;

/// Sets all of `params` to the same gain: that of the first, moved or typed (see [`offer_values`]).
pub(in crate::editor) fn fader(
    ui: &mut Ui,
    rect: Rect,
    id: Id,
    way: Way,
    hand: &Hand<'_>,
    params: &[Param],
) -> Option<Response> {
    let first = *params.first()?;
    let response = ui.interact(rect, id, Sense::click_and_drag());
    follow_gesture(&response, hand, params);
    let set_all = |value: f64| params.iter().for_each(|param| hand.set(*param, value));
    let once = |value: f64| hand.set_once(&params.iter().map(|param| (*param, first.tidy(value))).collect::<Vec<_>>());

    let along = |v: egui::Vec2| if way == Way::Up { -v.y } else { v.x };
    let length = (along(vec2(rect.width(), -rect.height())) - THUMB).max(1.0);
    if response.dragged() {
        let fine = if ui.input(|i| i.modifiers.shift) { FINE } else { 1.0 };
        let moved = along(response.drag_delta()) * fine / length;
        if moved != 0.0 {
            set_all(gain_at(gain_place(hand.value(first)) + moved));
        }
    }
    offer_values(&response, hand, &Target::Same(params.to_vec()));
    if let Some(steps) = steps(ui, &response, way) {
        once(hand.value(first) + STEP * steps);
    }

    let value = hand.value(first);
    let name = messages::param_name(first, hand.language());
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), value, &name));
    paint(ui, rect, way, &response, gain_place(value), gain_place(0.0));
    focus_ring(ui, &response);
    let value = messages::param_text(first, value, hand.language());
    Some(response.on_hover_text_at_pointer(hand.fill(MessageKey::NameAndValue, &[("name", &name), ("value", &value)])))
}

/// Steps of the wheel over the fader, or of the arrow keys while it has the focus.
fn steps(ui: &Ui, response: &Response, way: Way) -> Option<f64> {
    let mut steps = 0.0;
    if response.hovered() {
        let wheel = |delta: egui::Vec2| f64::from(if way == Way::Up { delta.y } else { delta.y + delta.x });
        ui.input(|i| {
            for event in &i.events {
                if let egui::Event::MouseWheel { delta, .. } = event {
                    steps += wheel(*delta).signum() * f64::from(u8::from(wheel(*delta) != 0.0));
                }
            }
        });
    }
    if response.has_focus() {
        // Otherwise the arrows would move the focus.
        let arrows = egui::EventFilter { vertical_arrows: true, horizontal_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));
        ui.input(|i| {
            for (key, step) in
                [(Key::ArrowUp, 1.0), (Key::ArrowRight, 1.0), (Key::ArrowDown, -1.0), (Key::ArrowLeft, -1.0)]
            {
                steps += step * i.num_presses(key) as f64;
            }
        });
    }
    (steps != 0.0).then_some(steps)
}

fn paint(ui: &Ui, rect: Rect, way: Way, response: &Response, place: f32, unity: f32) {
    let (palette, painter) = (theme::of(ui), ui.painter());
    let at = |place: f32| match way {
        Way::Up => egui::lerp(rect.bottom() - THUMB / 2.0..=rect.top() + THUMB / 2.0, place),
        Way::Right => egui::lerp(rect.left() + THUMB / 2.0..=rect.right() - THUMB / 2.0, place),
    };
    let across = |width: f32, from: f32, to: f32| match way {
        Way::Up => Rect::from_x_y_ranges(rect.center().x - width / 2.0..=rect.center().x + width / 2.0, to..=from),
        Way::Right => Rect::from_x_y_ranges(from..=to, rect.center().y - width / 2.0..=rect.center().y + width / 2.0),
    };
    let (bottom, top) = (at(0.0), at(1.0));
    let track = across(UNIT, bottom, top).expand(UNIT / 2.0);
    painter.rect_filled(track, UNIT, palette.field);
    painter.rect_stroke(track, UNIT, Stroke::new(1.0, palette.line), StrokeKind::Inside);
    // The mark of unity gain.
    let breadth = if way == Way::Up { rect.width() } else { rect.height() };
    let mark = across(breadth, at(unity), at(unity));
    let stroke = Stroke::new(1.0, palette.muted);
    match way {
        Way::Up => painter.hline(mark.x_range(), at(unity), stroke),
        Way::Right => painter.vline(at(unity), mark.y_range(), stroke),
    };
    let half = THUMB / 2.0 * if way == Way::Up { -1.0 } else { 1.0 };
    let thumb = across(breadth.min(6.0 * UNIT), at(place) - half, at(place) + half);
    let held = response.dragged() || response.hovered();
    painter.rect_filled(thumb, ROUND / 2.0, if held { palette.control_hover } else { palette.control });
    painter.rect_stroke(thumb, ROUND / 2.0, Stroke::new(1.0, palette.muted), StrokeKind::Inside);
    let line = Stroke::new(2.0, palette.accent);
    match way {
        Way::Up => {
            painter.line_segment([pos2(thumb.left() + 2.0, at(place)), pos2(thumb.right() - 2.0, at(place))], line)
        }
        Way::Right => {
            painter.line_segment([pos2(at(place), thumb.top() + 2.0), pos2(at(place), thumb.bottom() - 2.0)], line)
        }
    };
}
