//! The controls. Each is given its rectangle, so it cannot move anything else.

mod badge;
mod button;
mod choice;
mod fader;
mod label;
mod meter;
mod pan;
mod value;

pub(in crate::editor) use badge::badge;
pub(in crate::editor) use button::{Look, button};
pub(in crate::editor) use choice::{choice, menu, titled_choice};
pub(in crate::editor) use fader::{Way, fader};
pub(in crate::editor) use label::{fitting_label, label, label_lines, text_width};
pub(in crate::editor) use meter::{meter, meter_scale};
pub(in crate::editor) use pan::{is_pair, pan};
pub(in crate::editor) use value::{Entry, Target, offer_values};

use crate::editor::hand::Hand;
use crate::editor::theme::{self, ROUND, UNIT};
use crate::params::Param;
use egui::{Response, Stroke, StrokeKind, Ui};

/// Begins and ends the gesture of a drag.
fn follow_gesture(response: &Response, hand: &Hand<'_>, params: &[Param]) {
    if response.drag_started() {
        params.iter().for_each(|param| hand.begin(*param));
    }
    if response.drag_stopped() {
        params.iter().for_each(|param| hand.end(*param));
    }
}

/// Shows where keys go.
fn focus_ring(ui: &Ui, response: &Response) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, theme::of(ui).accent);
        ui.painter().rect_stroke(response.rect.expand(UNIT / 4.0), ROUND, stroke, StrokeKind::Outside);
    }
}
