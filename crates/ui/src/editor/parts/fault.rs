//! What is left when drawing failed: a still red line.

use crate::editor::theme::{BODY, DARK, font};
use egui::{Align2, Ui, vec2};

/// Needs nothing that could fail again.
pub(in crate::editor) fn fault(ui: &Ui) {
    let (window, painter) = (ui.max_rect(), ui.painter());
    painter.rect_filled(window, 0.0, DARK.ground);
    let text = "This window has failed. The sound goes on. Close the window and open it again.";
    let galley = painter.layout(text.to_owned(), font(BODY), DARK.bad, window.width() - 16.0);
    let place = Align2::CENTER_CENTER.align_size_within_rect(galley.size(), window.translate(vec2(0.0, -8.0)));
    painter.galley(place.min, galley, DARK.bad);
    painter.hline(window.x_range(), window.top() + 2.0, egui::Stroke::new(4.0, DARK.bad));
}
