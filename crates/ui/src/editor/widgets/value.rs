//! Values by other ways than dragging: typed, copied, pasted, reset.

use super::pan;
use crate::board::Board;
use crate::editor::hand::{Hand, Wish};
use crate::editor::theme::{self, BODY, ROUND, SMALL, UNIT};
use crate::params::Param;
use egui::text::{CCursor, CCursorRange};
use egui::{Area, Id, Key, Order, Popup, Rect, Response, Stroke, TextEdit, Ui, pos2, vec2};

/// What a control sets.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::editor) enum Target {
    /// The same value for each.
    Same(Vec<Param>),
    /// The place of one channel or of a pair.
    Pan(Vec<Param>),
}

impl Target {
    fn first(&self) -> Option<Param> {
        match self {
            Target::Same(params) | Target::Pan(params) => params.first().copied(),
        }
    }

    /// The value as it is shown.
    fn text(&self, board: &dyn Board) -> String {
        match self {
            Target::Same(params) => params.first().map_or(String::new(), |param| param.text(board.value(*param))),
            Target::Pan(params) => pan::text(pan::place(board, params).flatten()),
        }
    }

    /// What a text means to each parameter; `None`: it is no value.
    fn parse(&self, text: &str) -> Option<Vec<(Param, f64)>> {
        let value = self.first()?.parse(text)?;
        Some(match self {
            Target::Same(params) => params.iter().map(|param| (*param, value)).collect(),
            Target::Pan(params) => pan::targets(params, (value >= -1.0).then_some(value)).collect(),
        })
    }

    /// Sets each to what it is at first.
    pub(in crate::editor) fn reset(&self, hand: &Hand<'_>) {
        match self {
            Target::Same(params) => {
                hand.set_once(&params.iter().map(|param| (*param, param.default())).collect::<Vec<_>>());
            }
            Target::Pan(params) => hand.set_once(&pan::targets(params, None).collect::<Vec<_>>()),
        }
    }

    /// Sets each as a text says. Tells whether the text was a value.
    pub(in crate::editor) fn set(&self, hand: &Hand<'_>, text: &str) -> bool {
        let sets = self.parse(text);
        sets.iter().for_each(|sets| hand.set_once(sets));
        sets.is_some()
    }

    fn default_text(&self) -> String {
        match self {
            Target::Same(_) => self.first().map_or(String::new(), |param| param.text(param.default())),
            Target::Pan(_) => pan::text(None),
        }
    }
}

/// A double click opens a field to type in, a click with the command key resets, and the second button opens a menu.
pub(in crate::editor) fn offer_values(response: &Response, hand: &Hand<'_>, target: &Target) {
    if response.double_clicked() {
        hand.wish(Wish::Type(target.clone(), response.rect));
    } else if response.clicked() && response.ctx.input(|i| i.modifiers.command) {
        target.reset(hand);
    }
    Popup::context_menu(response).show(|ui| {
        if ui.button("Type a value …").clicked() {
            hand.wish(Wish::Type(target.clone(), response.rect));
        }
        if ui.button(format!("Reset to {}", target.default_text())).clicked() {
            target.reset(hand);
        }
        ui.separator();
        let text = target.text(&**hand);
        if ui.button(format!("Copy {text}")).clicked() {
            ui.ctx().copy_text(text);
        }
        if ui.button("Paste").clicked() {
            hand.wish(Wish::Paste(target.clone()));
        }
    });
}

/// A field in which a value is typed.
#[derive(Debug)]
pub(in crate::editor) struct Entry {
    target: Target,
    text: String,
    at: Rect,
    /// It has not been shown yet.
    fresh: bool,
    wrong: bool,
}

/// The field's, so that a test finds it.
const FIELD: &str = "typed value";

impl Entry {
    pub(in crate::editor) fn new(board: &dyn Board, target: Target, at: Rect) -> Entry {
        Entry { text: target.text(board), target, at, fresh: true, wrong: false }
    }

    /// Shows it over everything. Tells whether it stays open.
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
            let mut output = edit.show(ui);
            let edge = if self.wrong { palette.bad } else { palette.accent };
            let around = output.response.rect;
            ui.painter().rect_stroke(around, ROUND, Stroke::new(2.0, edge), egui::StrokeKind::Inside);
            if self.wrong {
                let below = Rect::from_min_size(pos2(around.left(), around.bottom()), vec2(around.width(), 5.0 * UNIT));
                ui.painter().rect_filled(below, ROUND, palette.panel);
                super::label(ui, below, egui::Align2::CENTER_CENTER, SMALL, palette.bad, "No value of this");
            }
            if std::mem::take(&mut self.fresh) {
                output.response.request_focus();
                let all = CCursorRange::two(CCursor::default(), CCursor::new(self.text.chars().count()));
                output.state.cursor.set_char_range(Some(all));
                output.state.clone().store(ui.ctx(), id);
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
