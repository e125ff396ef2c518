//! One musician: name, network, meters, gain, pan, mute, solo, slot.
//!
//! The two channels go together, until they are split or were set apart: then each has its own fader, pan and switches.

use crate::board::{Board, Change, Kind};
use crate::editor::hand::{Hand, Wish};
use crate::editor::measure::{Cut, StripParts, Width};
use crate::editor::scene::{Player, Scene};
use crate::editor::theme::{self, BODY, ROUND, SMALL, TINY, TITLE, UNIT};
use crate::editor::widgets::{self, Look, Way};
use crate::params::{Channel, Param, Slot};
use egui::{Align2, Id, Popup, Rect, Role, Ui, WidgetInfo, vec2};
use std::collections::HashSet;

/// Why somebody is not heard.
const NOT_HEARD: &str = "More musicians play than one can hear. The room sends you the loudest. To hear this one in any case, \
                         right-click the name.";

/// Draws it.
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
    // A narrow strip gives its name all of its width.
    let place = parts.name.expand2(vec2(if narrow { UNIT } else { 0.0 }, 0.0));
    let cut = widgets::fitting_label(ui, place, Align2::LEFT_CENTER, sizes, palette.text, &player.name);
    let name = ui.interact(parts.name, id.with("name"), egui::Sense::click());
    name.widget_info(|| WidgetInfo::labeled(Role::Label, true, &player.name));
    Popup::context_menu(&name).show(|ui| pin(ui, &player.name, hand, scene));
    if cut {
        name.on_hover_text(&player.name);
    }
    if player.heard {
        widgets::badge(ui, parts.badge, id.with("badge"), player.delay_ms, &player.losses);
    } else {
        widgets::label(ui, parts.badge, Align2::LEFT_CENTER, SMALL, palette.muted, "not heard");
        ui.interact(parts.badge, id.with("badge"), egui::Sense::hover()).on_hover_text(NOT_HEARD);
    }

    let Some(slot) = player.slot else {
        meters(ui, parts.lanes, narrow, player);
        widgets::label(ui, parts.foot, Align2::LEFT_CENTER, SMALL, palette.muted, if narrow { "–" } else { "no slot" });
        return;
    };
    let apart = split.contains(&slot) || !goes_together(&**hand, slot);
    let groups: &[&[Channel]] = if apart { &[&[Channel::Left], &[Channel::Right]] } else { &[&Channel::ALL] };
    lanes(ui, &parts, id, narrow, player, slot, groups, hand);
    foot(ui, parts.foot, id, narrow, slot, &player.name, apart, split, hand, scene);
}

/// Offers to hear a musician even where more play than one is sent.
fn pin(ui: &mut Ui, name: &str, hand: &Hand<'_>, scene: &Scene) {
    let mut names = scene.settings.choices.pinned.clone();
    let mut pinned = names.iter().any(|pinned| pinned == name);
    if ui.checkbox(&mut pinned, format!("Always hear {name}")).clicked() {
        names.retain(|pinned| pinned != name);
        names.extend(pinned.then(|| name.to_owned()));
        hand.change(Change::Pinned(names));
    }
}

/// What belongs to a strip's channels: faders, their values, pans, switches.
#[expect(clippy::too_many_arguments, reason = "one strip's own, handed on once")]
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
        let text = gains[0].text(hand.value(gains[0]));
        // Where there is little room, the unit is left out.
        let text = if value.width() < 11.0 * UNIT { text.trim_end_matches(" dB") } else { &text };
        let align = if groups.len() > 1 { Align2::CENTER_CENTER } else { Align2::RIGHT_CENTER };
        widgets::label(ui, value, align, SMALL, palette.text, text);
        widgets::pan(ui, pan, id.with("pan"), hand, &all(Param::Pan));
        let mut halves = Cut(switches).columns(2, UNIT / 2.0);
        let which = if channels.len() > 1 { "both channels" } else { ["channel 1", "channel 2"][channels[0].index()] };
        let mut switch = |key: &str, sign: &str, colors, name: String, params: Vec<Param>| {
            let Some(place) = halves.next() else { return };
            let on = hand.value(params[0]) > 0.5;
            let look = if on { Look::On(colors) } else { Look::Plain };
            if widgets::button(ui, place, id.with(key), look, sign, &name).clicked() {
                let value = f64::from(u8::from(!on));
                hand.set_once(&params.iter().map(|param| (*param, value)).collect::<Vec<_>>());
            }
        };
        switch("mute", "M", palette.mute, format!("Mute {which} of {}", player.name), all(Param::Mute));
        switch("solo", "S", palette.solo, format!("Solo {which} of {}", player.name), all(Param::Solo));
    }
}

/// Scale and both meters; gives what is left for faders.
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

#[expect(clippy::too_many_arguments, reason = "one strip's own, handed on once")]
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
    let look = if apart { Look::On([palette.accent, palette.on_accent]) } else { Look::Plain };
    let name = if apart {
        "Set both channels together: channel 2 is then set as channel 1"
    } else {
        "Set each channel by itself"
    };
    if widgets::button(ui, place, id.with("split"), look, if narrow { "1|2" } else { "1 | 2" }, name).clicked() {
        if apart {
            split.remove(&slot);
            bring_together(hand, slot, name_of_player);
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
        let look = if on { Look::On([palette.accent, palette.on_accent]) } else { Look::Plain };
        let name = format!("In the main output, besides output {number} of its own");
        // Where there is room for one of them only, the button bears the number.
        if widgets::button(ui, place, id.with("main"), look, if narrow { &number } else { "Main" }, &name).clicked() {
            hand.set_once(&[(param, f64::from(u8::from(!on)))]);
        }
    }
    let text = match (scene.kind, narrow) {
        (Kind::Multi, true) => return,
        (_, true) => number,
        (Kind::Multi, false) => format!("Aux {number}"),
        (_, false) => format!("Slot {number}"),
    };
    widgets::label(ui, rest.0, Align2::LEFT_CENTER, SMALL, palette.muted, &text);
}

/// Whether both channels are set as one pair.
fn goes_together(board: &dyn Board, slot: Slot) -> bool {
    let of = |make: fn(Slot, Channel) -> Param| Channel::ALL.map(|c| board.value(make(slot, c)));
    let equal = |make| {
        let [left, right] = of(make);
        left == right
    };
    equal(Param::Gain) && equal(Param::Mute) && equal(Param::Solo) && widgets::is_pair(of(Param::Pan))
}

/// The second channel is set as the first one is. What that changes is told: a mute that comes or goes is not seen else.
fn bring_together(hand: &Hand<'_>, slot: Slot, name: &str) {
    let mut sets = Vec::new();
    let mut taken = Vec::new();
    for (make, what) in
        [(Param::Gain as fn(Slot, Channel) -> Param, "gain"), (Param::Mute, "mute"), (Param::Solo, "solo")]
    {
        let [first, second] = Channel::ALL.map(|channel| make(slot, channel));
        let value = hand.value(first);
        if value != hand.value(second) {
            sets.push((second, value));
            taken.push(format!("{what} ({})", first.text(value)));
        }
    }
    if !widgets::is_pair(Channel::ALL.map(|c| hand.value(Param::Pan(slot, c)))) {
        sets.extend(Channel::ALL.map(|c| (Param::Pan(slot, c), Param::PAN_AUTO)));
        taken.push("pan (auto, both channels)".to_owned());
    }
    if let Some((last, others)) = taken.split_last() {
        let listed = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
        hand.wish(Wish::Tell(format!("{name}: channel 2 is now set as channel 1. It took its {listed}.")));
    }
    hand.set_once(&sets);
}
