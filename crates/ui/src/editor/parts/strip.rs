//! A musician's strip: name, delay and loss, meters, gain, pan, mute, solo, slot.
//!
//! The two channels are linked until the user splits them or they are set differently: then each has its own fader, pan
//! and switches.

use crate::editor::hand::{Hand, Wish};
use crate::editor::measure::{Cut, StripParts, Width};
use crate::editor::pairs;
use crate::editor::scene::{Player, Scene};
use crate::editor::theme::{self, BODY, ROUND, SMALL, TINY, TITLE, UNIT};
use crate::editor::widgets::{self, ButtonLook, Way};
use crate::editor_model::{EditorModel, Kind};
use crate::messages::MessageKey;
use crate::params::{Channel, Param, Slot};
use crate::settings::Change;
use egui::{Align2, Id, Popup, Rect, Role, Ui, WidgetInfo, vec2};
use std::collections::HashSet;

pub(super) fn strip(
    ui: &mut Ui,
    rect: Rect,
    width: Width,
    player: &Player,
    split: &mut HashSet<Slot>,
    hand: &Hand<'_>,
    scene: &Scene,
) {
    let palette = theme::of(ui);
    let id = Id::unique(("strip", player.source));
    ui.painter().rect_filled(rect, ROUND, palette.strip);
    let narrow = width.is_narrow();
    let margin = if narrow { 0.0 } else { UNIT };
    let parts = StripParts::of(rect.shrink2(vec2(margin, 0.0)));

    let sizes: &[f32] = if narrow { &[SMALL, TINY] } else { &[TITLE, BODY, SMALL] };
    // In a narrow strip the name uses the full width.
    let place = parts.name.expand2(vec2(if narrow { UNIT } else { 0.0 }, 0.0));
    let cut = widgets::fitting_label(ui, place, Align2::LEFT_CENTER, sizes, palette.text, &player.name);
    let name = ui.interact(parts.name, id.with("name"), egui::Sense::click());
    name.widget_info(|| WidgetInfo::labeled(Role::Label, true, &player.name));
    Popup::context_menu(&name).show(|ui| pin(ui, &player.name, hand, scene));
    if cut {
        name.on_hover_text(&player.name);
    }
    if player.heard {
        widgets::badge(ui, parts.badge, id.with("badge"), player.delay_ms, &player.losses, hand.language());
    } else {
        widgets::label(ui, parts.badge, Align2::LEFT_CENTER, SMALL, palette.muted, hand.text(MessageKey::NotHeard));
        ui.interact(parts.badge, id.with("badge"), egui::Sense::hover())
            .on_hover_text(hand.text(MessageKey::NotHeardHint));
    }

    let Some(slot) = player.slot else {
        meters(ui, parts.lanes, narrow, player);
        widgets::label(
            ui,
            parts.foot,
            Align2::LEFT_CENTER,
            SMALL,
            palette.muted,
            if narrow { "–" } else { hand.text(MessageKey::NoSlot) },
        );
        return;
    };
    let apart = split.contains(&slot) || !are_linked(&**hand, slot);
    let groups: &[&[Channel]] = if apart { &[&[Channel::Left], &[Channel::Right]] } else { &[&Channel::ALL] };
    lanes(ui, &parts, id, narrow, player, slot, groups, hand);
    foot(ui, parts.foot, id, narrow, slot, &player.name, apart, split, hand, scene);
}

/// Offers to receive a musician even when more play than the server forwards.
fn pin(ui: &mut Ui, name: &str, hand: &Hand<'_>, scene: &Scene) {
    let mut names = scene.settings.choices.pinned.clone();
    let mut pinned = names.iter().any(|pinned| pinned == name);
    if ui.checkbox(&mut pinned, hand.fill(MessageKey::AlwaysHear, &[("name", &name)])).clicked() {
        names.retain(|pinned| pinned != name);
        names.extend(pinned.then(|| name.to_owned()));
        hand.change(Change::Pinned(names));
    }
}

