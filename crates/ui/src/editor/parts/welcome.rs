//! The first start: asks for the user's name, in the place of the strips.

use super::top::field;
use crate::editor::hand::Hand;
use crate::editor::measure::{CONTROL, Cut};
use crate::editor::scene::Scene;
use crate::editor::state::EditorState;
use crate::editor::theme::{self, BODY, ROUND, SMALL, TITLE, UNIT};
use crate::editor::widgets::{self, ButtonLook};
use crate::editor_model::Kind;
use crate::messages::MessageKey;
use egui::{Align2, Id, Key, Rect, Stroke, StrokeKind, Ui, vec2};
use rtjam_client::SessionState;

/// Identifies the field for tests.
const FIELD: &str = "first name";

/// Whether it is shown: the user has never set a name, and is in no room.
pub(in crate::editor) fn is_due(scene: &Scene) -> bool {
    !scene.settings.choices.named
        && scene.players.is_empty()
        && matches!(scene.state, SessionState::Offline | SessionState::Refused)
}

pub(in crate::editor) fn welcome(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, scene: &Scene) {
    let palette = theme::of(ui);
    let size = vec2(rect.width().min(88.0 * UNIT), rect.height().min(30.0 * UNIT));
    let card = Rect::from_center_size(rect.center(), size);
    ui.painter().rect_filled(card, ROUND, palette.panel);
    ui.painter().rect_stroke(card, ROUND, Stroke::new(1.0, palette.accent), StrokeKind::Inside);
    let mut rest = Cut(card.shrink(3.0 * UNIT));
    for (size, color, key) in
        [(TITLE, palette.text, MessageKey::WelcomeTitle), (BODY, palette.muted, MessageKey::WelcomeText)]
    {
        widgets::label(ui, rest.top(6.0 * UNIT), Align2::LEFT_CENTER, size, color, hand.text(key));
    }
    rest.top(UNIT);
    let mut row = Cut(rest.top(CONTROL));
    let button = row.right(24.0 * UNIT);
    row.right(UNIT);
    let response = field(ui, row.0, Id::unique(FIELD), &mut state.name.text, "");
    // In a host the space bar belongs to the transport until the user clicks into the field.
    if !std::mem::replace(&mut state.welcomed, true) && scene.kind == Kind::Standalone {
        response.request_focus();
        // Typing replaces the suggested name.
        widgets::select_all(ui, response.id, &state.name.text);
    }
    let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
    let (label, name) = (hand.text(MessageKey::UseName), hand.text(MessageKey::UseNameHint));
    let pressed = widgets::button(ui, button, Id::unique("use name"), ButtonLook::Primary, label, name).clicked();
    if entered || pressed {
        state.take_name(hand, scene);
    }
    let hint = hand.text(MessageKey::WelcomeFoot);
    widgets::label(ui, rest.top(6.0 * UNIT), Align2::LEFT_BOTTOM, SMALL, palette.muted, hint);
}
