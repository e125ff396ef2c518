//! The row below: how loud the room is, and how sound is sent and received.

use crate::board::{Change, Kind, Look};
use crate::editor::hand::{Hand, Wish};
use crate::editor::measure::Cut;
use crate::editor::scene::Scene;
use crate::editor::theme::{self, SMALL, UNIT};
use crate::editor::widgets::{self, Way};
use crate::params::Param;
use egui::{Align2, Id, Rect, Sense, Ui, pos2, vec2};
use rtjam_engine::{PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;

/// A choice is so wide where there is room, and gives way to the room's fader down to that.
const CHOICE: [f32; 2] = [14.0 * UNIT, 22.0 * UNIT];
/// The room's fader and meters have at least this.
const ROOM: f32 = 21.0 * UNIT;
const LIMITER: f32 = 12.0 * UNIT;
const OPTIONS: f32 = 11.0 * UNIT;
const GAP: f32 = 2.0 * UNIT;
const TITLE: f32 = 4.0 * UNIT;
/// Frames a packet that can be chosen here.
const PACKETS: [u16; 6] = [16, 32, 64, 128, 256, 512];
/// Milliseconds that can be chosen here.
const PLAYOUTS: [u16; 9] = [0, 2, 5, 10, 15, 20, 30, 50, 100];

/// Draws it.
pub(in crate::editor) fn bottom(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let mut rest = Cut(rect);
    let options = rest.right(OPTIONS);
    let mut place = |width: f32| {
        rest.right(GAP);
        rest.right(width)
    };
    let [least, most] = CHOICE;
    let width = ((rect.width() - OPTIONS - LIMITER - ROOM - 6.0 * GAP) / 4.0).clamp(least, most);
    let [playout, packet, format, others] = [width; 4].map(&mut place);
    let limiter = place(LIMITER);
    rest.right(GAP);
    room(ui, rest.0, hand, scene);
    limiter_light(ui, limiter, scene.limiting);
    mixes(ui, others, hand, scene);
    formats(ui, format, hand, scene.settings.choices.format);
    packets(ui, packet, hand, scene.settings.choices.packet);
    playouts(ui, playout, hand, scene.settings.choices.playout, scene.settings.choices.comfort);
    options_menu(ui, Rect::from_min_max(pos2(options.left(), options.top() + TITLE), options.max), hand, scene);
}

fn room(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let palette = theme::of(ui);
    let mut rest = Cut(rect);
    for bar in scene.heard {
        widgets::meter(ui, rest.left(1.5 * UNIT), bar);
        rest.left(1.0);
    }
    rest.left(2.0 * UNIT);
    let title = rest.top(TITLE);
    widgets::label(ui, title, Align2::LEFT_CENTER, SMALL, palette.muted, "Room");
    let text = Param::Room.text(hand.value(Param::Room));
    // Where there is little room, the unit is left out.
    let text = if title.width() < 18.0 * UNIT { text.trim_end_matches(" dB") } else { &text };
    widgets::label(ui, title, Align2::RIGHT_CENTER, SMALL, palette.text, text);
    widgets::fader(
        ui,
        rest.0.shrink2(vec2(0.0, UNIT / 2.0)),
        Id::unique("room level"),
        Way::Right,
        hand,
        &[Param::Room],
    );
}

/// A light, and a word: nothing that could be pressed.
fn limiter_light(ui: &mut Ui, rect: Rect, limiting: bool) {
    let palette = theme::of(ui);
    let mut rest = Cut(rect);
    let title = rest.top(TITLE);
    widgets::label(ui, title, Align2::LEFT_CENTER, SMALL, palette.muted, "Limiter");
    let light = pos2(rest.0.left() + 1.5 * UNIT, rest.0.center().y);
    let (fill, color, text) =
        if limiting { (palette.warn, palette.text, "active") } else { (palette.meter.ground, palette.muted, "idle") };
    ui.painter().circle(light, UNIT, fill, egui::Stroke::new(1.0, palette.line));
    rest.left(3.5 * UNIT);
    widgets::label(ui, rest.0, Align2::LEFT_CENTER, SMALL, color, text);
    let response = ui.interact(rect, Id::unique("limiter"), Sense::hover());
    response.on_hover_text("Lights up while the room is so loud that it is turned down, to keep it from distorting");
}

/// What of the others is sent. The title tells when it is one mix, and what that adds to the delay.
fn mixes(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let all = [
        (None, "default".to_owned()),
        (Some(DownstreamMode::Forwarded), "separate".to_owned()),
        (Some(DownstreamMode::Mixed), "one mix".to_owned()),
    ];
    let title = match (scene.mix, scene.mix_ms) {
        (DownstreamMode::Forwarded, _) => "Others".to_owned(),
        (DownstreamMode::Mixed, None) => "One mix".to_owned(),
        (DownstreamMode::Mixed, Some(ms)) => format!("One mix +{ms} ms"),
    };
    let now = scene.settings.choices.mix;
    let hint = "How the others reach you: as the room is set up, each separately, or as one mix that the server makes";
    if let Some(mix) = widgets::titled_choice(ui, rect, "Others", &title, hint, &now, &all) {
        hand.change(Change::Mix(mix));
    }
}

fn formats(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, now: Codec) {
    let all = [
        (Codec::Pcm16, "16 bit".to_owned()),
        (Codec::Pcm24, "24 bit".to_owned()),
        (Codec::F32, "32 bit float".to_owned()),
    ];
    if let Some(format) = widgets::choice(ui, rect, "Format", &now, &all) {
        hand.change(Change::Format(format));
    }
}

fn packets(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, now: PacketSize) {
    let mut all = vec![(PacketSize::Auto, "auto".to_owned())];
    let set = match now {
        PacketSize::Frames(frames) => Some(frames),
        PacketSize::Auto => None,
    };
    for frames in with(&PACKETS, set) {
        all.push((PacketSize::Frames(frames), format!("{frames} frames")));
    }
    if let Some(size) = widgets::choice(ui, rect, "Packet", &now, &all) {
        hand.change(Change::Packet(size));
    }
}

fn playouts(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, playout: Playout, comfort: PlayoutBias) {
    let fixed = |ms: f32| ((Playout::Fixed { ms }, comfort), format!("{ms} ms"));
    let auto = |comfort: PlayoutBias| match comfort {
        PlayoutBias::Normal => ((Playout::Auto, comfort), "auto".to_owned()),
        PlayoutBias::Tight | PlayoutBias::Safe => ((Playout::Auto, comfort), format!("auto, {comfort}")),
    };
    let now = (playout, comfort);
    let mut all = PlayoutBias::ALL.map(auto).to_vec();
    all.extend(PLAYOUTS.iter().map(|ms| fixed(f32::from(*ms))));
    if let Playout::Fixed { ms } = playout
        && !all.iter().any(|(value, _)| *value == now)
    {
        all.insert(PlayoutBias::ALL.len(), fixed(ms));
    }
    if let Some((chosen, preferred)) = widgets::choice(ui, rect, "Playout", &now, &all) {
        if chosen != playout {
            hand.change(Change::Playout(chosen));
        }
        if preferred != comfort {
            hand.change(Change::PlayoutBias(preferred));
        }
    }
}

/// The usual numbers, and the one that is set, in order.
fn with(usual: &[u16], set: Option<u16>) -> Vec<u16> {
    let mut all = usual.to_vec();
    all.extend(set.filter(|set| !usual.contains(set)));
    all.sort_unstable();
    all
}

fn options_menu(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let choices = &scene.settings.choices;
    widgets::menu(ui, rect, "options", "…", "Options", |ui| {
        ui.set_max_width(90.0 * UNIT);
        let (undo, redo) = hand.steps();
        for (there, text, wish) in [(undo, "Undo", Wish::Undo), (redo, "Redo", Wish::Redo)] {
            if ui.add_enabled(there, egui::Button::new(text)).clicked() {
                hand.wish(wish);
            }
        }
        let mut light = choices.look == Look::Light;
        if ui.checkbox(&mut light, "Light window").clicked() {
            hand.change(Change::Look(if light { Look::Light } else { Look::Dark }));
        }
        if scene.kind == Kind::Standalone {
            return;
        }
        let mut keep_key = choices.keep_key;
        if ui.checkbox(&mut keep_key, "Keep the invitation in this project").clicked() {
            hand.change(Change::KeepKey(keep_key));
        }
        let mut rejoin = choices.rejoin;
        if ui.checkbox(&mut rejoin, "Rejoin when the project opens (muted)").clicked() {
            hand.change(Change::Rejoin(rejoin));
        }
        ui.separator();
        ui.label(
            "Put RTJam on the track that you play. On a bus or the master, where the room comes back, it would send \
             the room to itself; it stops sending then.",
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_set_elsewhere_can_be_chosen_too() {
        assert_eq!(with(&PACKETS, None), PACKETS);
        assert_eq!(with(&PACKETS, Some(64)), PACKETS);
        assert_eq!(with(&PACKETS, Some(48)), [16, 32, 48, 64, 128, 256, 512]);
    }
}
