//! The bottom row: the room's level, and how audio is sent and received.

use crate::editor::hand::{Hand, Wish};
use crate::editor::measure::Cut;
use crate::editor::scene::Scene;
use crate::editor::theme::{self, SMALL, UNIT};
use crate::editor::widgets::{self, Way};
use crate::editor_model::Kind;
use crate::messages::MessageKey;
use crate::params::Param;
use crate::settings::{Change, Look};
use egui::{Align2, Id, Rect, Sense, Ui, pos2, vec2};
use rtjam_engine::{PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;

/// Smallest and largest width of a choice: choices give way to the room's fader.
const CHOICE: [f32; 2] = [14.0 * UNIT, 22.0 * UNIT];
/// Smallest width of the room's fader and meters.
const ROOM: f32 = 21.0 * UNIT;
const LIMITER: f32 = 12.0 * UNIT;
const OPTIONS: f32 = 11.0 * UNIT;
const GAP: f32 = 2.0 * UNIT;
const TITLE: f32 = 4.0 * UNIT;
/// Packet sizes to choose from, in frames.
const PACKETS: [u16; 6] = [16, 32, 64, 128, 256, 512];
/// Playout delays to choose from, in ms.
const PLAYOUTS: [u16; 9] = [0, 2, 5, 10, 15, 20, 30, 50, 100];

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
    limiter_light(ui, limiter, hand, scene.limiting);
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
    widgets::label(ui, title, Align2::LEFT_CENTER, SMALL, palette.muted, hand.text(MessageKey::Room));
    let text = hand.value_text(Param::Room);
    // A narrow row leaves out the unit.
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

/// A light with a label; not a control.
fn limiter_light(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, limiting: bool) {
    let palette = theme::of(ui);
    let mut rest = Cut(rect);
    let title = rest.top(TITLE);
    widgets::label(ui, title, Align2::LEFT_CENTER, SMALL, palette.muted, hand.text(MessageKey::Limiter));
    let light = pos2(rest.0.left() + 1.5 * UNIT, rest.0.center().y);
    let (fill, color, key) = if limiting {
        (palette.warn, palette.text, MessageKey::LimiterActive)
    } else {
        (palette.meter.ground, palette.muted, MessageKey::LimiterIdle)
    };
    ui.painter().circle(light, UNIT, fill, egui::Stroke::new(1.0, palette.line));
    rest.left(3.5 * UNIT);
    widgets::label(ui, rest.0, Align2::LEFT_CENTER, SMALL, color, hand.text(key));
    let response = ui.interact(rect, Id::unique("limiter"), Sense::hover());
    response.on_hover_text(hand.text(MessageKey::LimiterHint));
}

/// The downstream. The title shows when it is one mix, and the delay that mixing adds.
fn mixes(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let all = [
        (None, MessageKey::OthersDefault),
        (Some(DownstreamMode::Forwarded), MessageKey::OthersSeparate),
        (Some(DownstreamMode::Mixed), MessageKey::OthersOneMix),
    ]
    .map(|(mode, key)| (mode, hand.text(key).to_owned()));
    let title = match (scene.mix, scene.mix_ms) {
        (DownstreamMode::Forwarded, _) => hand.text(MessageKey::Others).to_owned(),
        (DownstreamMode::Mixed, None) => hand.text(MessageKey::OneMix).to_owned(),
        (DownstreamMode::Mixed, Some(ms)) => hand.fill(MessageKey::OneMixDelay, &[("ms", &ms)]),
    };
    let now = scene.settings.choices.mix;
    let hint = hand.text(MessageKey::OthersHint);
    if let Some(mix) = widgets::titled_choice(ui, rect, "Others", &title, hint, &now, &all) {
        hand.change(Change::Mix(mix));
    }
}

fn formats(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, now: Codec) {
    let all = [(Codec::Pcm16, MessageKey::Bit16), (Codec::Pcm24, MessageKey::Bit24), (Codec::F32, MessageKey::Float32)]
        .map(|(codec, key)| (codec, hand.text(key).to_owned()));
    if let Some(format) = widgets::choice(ui, rect, "Format", hand.text(MessageKey::Format), &now, &all) {
        hand.change(Change::Format(format));
    }
}

fn packets(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, now: PacketSize) {
    let mut all = vec![(PacketSize::Auto, hand.text(MessageKey::Auto).to_owned())];
    let set = match now {
        PacketSize::Frames(frames) => Some(frames),
        PacketSize::Auto => None,
    };
    for frames in widgets::with_set(&PACKETS, set) {
        all.push((PacketSize::Frames(frames), hand.fill(MessageKey::Frames, &[("frames", &frames)])));
    }
    if let Some(size) = widgets::choice(ui, rect, "Packet", hand.text(MessageKey::Packet), &now, &all) {
        hand.change(Change::Packet(size));
    }
}

fn playouts(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, playout: Playout, comfort: PlayoutBias) {
    let fixed = |ms: f32| ((Playout::Fixed { ms }, comfort), format!("{ms} ms"));
    let auto = |comfort: PlayoutBias| {
        let key = match comfort {
            PlayoutBias::Tight => MessageKey::AutoTight,
            PlayoutBias::Normal => MessageKey::Auto,
            PlayoutBias::Safe => MessageKey::AutoSafe,
        };
        ((Playout::Auto, comfort), hand.text(key).to_owned())
    };
    let now = (playout, comfort);
    let mut all = PlayoutBias::ALL.map(auto).to_vec();
    all.extend(PLAYOUTS.iter().map(|ms| fixed(f32::from(*ms))));
    if let Playout::Fixed { ms } = playout
        && !all.iter().any(|(value, _)| *value == now)
    {
        all.insert(PlayoutBias::ALL.len(), fixed(ms));
    }
    if let Some((chosen, preferred)) = widgets::choice(ui, rect, "Playout", hand.text(MessageKey::Playout), &now, &all)
    {
        if chosen != playout {
            hand.change(Change::Playout(chosen));
        }
        if preferred != comfort {
            hand.change(Change::PlayoutBias(preferred));
        }
    }
}

fn options_menu(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, scene: &Scene) {
    let choices = &scene.settings.choices;
    widgets::menu(ui, rect, "options", "…", hand.text(MessageKey::Options), |ui| {
        ui.set_max_width(90.0 * UNIT);
        let (undo, redo) = hand.steps();
        for (enabled, key, wish) in [(undo, MessageKey::Undo, Wish::Undo), (redo, MessageKey::Redo, Wish::Redo)] {
            if ui.add_enabled(enabled, egui::Button::new(hand.text(key))).clicked() {
                hand.wish(wish);
            }
        }
        let mut light = choices.look == Look::Light;
        if ui.checkbox(&mut light, hand.text(MessageKey::LightWindow)).clicked() {
            hand.change(Change::Look(if light { Look::Light } else { Look::Dark }));
        }
        if scene.audio.is_some() && ui.button(hand.text(MessageKey::AudioMenu)).clicked() {
            hand.wish(Wish::OpenAudio);
        }
        if scene.kind == Kind::Standalone {
            return;
        }
        let mut keep_key = choices.keep_key;
        if ui.checkbox(&mut keep_key, hand.text(MessageKey::KeepInvitation)).clicked() {
            hand.change(Change::KeepKey(keep_key));
        }
        let mut rejoin = choices.rejoin;
        if ui.checkbox(&mut rejoin, hand.text(MessageKey::RejoinProject)).clicked() {
            hand.change(Change::Rejoin(rejoin));
        }
        ui.separator();
        ui.label(hand.text(MessageKey::TrackAdvice));
    });
}
