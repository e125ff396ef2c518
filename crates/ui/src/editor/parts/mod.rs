//! The window's parts, made of widgets.

mod bottom;
mod fault;
mod message;
mod own;
mod strip;
mod strips;
mod top;
mod welcome;

pub(super) use bottom::bottom;
pub(super) use fault::fault;
pub(super) use message::message;
pub(super) use own::own;
pub(super) use strips::strips;
pub(super) use top::top;
pub(super) use welcome::{is_due as welcome_is_due, take_name, welcome};

use super::measure::Parts;
use super::theme::{self, UNIT};
use egui::{Rect, Stroke, Ui};

/// What everything lies on.
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
