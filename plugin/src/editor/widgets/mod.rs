//! The controls. Each is given its rectangle, so it cannot move anything else.

mod badge;
mod button;
mod choice;
mod fader;
mod label;
mod meter;
mod pan;

pub(in crate::editor) use badge::badge;
pub(in crate::editor) use button::{Look, button};
pub(in crate::editor) use choice::{choice, menu, titled_choice};
pub(in crate::editor) use fader::{Way, fader};
pub(in crate::editor) use label::{label, label_lines};
pub(in crate::editor) use meter::{meter, meter_scale};
pub(in crate::editor) use pan::{is_pair, pan};

use crate::board::Board;
use crate::editor::theme::{self, ROUND, UNIT};
use crate::params::Param;
use egui::{Response, Stroke, StrokeKind, Ui};

/// Sets parameters as one gesture of the hand: hosts record what lies between its begin and its end.
fn set_once(board: &dyn Board, sets: impl IntoIterator<Item = (Param, f64)> + Clone) {
    sets.clone().into_iter().for_each(|(param, _)| board.begin(param));
    sets.clone().into_iter().for_each(|(param, value)| board.set(param, value));
    sets.into_iter().for_each(|(param, _)| board.end(param));
}

/// Begins and ends the gesture of a drag.
fn follow_gesture(response: &Response, board: &dyn Board, params: &[Param]) {
    if response.drag_started() {
        params.iter().for_each(|param| board.begin(*param));
    }
    if response.drag_stopped() {
        params.iter().for_each(|param| board.end(*param));
    }
}

/// Shows where keys go.
fn focus_ring(ui: &Ui, response: &Response) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, theme::of(ui).accent);
        ui.painter().rect_stroke(response.rect.expand(UNIT / 4.0), ROUND, stroke, StrokeKind::Outside);
    }
}
