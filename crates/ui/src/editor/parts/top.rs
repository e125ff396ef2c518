//! The top row: the link and its buttons, the name, and the recent rooms.

use crate::editor::hand::Hand;
use crate::editor::measure::Cut;
use crate::editor::scene::Scene;
use crate::editor::state::EditorState;
use crate::editor::theme::{self, UNIT};
use crate::editor::widgets::{self, ButtonLook};
use crate::messages::MessageKey;
use crate::settings::Change;
use egui::{Id, Key, Rect, TextEdit, Ui};
use rtjam_client::SessionState;

/// Identifies the link field for tests and the tab key.
const LINK: &str = "invite link";
const NAME: &str = "name";

pub(in crate::editor) fn top(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, scene: &Scene) {
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

    let entered = link_field(ui, rest.0, state, hand);
    if widgets::button(
        ui,
        paste,
        Id::unique("paste"),
        ButtonLook::Plain,
        hand.text(MessageKey::Paste),
        hand.text(MessageKey::PasteHint),
    )
    .clicked()
        && let Some(text) = (state.clipboard)()
    {
        state.link.text = text.trim().to_owned();
        state.answer = None;
    }
    join_button(ui, join, state, hand, scene, entered);
    name_field(ui, name, state, hand, scene);
    recent(ui, rooms, state, hand, scene);
}

/// Returns whether the link was entered. The key is visible only while the field is being edited, since people share
/// their screens.
fn link_field(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>) -> bool {
    let id = Id::unique(LINK);
    let editing = ui.memory(|m| m.has_focus(id));
    let mut shown = hide_key(&state.link.text);
    let text = if editing { &mut state.link.text } else { &mut shown };
    let response = field(ui, rect, id, text, hand.text(MessageKey::LinkHint));
    if response.changed() {
        if !editing {
            state.link.text = shown;
        }
        state.answer = None;
    }
    // As in a browser's address bar, the first click selects the link: what is typed or pasted replaces it.
    if response.gained_focus() {
        widgets::select_all(ui, id, &state.link.text);
    }
    response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter))
}

fn hide_key(link: &str) -> String {
    match link.split_once('#') {
        Some((room, key)) if !key.is_empty() => format!("{room}#…"),
        _ => link.to_owned(),
    }
}

fn join_button(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, scene: &Scene, entered: bool) {
    let other_link = state.link.text.trim() != state.link.stored;
    let away = matches!(scene.state, SessionState::Offline | SessionState::Refused);
    let id = Id::unique("join");
    if away || other_link {
        let look = if state.link.text.trim().is_empty() { ButtonLook::Plain } else { ButtonLook::Primary };
        if widgets::button(ui, rect, id, look, hand.text(MessageKey::Join), hand.text(MessageKey::JoinHint)).clicked()
            || entered
        {
            state.join(hand, scene, false);
        }
    } else if widgets::button(
        ui,
        rect,
        id,
        ButtonLook::Plain,
        hand.text(MessageKey::Leave),
        hand.text(MessageKey::LeaveHint),
    )
    .clicked()
    {
        hand.leave();
    }
}

fn name_field(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, scene: &Scene) {
    let response = field(ui, rect, Id::unique(NAME), &mut state.name.text, hand.text(MessageKey::NameHint));
    if response.lost_focus() {
        let name = state.name.text.trim();
        if name.is_empty() {
            state.name.text.clone_from(&scene.settings.choices.name);
        } else if name != scene.settings.choices.name {
            hand.change(Change::Name(name.to_owned()));
        }
    }
    response.on_hover_text(hand.text(MessageKey::NameTooltip));
}

fn recent(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, scene: &Scene) {
    let rooms = &scene.settings.recent;
    let mut chosen = None;
    widgets::menu(ui, rect, "rooms", hand.text(MessageKey::Rooms), hand.text(MessageKey::RoomsHint), |ui| {
        if rooms.is_empty() {
            ui.weak(hand.text(MessageKey::NoRooms));
        }
        for room in rooms {
            if ui.button(&room.name).clicked() {
                chosen = Some(room.link.clone());
            }
        }
    });
    if let Some(link) = chosen {
        state.link.text = link;
        state.join(hand, scene, false);
    }
}

/// A text field; `hint` is shown while it is empty.
pub(super) fn field(ui: &mut Ui, rect: Rect, id: Id, text: &mut String, hint: &str) -> egui::Response {
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

    /// The key after # is hidden.
    #[test]
    fn link_keys_are_hidden() {
        assert_eq!(hide_key("rtjam://a/lobby#AQEx"), "rtjam://a/lobby#…");
        assert_eq!(hide_key("rtjam://a/lobby"), "rtjam://a/lobby");
        assert_eq!(hide_key("rtjam://a/lobby#"), "rtjam://a/lobby#");
    }
}
