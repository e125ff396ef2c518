//! Everyone else, side by side; what does not fit is scrolled to.

use super::strip;
use crate::editor::hand::Hand;
use crate::editor::measure::Width;
use crate::editor::scene::Scene;
use crate::editor::theme::{self, BODY};
use crate::params::Slot;
use egui::{Align2, Rect, ScrollArea, Ui, pos2, vec2};
use rtjam_client::State;
use std::collections::HashSet;

/// What a scroll bar takes, below.
const SCROLL_BAR: f32 = 8.0;

/// Draws them.
pub(in crate::editor) fn strips(ui: &mut Ui, rect: Rect, split: &mut HashSet<Slot>, hand: &Hand<'_>, scene: &Scene) {
    if scene.players.is_empty() {
        let text = match scene.state {
            State::Joined => "Nobody else is in the room.",
            _ => "The others' strips come here.",
        };
        widgets_label(ui, rect, text);
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

fn widgets_label(ui: &Ui, rect: Rect, text: &str) {
    crate::editor::widgets::label(ui, rect, Align2::CENTER_CENTER, BODY, theme::of(ui).muted, text);
}