/// The controls of a strip's channels: faders, their values, pans, switches.
#[expect(clippy::too_many_arguments, reason = "the parts of one strip, passed on once")]
fn lanes(
    ui: &mut Ui,
    parts: &StripParts,
    id: Id,
    narrow: bool,
    player: &Player,
    slot: Slot,
    groups: &[&[Channel]],
    hand: &Hand<'_>,
) {
    let palette = theme::of(ui);
    let faders = meters(ui, parts.lanes, narrow, player);
    let columns = |rect: Rect| Cut(rect).columns(groups.len(), UNIT / 2.0);
    let places = columns(faders).zip(columns(parts.value)).zip(columns(parts.pan)).zip(columns(parts.switches));
    for (channels, (((fader, value), pan), switches)) in groups.iter().zip(places) {
        let all = |make: fn(Slot, Channel) -> Param| channels.iter().map(|c| make(slot, *c)).collect::<Vec<Param>>();
        let id = id.with(channels[0].index()).with(groups.len());
        let gains = all(Param::Gain);
        widgets::fader(ui, fader, id.with("gain"), Way::Up, hand, &gains);
        let text = hand.value_text(gains[0]);
        // A narrow strip leaves out the unit.
        let text = if value.width() < 11.0 * UNIT { text.trim_end_matches(" dB") } else { &text };
        let align = if groups.len() > 1 { Align2::CENTER_CENTER } else { Align2::RIGHT_CENTER };
        widgets::label(ui, value, align, SMALL, palette.text, text);
        widgets::pan(ui, pan, id.with("pan"), hand, &all(Param::Pan));
        let mut halves = Cut(switches).columns(2, UNIT / 2.0);
        let which = if channels.len() > 1 {
            hand.text(MessageKey::BothChannels).to_owned()
        } else {
            hand.fill(MessageKey::ChannelNumber, &[("number", &(channels[0].index() + 1))])
        };
        let named = |key| hand.fill(key, &[("channels", &which), ("name", &player.name)]);
        let mut switch = |key: &str, sign: &str, colors, name: String, params: Vec<Param>| {
            let Some(place) = halves.next() else { return };
            let on = hand.value(params[0]) > 0.5;
            let look = if on { ButtonLook::On(colors) } else { ButtonLook::Plain };
            if widgets::button(ui, place, id.with(key), look, sign, &name).clicked() {
                let value = f64::from(u8::from(!on));
                hand.set_once(&params.iter().map(|param| (*param, value)).collect::<Vec<_>>());
            }
        };
        switch("mute", "M", palette.mute, named(MessageKey::MuteOf), all(Param::Mute));
        switch("solo", "S", palette.solo, named(MessageKey::SoloOf), all(Param::Solo));
    }
}

/// Draws the scale and both meters; returns the rest for the faders.
fn meters(ui: &Ui, rect: Rect, narrow: bool, player: &Player) -> Rect {
    let mut rest = Cut(rect);
    if !narrow {
        widgets::meter_scale(ui, rest.left(5.0 * UNIT));
    }
    for bar in player.bars {
        widgets::meter(ui, rest.left(if narrow { 2.0 * UNIT - 2.0 } else { 2.5 * UNIT }), bar);
        rest.left(if narrow { 1.0 } else { UNIT / 2.0 });
    }
    rest.left(if narrow { UNIT / 2.0 } else { UNIT });
    rest.0
}

