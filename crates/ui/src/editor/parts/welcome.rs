//! The first start: what the others shall call the musician. It lies where their strips come later.

use crate::board::{Change, Kind};
use crate::editor::Editor;
use crate::editor::hand::Hand;
use crate::editor::measure::{CONTROL, Cut};
use crate::editor::scene::Scene;
use crate::editor::theme::{self, BODY, ROUND, SMALL, TITLE, UNIT};
use crate::editor::widgets::{self, Look};
use egui::{Align2, Id, Key, Rect, Stroke, StrokeKind, TextEdit, Ui, vec2};
use rtjam_client::State;

/// The field's, so that a test finds it.
const FIELD: &str = "first name";

/// Whether it is shown: nobody is there yet, and no name was ever given.
pub(in crate::editor) fn is_due(scene: &Scene) -> bool {
    !scene.settings.choices.named && scene.players.is_empty() && matches!(scene.state, State::Offline | State::Refused)
}

/// Draws it.
pub(in crate::editor) fn welcome(ui: &mut Ui, rect: Rect, editor: &mut Editor, hand: &Hand<'_>, scene: &Scene) {
    let palette = theme::of(ui);
    let size = vec2(rect.width().min(88.0 * UNIT), rect.height().min(30.0 * UNIT));
    let card = Rect::from_center_size(rect.center(), size);
    ui.painter().rect_filled(card, ROUND, palette.panel);
    ui.painter().rect_stroke(card, ROUND, Stroke::new(1.0, palette.accent), StrokeKind::Inside);
    let mut rest = Cut(card.shrink(3.0 * UNIT));
    widgets::label(ui, rest.top(6.0 * UNIT), Align2::LEFT_CENTER, TITLE, palette.text, "What is your name?");
    widgets::label(
        ui,
        rest.top(6.0 * UNIT),
        Align2::LEFT_CENTER,
        BODY,
        palette.muted,
        "The others in the room see it.",
    );
    rest.top(UNIT);
    let mut row = Cut(rest.top(CONTROL));
    let button = row.right(24.0 * UNIT);
    row.right(UNIT);
    let margin = egui::Margin::symmetric(2 * UNIT as i8, UNIT as i8);
    let edit = TextEdit::singleline(&mut editor.name.text)
        .id(Id::unique(FIELD))
        .text_color(palette.text)
        .margin(margin)
        .align(Align2::LEFT_CENTER)
        .desired_width(row.0.width())
        .char_limit(512);
    let response = ui.put(row.0, edit);
    // In a host the space bar is the transport's, until somebody writes here.
    if !std::mem::replace(&mut editor.welcomed, true) && scene.kind == Kind::Standalone {
        response.request_focus();
    }
    let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
    let pressed =
        widgets::button(ui, button, Id::unique("use name"), Look::Primary, "Use this name", "Keep this name").clicked();
    if entered || pressed {
        take_name(editor, hand, scene);
    }
    let hint = "You can change it above at any time.";
    widgets::label(ui, rest.top(6.0 * UNIT), Align2::LEFT_BOTTOM, SMALL, palette.muted, hint);
}

/// Takes the name as it is written.
pub(in crate::editor) fn take_name(editor: &mut Editor, hand: &Hand<'_>, scene: &Scene) {
    if editor.name.text.trim().is_empty() {
        editor.name.text.clone_from(&scene.settings.choices.name);
    }
    hand.change(Change::Name(editor.name.text.trim().to_owned()));
}
