//! The row above: the link and what is done with it, the name, and the rooms of before.

use crate::board::Change;
use crate::editor::Editor;
use crate::editor::hand::Hand;
use crate::editor::measure::Cut;
use crate::editor::scene::Scene;
use crate::editor::theme::{self, UNIT};
use crate::editor::widgets::{self, Look};
use egui::{Id, Key, Rect, TextEdit, Ui};
use rtjam_client::State;

/// The link field's, so that a test and the tab key find it.
const LINK: &str = "invite link";
const NAME: &str = "name";

/// Draws it.
pub(in crate::editor) fn top(ui: &mut Ui, rect: Rect, editor: &mut Editor, hand: &Hand<'_>, scene: &Scene) {
    let mut rest = Cut(rect);
    let gap = UNIT;
    let rooms = rest.right(20.0 * UNIT);
    rest.right(gap);
    let name = rest.right((rect.width() * 0.17).round());
    rest.right(3.0 * gap);
    let join = rest.right(15.0 * UNIT);
    rest.right(gap);
    let paste = rest.right(15.0 * UNIT);
    rest.right(gap);

    let typed = link_field(ui, rest.0, editor);
    if widgets::button(ui, paste, Id::unique("paste"), Look::Plain, "Paste", "Paste an invite link").clicked()
        && let Some(text) = (editor.clipboard)()
    {
        editor.link.text = text.trim().to_owned();
        editor.answer = None;
    }
    join_button(ui, join, editor, hand, scene, typed);
    name_field(ui, name, editor, hand, scene);
    recent(ui, rooms, editor, hand, scene);
}

/// Tells whether the link was entered. What opens the room is shown only while the field is written in: people share
/// their screens.
fn link_field(ui: &mut Ui, rect: Rect, editor: &mut Editor) -> bool {
    let id = Id::unique(LINK);
    let written = ui.memory(|m| m.has_focus(id));
    let mut shown = hide_key(&editor.link.text);
    let text = if written { &mut editor.link.text } else { &mut shown };
    let response = field(ui, rect, id, text, "rtjam://… your invite link, or classic://…");
    if response.changed() {
        if !written {
            editor.link.text = shown;
        }
        editor.answer = None;
    }
    response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter))
}

fn hide_key(link: &str) -> String {
    match link.split_once('#') {
        Some((room, key)) if !key.is_empty() => format!("{room}#…"),
        _ => link.to_owned(),
    }
}

fn join_button(ui: &mut Ui, rect: Rect, editor: &mut Editor, hand: &Hand<'_>, scene: &Scene, typed: bool) {
    let other_link = editor.link.text.trim() != editor.link.seen;
    let away = matches!(scene.state, State::Offline | State::Refused);
    let id = Id::unique("join");
    if away || other_link {
        let look = if editor.link.text.trim().is_empty() { Look::Plain } else { Look::Primary };
        if widgets::button(ui, rect, id, look, "Join", "Go to the room of this link").clicked() || typed {
            editor.join(hand, scene, false);
        }
    } else if widgets::button(ui, rect, id, Look::Plain, "Leave", "Leave the room").clicked() {
        hand.leave();
    }
}

fn name_field(ui: &mut Ui, rect: Rect, editor: &mut Editor, hand: &Hand<'_>, scene: &Scene) {
    let response = field(ui, rect, Id::unique(NAME), &mut editor.name.text, "Your name");
    if response.lost_focus() {
        let name = editor.name.text.trim();
        if name.is_empty() {
            editor.name.text.clone_from(&scene.settings.choices.name);
        } else if name != scene.settings.choices.name {
            hand.change(Change::Name(name.to_owned()));
        }
    }
    response.on_hover_text("Your name, as the others see it from the next join on");
}

fn recent(ui: &mut Ui, rect: Rect, editor: &mut Editor, hand: &Hand<'_>, scene: &Scene) {
    let rooms = &scene.settings.recent;
    let mut chosen = None;
    widgets::menu(ui, rect, "rooms", "Rooms", "Rooms that you were in", |ui| {
        if rooms.is_empty() {
            ui.weak("Rooms that you were in come here.");
        }
        for room in rooms {
            if ui.button(&room.name).clicked() {
                chosen = Some(room.link.clone());
            }
        }
    });
    if let Some(link) = chosen {
        editor.link.text = link;
        editor.join(hand, scene, false);
    }
}

fn field(ui: &mut Ui, rect: Rect, id: Id, text: &mut String, hint: &str) -> egui::Response {
    let palette = theme::of(ui);
    let margin = egui::Margin::symmetric(2 * UNIT as i8, UNIT as i8);
    let hint = egui::RichText::new(hint).color(palette.muted);
    let edit = TextEdit::singleline(text)
        .id(id)
        .hint_text(hint)
        .text_color(palette.text)
        .margin(margin)
        .align(egui::Align2::LEFT_CENTER)
        .desired_width(rect.width())
        .char_limit(512);
    ui.put(rect, edit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_room_is_not_shown() {
        assert_eq!(hide_key("rtjam://a/lobby#AQEx"), "rtjam://a/lobby#…");
        assert_eq!(hide_key("rtjam://a/lobby"), "rtjam://a/lobby");
        assert_eq!(hide_key("rtjam://a/lobby#"), "rtjam://a/lobby#");
    }
}
