//! Gestures of the pointer and the focus ring: what all controls share.

use crate::editor::hand::Hand;
use crate::editor::theme::{self, ROUND, UNIT};
use crate::params::Param;
use egui::{Response, Stroke, StrokeKind, Ui};

/// Begins and ends the gesture of a drag.
pub(super) fn follow_gesture(response: &Response, hand: &Hand<'_>, params: &[Param]) {
    if response.drag_started() {
        params.iter().for_each(|param| hand.begin(*param));
    }
    if response.drag_stopped() {
        params.iter().for_each(|param| hand.end(*param));
    }
}

/// Marks the control that has the keyboard focus.
pub(super) fn focus_ring(ui: &Ui, response: &Response) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, theme::of(ui).accent);
        ui.painter().rect_stroke(response.rect.expand(UNIT / 4.0), ROUND, stroke, StrokeKind::Outside);
    }
}
