//! What all controls share: gestures of the pointer, the focus ring, and other ways to set a value than dragging.

use super::label::label;
use crate::editor::hand::{Hand, Target, Wish};
use crate::editor::theme::{self, BODY, ROUND, SMALL, UNIT};
use crate::editor_model::EditorModel;
use crate::messages::{Language, MessageKey};
use crate::params::Param;
use egui::text::{CCursor, CCursorRange};
use egui::text_edit::TextEditState;
use egui::{Area, Id, Key, Order, Popup, Rect, Response, Stroke, StrokeKind, TextEdit, Ui, pos2, vec2};

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

/// A double click opens a field to type a value, a click with the command key resets, and the second button opens a menu.
pub(in crate::editor) fn offer_values(response: &Response, hand: &Hand<'_>, target: &Target) {
    if response.double_clicked() {
        hand.wish(Wish::Type(target.clone(), response.rect));
    } else if response.clicked() && response.ctx.input(|i| i.modifiers.command) {
        target.reset(hand);
    }
    Popup::context_menu(response).show(|ui| {
        if ui.button(hand.text(MessageKey::TypeValue)).clicked() {
            hand.wish(Wish::Type(target.clone(), response.rect));
        }
        if ui.button(hand.fill(MessageKey::ResetTo, &[("value", &target.default_text(hand.language()))])).clicked() {
            target.reset(hand);
        }
        ui.separator();
        let text = target.text(&**hand, hand.language());
        if ui.button(hand.fill(MessageKey::CopyValue, &[("value", &text)])).clicked() {
            ui.ctx().copy_text(text);
        }
        if ui.button(hand.text(MessageKey::Paste)).clicked() {
            hand.wish(Wish::Paste(target.clone()));
        }
    });
}

/// Selects the whole text of the field with this id, which has been shown.
pub(in crate::editor) fn select_all(ui: &Ui, id: Id, text: &str) {
    let mut state = TextEditState::load(ui.ctx(), id).unwrap_or_default();
    state.cursor.set_char_range(Some(CCursorRange::two(CCursor::default(), CCursor::new(text.chars().count()))));
    state.store(ui.ctx(), id);
}

/// A field to type a value in.
#[derive(Debug)]
pub(in crate::editor) struct Entry {
    target: Target,
    text: String,
    at: Rect,
    /// Not shown yet.
    fresh: bool,
    wrong: bool,
}

/// Identifies the field for tests.
const FIELD: &str = "typed value";

impl Entry {
    pub(in crate::editor) fn new(model: &dyn EditorModel, language: Language, target: Target, at: Rect) -> Entry {
        Entry { text: target.text(model, language), target, at, fresh: true, wrong: false }
    }

    /// Shows the field above everything else. Returns whether it stays open.
    pub(in crate::editor) fn show(&mut self, ui: &Ui, hand: &Hand<'_>) -> bool {
        let palette = theme::of(ui);
        let size = vec2(22.0 * UNIT, 7.0 * UNIT);
        let window = ui.ctx().content_rect().shrink(UNIT);
        let wanted = Rect::from_center_size(self.at.center(), size);
        let place = wanted.translate(vec2(
            (window.left() - wanted.left()).max(0.0) + (window.right() - wanted.right()).min(0.0),
            (window.top() - wanted.top()).max(0.0) + (window.bottom() - wanted.bottom()).min(0.0),
        ));
        let id = Id::unique(FIELD);
        let area = Area::new(id.with("area")).order(Order::Foreground).fixed_pos(place.min);
        let response = area.show(ui.ctx(), |ui| {
            let margin = egui::Margin::symmetric(2 * UNIT as i8, UNIT as i8);
            let edit = TextEdit::singleline(&mut self.text)
                .id(id)
                .font(theme::font(BODY))
                .margin(margin)
                .desired_width(size.x)
                .char_limit(40);
            let output = edit.show(ui);
            let edge = if self.wrong { palette.bad } else { palette.accent };
            let around = output.response.rect;
            ui.painter().rect_stroke(around, ROUND, Stroke::new(2.0, edge), StrokeKind::Inside);
            if self.wrong {
                let below = Rect::from_min_size(pos2(around.left(), around.bottom()), vec2(around.width(), 5.0 * UNIT));
                ui.painter().rect_filled(below, ROUND, palette.panel);
                label(ui, below, egui::Align2::CENTER_CENTER, SMALL, palette.bad, hand.text(MessageKey::NotAValue));
            }
            if std::mem::take(&mut self.fresh) {
                output.response.request_focus();
                select_all(ui, id, &self.text);
            }
            output.response.response
        });
        if response.inner.changed() {
            self.wrong = false;
        }
        if !response.inner.lost_focus() {
            return true;
        }
        let (enter, escape) = ui.input(|i| (i.key_pressed(Key::Enter), i.key_pressed(Key::Escape)));
        if escape || self.target.set(hand, &self.text) || !enter {
            return false;
        }
        (self.wrong, self.fresh) = (true, true);
        true
    }
}
