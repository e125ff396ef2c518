//! The appearance: one palette per look, one type scale, one unit of space.

mod palette;

pub use super::measure::UNIT;
pub use palette::{DARK, LIGHT, MeterColors, Palette};

use crate::settings::Look;
use egui::{Color32, CornerRadius, FontFamily, FontId, Stroke, TextStyle, Ui};

/// Font size of scales and units, in logical pixels.
pub const SMALL: f32 = 11.0;
/// Font size of names that would be cut otherwise.
pub const TINY: f32 = 9.5;
/// Font size of ordinary text.
pub const BODY: f32 = 13.0;
/// Font size of names and titles.
pub const TITLE: f32 = 15.0;

/// Corner radius.
pub const ROUND: f32 = UNIT;

/// The font of a size.
pub fn font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// The palette of a look.
pub fn palette(look: Look) -> &'static Palette {
    match look {
        Look::Dark => &DARK,
        Look::Light => &LIGHT,
    }
}

/// The palette of `ui`.
pub fn of(ui: &Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// Gives egui's own widgets (fields, menus, tooltips) the same appearance.
pub fn apply(ctx: &egui::Context, look: Look) {
    let palette = palette(look);
    let theme = match look {
        Look::Dark => egui::Theme::Dark,
        Look::Light => egui::Theme::Light,
    };
    ctx.set_theme(theme);
    ctx.style_mut_of(theme, |style| {
        style.text_styles = [
            (TextStyle::Small, font(SMALL)),
            (TextStyle::Body, font(BODY)),
            (TextStyle::Button, font(BODY)),
            (TextStyle::Heading, font(TITLE)),
            (TextStyle::Monospace, FontId::new(BODY, FontFamily::Monospace)),
        ]
        .into();
        style.spacing.item_spacing = egui::vec2(UNIT, UNIT);
        style.spacing.button_padding = egui::vec2(2.0 * UNIT, UNIT);
        style.spacing.interact_size.y = 6.0 * UNIT;
        style.interaction.tooltip_delay = 0.4;
        // No animations: they would cost frames and distract.
        style.animation_time = 0.0;
        style.visuals = visuals(look, palette);
    });
}

fn visuals(look: Look, p: &Palette) -> egui::Visuals {
    let mut v = match look {
        Look::Dark => egui::Visuals::dark(),
        Look::Light => egui::Visuals::light(),
    };
    v.panel_fill = p.ground;
    v.window_fill = p.panel;
    v.window_stroke = Stroke::new(1.0, p.line);
    v.extreme_bg_color = p.field;
    v.text_edit_bg_color = Some(p.field);
    v.weak_text_color = Some(p.muted);
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.warn;
    v.error_fg_color = p.bad;
    v.selection.bg_fill = p.accent.gamma_multiply(0.35);
    v.selection.stroke = Stroke::new(1.0, p.text);
    v.text_cursor.blink = false;
    v.text_cursor.stroke = Stroke::new(2.0, p.accent);
    v.menu_corner_radius = CornerRadius::same(ROUND as u8);
    v.window_corner_radius = CornerRadius::same(ROUND as u8);
    let widget = |state: &mut egui::style::WidgetVisuals, fill: Color32, stroke: Color32| {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, stroke);
        state.fg_stroke = Stroke::new(1.0, p.text);
        state.corner_radius = CornerRadius::same(ROUND as u8);
        state.expansion = 0.0;
    };
    widget(&mut v.widgets.noninteractive, p.panel, p.line);
    widget(&mut v.widgets.inactive, p.control, p.line);
    widget(&mut v.widgets.hovered, p.control_hover, p.muted);
    widget(&mut v.widgets.active, p.control_hover, p.accent);
    widget(&mut v.widgets.open, p.control_hover, p.line);
    v
}
