//! The parts of the window, made of widgets.

mod audio;
mod bottom;
mod message;
mod own;
mod strip;
mod strips;
mod top;
mod welcome;

pub(super) use audio::audio;
pub(super) use bottom::bottom;
pub(super) use message::message;
pub(super) use own::own;
pub(super) use strips::strips;
pub(super) use top::top;
pub(super) use welcome::{is_due as welcome_is_due, welcome};

use super::measure::Parts;
use super::theme::{self, BODY, DARK, UNIT, font};
use crate::messages::{Language, MessageKey};
use egui::{Align2, Rect, Stroke, Ui, vec2};

/// The background of the window.
pub(super) fn ground(ui: &Ui, window: Rect, parts: &Parts) {
    let (palette, painter) = (theme::of(ui), ui.painter());
    painter.rect_filled(window, 0.0, palette.ground);
    let bar = |from: f32, to: f32| Rect::from_x_y_ranges(window.x_range(), from..=to);
    let above = bar(window.top(), parts.message.bottom() + UNIT / 2.0);
    let below = bar(parts.bottom.top() - 1.5 * UNIT, window.bottom());
    painter.rect_filled(above, 0.0, palette.panel);
    painter.rect_filled(below, 0.0, palette.panel);
    painter.hline(window.x_range(), above.bottom(), Stroke::new(1.0, palette.line));
    painter.hline(window.x_range(), below.top(), Stroke::new(1.0, palette.line));
}

/// A still red line, shown when drawing has failed. It uses nothing that could fail again.
pub(super) fn failure(ui: &Ui) {
    let (window, painter) = (ui.max_rect(), ui.painter());
    painter.rect_filled(window, 0.0, DARK.ground);
    let text = Language::of_system().text(MessageKey::WindowFailed);
    let galley = painter.layout(text.to_owned(), font(BODY), DARK.bad, window.width() - 16.0);
    let place = Align2::CENTER_CENTER.align_size_within_rect(galley.size(), window.translate(vec2(0.0, -8.0)));
    painter.galley(place.min, galley, DARK.bad);
    painter.hline(window.x_range(), window.top() + 2.0, Stroke::new(4.0, DARK.bad));
}
