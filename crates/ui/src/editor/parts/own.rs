//! The user's own strip: what is sent, and the monitor level.

use crate::editor::hand::Hand;
use crate::editor::measure::{Cut, StripParts};
use crate::editor::scene::Scene;
use crate::editor::theme::{self, ROUND, SMALL, TITLE, UNIT};
use crate::editor::widgets::{self, ButtonLook, Way};
use crate::messages::MessageKey;
use crate::params::Param;
use crate::settings::Change;
use egui::{Align2, Id, Rect, Stroke, StrokeKind, Ui};
use rtjam_client::SessionState;
use rtjam_protocol::audio::Layout;

pub(in crate::editor) fn own(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let palette = theme::of(ui);
    ui.painter().rect_filled(rect, ROUND, palette.strip);
    ui.painter().rect_stroke(rect, ROUND, Stroke::new(1.0, palette.accent), StrokeKind::Inside);
    let parts = StripParts::of(rect.shrink2(egui::vec2(UNIT, 0.0)));
    let muted = hand.value(Param::SendMute) > 0.5;

    widgets::label(ui, parts.name, Align2::LEFT_CENTER, TITLE, palette.text, hand.text(MessageKey::You));
    let (sent, color) = match (scene.state, muted) {
        (_, true) => (MessageKey::Muted, palette.bad),
        (SessionState::Joined, false) => (MessageKey::Sending, palette.good),
        _ => (MessageKey::Offline, palette.muted),
    };
    widgets::label(ui, parts.name, Align2::RIGHT_CENTER, SMALL, color, hand.text(sent));
    layout_button(ui, parts.badge, hand, scene);

    let mut lanes = Cut(parts.lanes);
    widgets::meter_scale(ui, lanes.left(5.0 * UNIT));
    for bar in scene.sent {
        widgets::meter(ui, lanes.left(2.5 * UNIT), bar);
        lanes.left(UNIT / 2.0);
    }
    lanes.left(UNIT);
    let fader = lanes.0;
    widgets::fader(ui, fader, Id::unique("monitor"), Way::Up, hand, &[Param::Monitor]);
    let text = hand.value_text(Param::Monitor);
    let (value, title) = (Cut(parts.value), Cut(parts.pan));
    widgets::label(ui, value.0, Align2::RIGHT_CENTER, SMALL, palette.text, &text);
    widgets::label(ui, title.0, Align2::RIGHT_CENTER, SMALL, palette.muted, hand.text(MessageKey::Monitor));

    let place = parts.switches.union(parts.foot);
    let look = if muted { ButtonLook::On(palette.mute) } else { ButtonLook::Plain };
    let (label, name) =
        if muted { (MessageKey::MuteOn, MessageKey::UnmuteHint) } else { (MessageKey::Mute, MessageKey::MuteHint) };
    let (label, name) = (hand.text(label), hand.text(name));
    if widgets::button(ui, place, Id::unique("send mute"), look, label, name).clicked() {
        hand.set_once(&[(Param::SendMute, f64::from(u8::from(!muted)))]);
    }
}

fn layout_button(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let mut halves =
        Cut(rect.shrink2(egui::vec2(0.0, if rect.height() < 6.0 * UNIT { 0.0 } else { UNIT }))).columns(2, UNIT / 2.0);
    let palette = theme::of(ui);
    for (layout, id, text, name) in [
        (Layout::Stereo, "Stereo", MessageKey::Stereo, MessageKey::StereoHint),
        (Layout::DualMono, "2 mono", MessageKey::DualMono, MessageKey::DualMonoHint),
    ] {
        let Some(place) = halves.next() else { return };
        let on = scene.settings.choices.layout == layout;
        let look = if on { ButtonLook::On([palette.accent, palette.on_accent]) } else { ButtonLook::Plain };
        if widgets::button(ui, place, Id::unique(id), look, hand.text(text), hand.text(name)).clicked() && !on {
            hand.change(Change::Layout(layout));
        }
    }
}
