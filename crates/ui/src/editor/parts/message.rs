//! The messages. They always have the same height: a longer one overlaps the strips, so that nothing else moves.

use crate::editor::hand::Hand;
use crate::editor::measure::{CONTROL, Cut};
use crate::editor::message_list::{Message, Weight};
use crate::editor::scene::Scene;
use crate::editor::state::EditorState;
use crate::editor::theme::{self, BODY, Palette, ROUND, UNIT};
use crate::editor::widgets::{self, ButtonLook};
use crate::messages::MessageKey;
use egui::{Color32, Id, LayerId, Order, Rect, Stroke, StrokeKind, Ui, vec2};

/// Lines that fit.
const ROWS: usize = 2;

pub(in crate::editor) fn message(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, scene: &Scene) {
    let messages = state.messages(scene);
    let Some((first, others)) = messages.split_first() else { return };
    let mut rest = Cut(rect);
    let mut pressed = None;
    if !others.is_empty() {
        let place = rest.right(14.0 * UNIT);
        rest.right(UNIT);
        more(ui, middle(place), others, hand, &mut pressed);
    }
    if let Some(remedy) = &first.remedy {
        let place = middle(rest.right(29.0 * UNIT));
        rest.right(2.0 * UNIT);
        let look = if first.weight == Weight::Note { ButtonLook::Plain } else { ButtonLook::Primary };
        let label = remedy.label(hand.language());
        if widgets::button(ui, place, Id::unique("remedy"), look, label, label).clicked() {
            pressed = Some(first.clone());
        }
    }
    first_message(ui, rest.0, first);
    if let Some(message) = pressed {
        state.apply_remedy(ui, hand, scene, &message);
    }
}

fn first_message(ui: &Ui, rect: Rect, message: &Message) {
    let palette = theme::of(ui);
    let color = color(palette, message.weight);
    let mut rest = Cut(rect);
    let bar = rest.left(UNIT);
    rest.left(2.0 * UNIT);
    let text = rest.0;
    let galley = widgets::label_lines(ui, text.width(), ROWS, BODY, palette.text, &message.text);
    if !galley.elided {
        ui.painter().rect_filled(bar.shrink2(vec2(0.0, UNIT)), UNIT / 2.0, color);
        let place = egui::Align2::LEFT_CENTER.align_size_within_rect(galley.size(), text);
        ui.painter().galley(place.min, galley, palette.text);
        return;
    }
    let galley = widgets::label_lines(ui, text.width() - UNIT, usize::MAX, BODY, palette.text, &message.text);
    let all = Rect::from_min_size(rect.min, vec2(rect.width(), galley.size().y + 3.0 * UNIT));
    let painter = ui.ctx().layer_painter(LayerId::new(Order::Middle, Id::unique("told")));
    painter.rect_filled(all, ROUND, palette.panel);
    painter.rect_stroke(all, ROUND, Stroke::new(1.0, color), StrokeKind::Inside);
    let bar = Rect::from_min_size(all.min, vec2(UNIT, all.height()));
    painter.rect_filled(bar, ROUND, color);
    painter.galley(egui::pos2(text.left(), all.top() + 1.5 * UNIT), galley, palette.text);
}

/// The other messages, behind a button.
fn more(ui: &mut Ui, place: Rect, others: &[Message], hand: &Hand<'_>, pressed: &mut Option<Message>) {
    let count = format!("+{}", others.len());
    widgets::menu(ui, place, "messages", &count, hand.text(MessageKey::MoreMessages), |ui| {
        ui.set_max_width(110.0 * UNIT);
        for message in others {
            let palette = theme::of(ui);
            ui.colored_label(color(palette, message.weight), &message.text);
            if let Some(remedy) = &message.remedy
                && ui.button(remedy.label(hand.language())).clicked()
            {
                *pressed = Some(message.clone());
            }
        }
    });
}

fn middle(place: Rect) -> Rect {
    Rect::from_center_size(place.center(), vec2(place.width(), CONTROL))
}

fn color(palette: &Palette, weight: Weight) -> Color32 {
    match weight {
        Weight::Bad => palette.bad,
        Weight::Warn => palette.warn,
        Weight::Note => palette.accent,
        Weight::Good => palette.good,
    }
}
