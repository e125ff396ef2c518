//! A button, or a switch that shows whether it is on.

use super::label::fitting_label;
use super::value::focus_ring;
use crate::editor::theme::{self, BODY, ROUND, SMALL, TINY, UNIT};
use egui::{Align2, Color32, Id, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo};

/// Appearance of a button.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::editor) enum ButtonLook {
    /// An ordinary button.
    Plain,
    /// The button to press next.
    Primary,
    /// A switch that is on, in its colours: background and text.
    On([Color32; 2]),
}

/// A button. `name` says in full what it does, for the tooltip and screen readers.
pub(in crate::editor) fn button(ui: &mut Ui, rect: Rect, id: Id, look: ButtonLook, text: &str, name: &str) -> Response {
    let palette = theme::of(ui);
    let mut response = ui.interact(rect, id, Sense::click());
    let enabled = ui.is_enabled();
    let on = matches!(look, ButtonLook::On(_));
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, on, name));
    let (fill, sign) = match look {
        ButtonLook::Plain if response.hovered() => (palette.control_hover, palette.text),
        ButtonLook::Plain => (palette.control, palette.text),
        ButtonLook::Primary => (palette.accent, palette.on_accent),
        ButtonLook::On([fill, sign]) => (fill, sign),
    };
    let painter = ui.painter();
    painter.rect_filled(rect, ROUND, fill);
    if response.is_pointer_button_down_on() {
        painter.rect_stroke(rect, ROUND, Stroke::new(1.0, palette.text), StrokeKind::Inside);
    }
    // Some languages need a smaller font.
    let sizes: &[f32] = if rect.height() < 6.0 * UNIT { &[SMALL, TINY] } else { &[BODY, SMALL, TINY] };
    fitting_label(ui, rect.shrink2(egui::vec2(1.0, 0.0)), Align2::CENTER_CENTER, sizes, sign, text);
    focus_ring(ui, &response);
    if !name.is_empty() && name != text {
        response = response.on_hover_text(name);
    }
    response
}
