//! The pan of a channel or of a stereo pair.

use super::value::{focus_ring, follow_gesture, offer_values};
use crate::editor::hand::{Hand, Target};
use crate::editor::pairs::{place, targets};
use crate::editor::theme::{self, ROUND, UNIT};
use crate::messages::{self, MessageKey};
use crate::params::Param;
use egui::{Id, Key, Rect, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Step of an arrow key.
const STEP: f64 = 0.05;
/// Snaps to the centre within this distance.
const SNAP: f64 = 0.04;
const THUMB: f32 = 2.0 * UNIT;

/// Pans one channel or a linked pair; see also [`offer_values`]. After a reset the musician's layout decides.
pub(in crate::editor) fn pan(ui: &mut Ui, rect: Rect, id: Id, hand: &Hand<'_>, params: &[Param]) {
    let Some(place) = place(&**hand, params) else { return };
    let response = ui.interact(rect, id, Sense::click_and_drag());
    follow_gesture(&response, hand, params);
    let held = Id::unique(("pan", id));
    if response.drag_started() {
        ui.data_mut(|data| data.insert_temp(held, place.unwrap_or(0.0)));
    }
    if response.dragged() && response.drag_delta().x != 0.0 {
        // The pointer's own place, without snapping.
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
    let value = messages::pan_place(place, hand.language());
    let text = hand.fill(MessageKey::NameAndValue, &[("name", &hand.text(MessageKey::Pan)), ("value", &value)]);
    response.widget_info(|| WidgetInfo::slider(true, place.unwrap_or(0.0), &text));
    response.on_hover_text_at_pointer(text);
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
