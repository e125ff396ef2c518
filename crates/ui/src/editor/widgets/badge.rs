//! A musician's delay, and the packet loss of the last minute.

use super::label::{label, text_width};
use crate::editor::delay_and_loss::{Losses, SECONDS};
use crate::editor::measure::Cut;
use crate::editor::theme::{self, SMALL, UNIT};
use crate::messages::{Language, MessageKey};
use egui::{Align2, Id, Rect, Sense, Ui, pos2, vec2};

/// The delay above, the graph of losses below.
pub(in crate::editor) fn badge(
    ui: &mut Ui,
    rect: Rect,
    id: Id,
    delay_ms: Option<u32>,
    losses: &Losses,
    language: Language,
) {
    let palette = theme::of(ui);
    let missing = losses.missing();
    let mut rest = Cut(rect);
    let text = rest.top(4.0 * UNIT);
    let delay = delay_ms.map_or("– ms".to_owned(), |ms| format!("{ms} ms"));
    label(ui, text, Align2::LEFT_CENTER, SMALL, palette.muted, &delay);
    if missing > 0 && rest.0.height() >= UNIT {
        // Beside the delay, in the longest words that fit.
        let mut beside = Cut(text);
        beside.left(text_width(ui, SMALL, &delay) + UNIT);
        let room = beside.0.width();
        let counted = |key| language.fill(key, &[("count", &missing)]);
        let words = [counted(MessageKey::Missing), counted(MessageKey::MissingShort), format!("−{missing}")];
        if let Some(words) = words.iter().find(|words| text_width(ui, SMALL, words) <= room) {
            label(ui, beside.0, Align2::RIGHT_CENTER, SMALL, palette.warn, words);
        }
    }
    // A short strip has the graph beside the delay.
    let graph = if rest.0.height() >= UNIT {
        rest.0
    } else {
        Cut(text.shrink2(vec2(0.0, UNIT / 2.0))).right(rect.width() / 2.0 - UNIT)
    };
    let painter = ui.painter();
    painter.rect_filled(graph, 1.0, palette.meter.ground);
    let second = graph.width() / SECONDS as f32;
    for (i, height) in losses.bars().enumerate().filter(|(_, height)| *height > 0.0) {
        let left = graph.left() + i as f32 * second;
        let top = graph.bottom() - height * graph.height();
        let bar = Rect::from_min_max(pos2(left, top), pos2(left + second.max(1.0), graph.bottom()));
        painter.rect_filled(bar, 0.0, if height >= 1.0 { palette.meter.high } else { palette.meter.middle });
    }
    let loss = match missing {
        0 => language.text(MessageKey::NothingMissing).to_owned(),
        count => language.fill(MessageKey::PacketsMissing, &[("count", &count)]),
    };
    let delay = match delay_ms {
        Some(ms) => language.fill(MessageKey::HeardAfter, &[("ms", &ms)]) + "\n",
        None => String::new(),
    };
    ui.interact(rect, id, Sense::hover()).on_hover_text(format!("{delay}{loss}"));
}
