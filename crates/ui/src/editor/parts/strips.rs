//! The other musicians' strips, side by side; they scroll if they do not fit.

use super::strip;
use crate::editor::hand::Hand;
use crate::editor::measure::Width;
use crate::editor::scene::Scene;
use crate::editor::theme::{self, BODY};
use crate::editor::widgets;
use crate::messages::MessageKey;
use crate::params::Slot;
use egui::{Align2, Rect, ScrollArea, Ui, pos2, vec2};
use rtjam_client::SessionState;
use std::collections::HashSet;

/// Height of the scroll bar.
const SCROLL_BAR: f32 = 8.0;

pub(in crate::editor) fn strips(ui: &mut Ui, rect: Rect, split: &mut HashSet<Slot>, hand: &Hand<'_>, scene: &Scene) {
    if scene.players.is_empty() {
        let text = match scene.state {
            SessionState::Joined => MessageKey::NobodyElse,
            _ => MessageKey::StripsAppearHere,
        };
        let color = theme::of(ui).muted;
        widgets::label(ui, rect, Align2::CENTER_CENTER, BODY, color, hand.text(text));
        return;
    }
    let count = scene.players.len();
    let width = Width::of(count, rect.width());
    let scrolls = width.total(count) > rect.width();
    let height = if scrolls { rect.height() - SCROLL_BAR } else { rect.height() };
    let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    ScrollArea::horizontal().auto_shrink(false).show(&mut inner, |ui| {
        let origin = ui.max_rect().min;
        let (all, _) = ui.allocate_exact_size(vec2(width.total(count), height), egui::Sense::hover());
        for (i, player) in scene.players.iter().enumerate() {
            let left = all.left() + i as f32 * (width.strip + width.gap);
            let place = Rect::from_min_size(pos2(left, origin.y), vec2(width.strip, height));
            strip::strip(ui, place, width, player, split, hand, scene);
        }
    });
}