#[expect(clippy::too_many_arguments, reason = "the parts of one strip, passed on once")]
fn foot(
    ui: &mut Ui,
    rect: Rect,
    id: Id,
    narrow: bool,
    slot: Slot,
    name_of_player: &str,
    apart: bool,
    split: &mut HashSet<Slot>,
    hand: &Hand<'_>,
    scene: &Scene,
) {
    let palette = theme::of(ui);
    let mut rest = Cut(rect.shrink2(vec2(0.0, 1.0)));
    let place = rest.right(if narrow { 5.0 * UNIT } else { 7.0 * UNIT });
    let look = if apart { ButtonLook::On([palette.accent, palette.on_accent]) } else { ButtonLook::Plain };
    let name = hand.text(if apart { MessageKey::LinkChannels } else { MessageKey::SplitChannels });
    if widgets::button(ui, place, id.with("split"), look, if narrow { "1|2" } else { "1 | 2" }, name).clicked() {
        if apart {
            split.remove(&slot);
            link_channels(hand, slot, name_of_player);
        } else {
            split.insert(slot);
        }
    }
    let number = slot.number().to_string();
    if scene.kind == Kind::Multi {
        rest.right(UNIT / 2.0);
        let place = if narrow { rest.0 } else { rest.right(9.0 * UNIT) };
        let param = Param::MainMix(slot);
        let on = hand.value(param) > 0.5;
        let look = if on { ButtonLook::On([palette.accent, palette.on_accent]) } else { ButtonLook::Plain };
        let name = hand.fill(MessageKey::MainHint, &[("number", &number)]);
        // A narrow strip shows the number instead of the word.
        if widgets::button(
            ui,
            place,
            id.with("main"),
            look,
            if narrow { &number } else { hand.text(MessageKey::Main) },
            &name,
        )
        .clicked()
        {
            hand.set_once(&[(param, f64::from(u8::from(!on)))]);
        }
    }
    let text = match (scene.kind, narrow) {
        (Kind::Multi, true) => return,
        (_, true) => number,
        (Kind::Multi, false) => hand.fill(MessageKey::Aux, &[("number", &number)]),
        (_, false) => hand.fill(MessageKey::Slot, &[("number", &number)]),
    };
    widgets::label(ui, rest.0, Align2::LEFT_CENTER, SMALL, palette.muted, &text);
}

/// Whether both channels have the same settings.
fn are_linked(model: &dyn EditorModel, slot: Slot) -> bool {
    let of = |make: fn(Slot, Channel) -> Param| Channel::ALL.map(|c| model.value(make(slot, c)));
    let equal = |make| {
        let [left, right] = of(make);
        left == right
    };
    equal(Param::Gain) && equal(Param::Mute) && equal(Param::Solo) && pairs::is_pair(of(Param::Pan))
}

/// Gives the second channel the settings of the first, and tells what has changed: a mute would go unnoticed otherwise.
fn link_channels(hand: &Hand<'_>, slot: Slot, name: &str) {
    let mut sets = Vec::new();
    let mut changed = Vec::new();
    for (make, key) in [
        (Param::Gain as fn(Slot, Channel) -> Param, MessageKey::ChangedGain),
        (Param::Mute, MessageKey::ChangedMute),
        (Param::Solo, MessageKey::ChangedSolo),
    ] {
        let [first, second] = Channel::ALL.map(|channel| make(slot, channel));
        let value = hand.value(first);
        if value != hand.value(second) {
            sets.push((second, value));
            changed.push(hand.fill(key, &[("value", &hand.value_text(first))]));
        }
    }
    if !pairs::is_pair(Channel::ALL.map(|c| hand.value(Param::Pan(slot, c)))) {
        sets.extend(Channel::ALL.map(|c| (Param::Pan(slot, c), Param::PAN_AUTO)));
        changed.push(hand.text(MessageKey::ChangedPan).to_owned());
    }
    if let Some((last, others)) = changed.split_last() {
        let list = match others {
            [] => last.clone(),
            _ => hand.fill(MessageKey::ListAnd, &[("list", &others.join(", ")), ("last", last)]),
        };
        hand.wish(Wish::Tell(hand.fill(MessageKey::ChannelsLinked, &[("name", &name), ("list", &list)])));
    }
    hand.set_once(&sets);
}
