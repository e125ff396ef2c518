//! Level meters: a bar up to the RMS, a paler one up to the peak, and a line at the held peak.

use super::label::label;
use crate::editor::ballistics::Bar;
use crate::editor::scale::{MARKS, METER_FLOOR, meter_place};
use crate::editor::theme::{self, SMALL, UNIT};
use egui::{Align2, Color32, Rect, Stroke, Ui, pos2};

/// Level at which the colour changes, in dBFS.
const MIDDLE: f32 = -12.0;
/// See [`MIDDLE`].
const HIGH: f32 = -3.0;
/// Height of the clipping light above the bar.
const LIGHT: f32 = UNIT;

/// The meter of one channel.
pub(in crate::editor) fn meter(ui: &Ui, rect: Rect, bar: Bar) {
    let (palette, painter) = (theme::of(ui), ui.painter());
    let colors = &palette.meter;
    let light = Rect::from_min_max(rect.min, pos2(rect.right(), rect.top() + LIGHT));
    painter.rect_filled(light, 1.0, if bar.clipped { colors.high } else { colors.ground });
    let scale = scale_rect(rect);
    painter.rect_filled(scale, 1.0, colors.ground);
    let parts = [(METER_FLOOR, MIDDLE, colors.low), (MIDDLE, HIGH, colors.middle), (HIGH, 0.0, colors.high)];
    for (from, to, color) in parts {
        fill(ui, scale, from, to.min(bar.peak()), pale(color, colors.ground));
        fill(ui, scale, from, to.min(bar.rms()), color);
    }
    if bar.hold() > METER_FLOOR {
        let y = height(scale, bar.hold()).max(scale.top() + 1.0);
        painter.hline(scale.x_range(), y, Stroke::new(2.0, color_at(colors, bar.hold())));
    }
}

/// The numbers beside a meter of the same height, right-aligned; numbers that would touch are left out.
pub(in crate::editor) fn meter_scale(ui: &Ui, rect: Rect) {
    let palette = theme::of(ui);
    let scale = scale_rect(rect);
    let mut free_from = f32::NEG_INFINITY;
    for mark in MARKS {
        let y = height(scale, mark);
        if y - SMALL / 2.0 < free_from || y + SMALL / 2.0 > rect.bottom() + 1.0 {
            continue;
        }
        free_from = y + SMALL / 2.0;
        let place = Rect::from_center_size(pos2(rect.center().x - 1.0, y), egui::vec2(rect.width() - 2.0, SMALL));
        label(ui, place, Align2::RIGHT_CENTER, SMALL, palette.muted, &format!("{:.0}", mark.abs()));
    }
}

fn scale_rect(rect: Rect) -> Rect {
    Rect::from_min_max(pos2(rect.left(), rect.top() + LIGHT + 1.0), rect.max)
}

fn fill(ui: &Ui, scale: Rect, from: f32, to: f32, color: Color32) {
    if to > from {
        let part = Rect::from_x_y_ranges(scale.x_range(), height(scale, to)..=height(scale, from));
        ui.painter().rect_filled(part, 0.0, color);
    }
}

fn height(scale: Rect, dbfs: f32) -> f32 {
    egui::lerp(scale.bottom()..=scale.top(), meter_place(dbfs))
}

fn color_at(colors: &theme::MeterColors, dbfs: f32) -> Color32 {
    if dbfs > HIGH {
        colors.high
    } else if dbfs > MIDDLE {
        colors.middle
    } else {
        colors.low
    }
}

/// About halfway between the colour and the background.
fn pale(color: Color32, ground: Color32) -> Color32 {
    color.lerp_to_gamma(ground, 0.55)
}
