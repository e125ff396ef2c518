//! A button that opens a list to choose from.

use super::button::{ButtonLook, button};
use super::label::{fitting_label, label};
use crate::editor::theme::{self, BODY, SMALL, TINY, UNIT};
use egui::{Align2, Id, Popup, Rect, Shape, Stroke, Ui, pos2, vec2};

/// A value with its title above, and a list to choose from. `id` identifies it; returns what was chosen.
pub(in crate::editor) fn choice<T: Clone + PartialEq>(
    ui: &mut Ui,
    rect: Rect,
    id: &str,
    title: &str,
    now: &T,
    all: &[(T, String)],
) -> Option<T> {
    titled_choice(ui, rect, id, title, title, now, all)
}

/// The same with a tooltip.
pub(in crate::editor) fn titled_choice<T: Clone + PartialEq>(
    ui: &mut Ui,
    rect: Rect,
    id: &str,
    title: &str,
    hint: &str,
    now: &T,
    all: &[(T, String)],
) -> Option<T> {
    let above = Rect::from_min_size(rect.min, vec2(rect.width(), 4.0 * UNIT));
    label(ui, above, Align2::LEFT_CENTER, SMALL, theme::of(ui).muted, title);
    let text = all.iter().find(|(value, _)| value == now).map_or("…", |(_, text)| text.as_str());
    let place = Rect::from_min_max(pos2(rect.left(), above.bottom()), rect.max);
    let mut chosen = None;
    menu(ui, place, id, text, hint, |ui| {
        for (value, text) in all {
            if ui.selectable_label(value == now, text).clicked() && value != now {
                chosen = Some(value.clone());
            }
        }
    });
    chosen
}

/// A button with an arrow that opens a menu.
pub(in crate::editor) fn menu(
    ui: &mut Ui,
    rect: Rect,
    id: &str,
    text: &str,
    name: &str,
    content: impl FnOnce(&mut Ui),
) {
    let id = Id::unique(("menu", id));
    let palette = theme::of(ui);
    let response = button(ui, rect, id, ButtonLook::Plain, "", name);
    let arrow = pos2(rect.right() - 2.5 * UNIT, rect.center().y);
    let points = vec![arrow + vec2(-3.5, -1.5), arrow + vec2(0.0, 2.0), arrow + vec2(3.5, -1.5)];
    ui.painter().add(Shape::line(points, Stroke::new(1.5, palette.muted)));
    let place = Rect::from_min_max(rect.min + vec2(1.5 * UNIT, 0.0), pos2(rect.right() - 4.5 * UNIT, rect.bottom()));
    fitting_label(ui, place, Align2::LEFT_CENTER, &[BODY, SMALL, TINY], palette.text, text);
    Popup::menu(&response).show(|ui| {
        ui.set_min_width(rect.width());
        content(ui);
    });
}

/// The usual numbers and the one that is set, in order.
pub(in crate::editor) fn with_set<T: Copy + Ord>(usual: &[T], set: Option<T>) -> Vec<T> {
    let mut all = usual.to_vec();
    all.extend(set.filter(|set| !usual.contains(set)));
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that was set elsewhere can be chosen too.
    #[test]
    fn choices_include_current_number() {
        assert_eq!(with_set(&[16, 64, 128], None), [16, 64, 128]);
        assert_eq!(with_set(&[16, 64, 128], Some(64)), [16, 64, 128]);
        assert_eq!(with_set(&[16, 64, 128], Some(48)), [16, 48, 64, 128]);
    }
}
