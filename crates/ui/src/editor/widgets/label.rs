//! Text in a rectangle, cut with "…" if it is too long.

use crate::editor::theme;
use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Align, Align2, Color32, Galley, Rect, Ui};
use std::sync::Arc;

/// One line. Returns whether it was cut.
pub(in crate::editor) fn label(ui: &Ui, rect: Rect, align: Align2, size: f32, color: Color32, text: &str) -> bool {
    let galley = layout(ui, rect.width(), 1, size, color, text);
    let cut = galley.elided;
    let place = align.align_size_within_rect(galley.size(), rect);
    ui.painter().galley(place.min, galley, color);
    cut
}

/// One line in the first of `sizes` in which it fits, or cut in the last one. Returns whether it was cut.
pub(in crate::editor) fn fitting_label(
    ui: &Ui,
    rect: Rect,
    align: Align2,
    sizes: &[f32],
    color: Color32,
    text: &str,
) -> bool {
    let fits = sizes.iter().find(|size| !layout(ui, rect.width(), 1, **size, color, text).elided);
    label(ui, rect, align, fits.or(sizes.last()).copied().unwrap_or(theme::SMALL), color, text)
}

/// Width of a line.
pub(in crate::editor) fn text_width(ui: &Ui, size: f32, text: &str) -> f32 {
    layout(ui, f32::INFINITY, 1, size, Color32::WHITE, text).size().x
}

/// Lays out up to `rows` lines, to be painted by the caller.
pub(in crate::editor) fn label_lines(
    ui: &Ui,
    width: f32,
    rows: usize,
    size: f32,
    color: Color32,
    text: &str,
) -> Arc<Galley> {
    layout(ui, width, rows, size, color, text)
}

fn layout(ui: &Ui, width: f32, rows: usize, size: f32, color: Color32, text: &str) -> Arc<Galley> {
    let format = TextFormat { font_id: theme::font(size), color, valign: Align::Center, ..TextFormat::default() };
    let mut job = LayoutJob::single_section(text.to_owned(), format);
    job.wrap = TextWrapping { max_width: width, max_rows: rows, break_anywhere: rows == 1, ..TextWrapping::default() };
    ui.painter().layout_job(job)
}
