//! The editor driven by mouse and keys without a screen: frames are laid out and inspected, not drawn.

#![allow(clippy::expect_used, reason = "a test may end with a panic that names what is missing")]

use egui::{Event, Id, Key, Modifiers, PointerButton, Pos2, RawInput, Rect, Shape, pos2, vec2};
use rtjam_client::{Condition, ConnectionError, SessionState, StatusNotice};
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::control::{Refusal, Refused};
use rtjam_protocol::link::Host;
use rtjam_stage::stage::{Asked, BAND, Stage};
use rtjam_ui::audio::{AudioAction, AudioDevice, AudioProblem, AudioState, DeviceDelay, DevicesInUse, RunningAudio};
use rtjam_ui::editor::Editor;
use rtjam_ui::editor::measure::{Parts, StripParts, Width};
use rtjam_ui::editor::scene::Watcher;
use rtjam_ui::editor_model::{EditorModel as _, InstanceCondition, Kind};
use rtjam_ui::messages::{self, Language};
use rtjam_ui::params::{Channel, Param, Slot};
use rtjam_ui::settings::{AudioChoices, BackendChoice, InputChannels, PeriodChoice, RateChoice};
use rtjam_ui::settings::{Change, DEFAULT_WINDOW, MIN_WINDOW};
use std::sync::Arc;
use std::time::Duration;

/// A window without a screen.
struct Bench {
    ctx: egui::Context,
    editor: Editor,
    watcher: Watcher,
    stage: Arc<Stage>,
    size: (u32, u32),
    frames: u32,
    copied: Vec<String>,
    /// Every text of the last frame and its place.
    shown: Vec<(String, Rect)>,
    /// The texts that are cut.
    cut: Vec<String>,
}

impl Bench {
    fn new(musicians: usize, size: (u32, u32)) -> Bench {
        Bench::of(Kind::Plugin, musicians, size)
    }

    fn of(kind: Kind, musicians: usize, size: (u32, u32)) -> Bench {
        let clipboard = Box::new(|| Some(" rtjam://pasted/room#KEY \n".to_owned()));
        let (editor, stage) = (Editor::new(clipboard), Stage::of(kind, musicians, false));
        let ctx = egui::Context::default();
        let mut bench = Bench {
            ctx,
            editor,
            watcher: Watcher::default(),
            stage,
            size,
            frames: 0,
            copied: Vec::new(),
            shown: Vec::new(),
            cut: Vec::new(),
        };
        bench.frame(Vec::new());
        bench
    }

    /// Runs a frame with these events and returns every text in it.
    fn frame(&mut self, events: Vec<Event>) -> Vec<String> {
        self.frames += 1;
        let now = Duration::from_millis(33) * self.frames;
        let scene = self.watcher.look(self.stage.as_ref(), now);
        let input =
            RawInput { screen_rect: Some(self.window()), time: Some(now.as_secs_f64()), events, ..RawInput::default() };
        let Bench { ctx, editor, stage, .. } = self;
        let mut output = ctx.run_ui(input, |ui| editor.show(ui, stage.as_ref(), &scene));
        output.textures_delta.clear();
        for command in output.platform_output.commands {
            if let egui::OutputCommand::CopyText(text) = command {
                self.copied.push(text);
            }
        }
        let shown: Vec<Text> = output.shapes.iter().flat_map(|clipped| texts(&clipped.shape)).collect();
        self.cut = shown.iter().filter(|text| text.cut).map(|text| text.text.clone()).collect();
        self.shown = shown.into_iter().map(|text| (text.text, text.place)).collect();
        self.shown.iter().map(|(text, _)| text.clone()).collect()
    }

    /// The place of a text in the last frame. Of several it is the one drawn last: menus are above everything else.
    fn spot(&self, text: &str) -> Rect {
        self.shown.iter().rfind(|(shown, _)| shown == text).expect("the text is shown").1
    }

    fn window(&self) -> Rect {
        Rect::from_min_size(Pos2::ZERO, vec2(self.size.0 as f32, self.size.1 as f32))
    }

    fn parts(&self) -> Parts {
        Parts::of(self.window())
    }

    fn click(&mut self, at: Pos2) {
        self.frame(vec![Event::PointerMoved(at)]);
        self.frame(vec![button(at, true)]);
        self.frame(vec![button(at, false)]);
        self.frame(Vec::new());
    }

    fn double_click(&mut self, at: Pos2) {
        // Long after the last click.
        (0..20).for_each(|_| drop(self.frame(Vec::new())));
        self.frame(vec![Event::PointerMoved(at)]);
        for pressed in [true, false, true, false] {
            self.frame(vec![button(at, pressed)]);
        }
        self.frame(Vec::new());
    }

    fn second_click(&mut self, at: Pos2) {
        self.frame(vec![Event::PointerMoved(at)]);
        for pressed in [true, false] {
            let button = PointerButton::Secondary;
            self.frame(vec![Event::PointerButton { pos: at, button, pressed, modifiers: Modifiers::NONE }]);
        }
        self.frame(Vec::new());
    }

    fn type_in(&mut self, text: &str) {
        self.frame(vec![Event::Text(text.to_owned())]);
        self.frame(Vec::new());
    }

    fn key(&mut self, key: Key) {
        self.key_with(Modifiers::NONE, key);
    }

    fn key_with(&mut self, modifiers: Modifiers, key: Key) {
        for pressed in [true, false] {
            self.frame(vec![Event::Key { key, physical_key: None, pressed, repeat: false, modifiers }]);
        }
    }

    /// The place of a control.
    fn place(&self, id: Id) -> Rect {
        self.ctx.read_response(id).expect("the control is there").rect
    }
}

fn button(pos: Pos2, pressed: bool) -> Event {
    Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE }
}

/// A text that is drawn.
struct Text {
    text: String,
    place: Rect,
    cut: bool,
}

fn texts(shape: &Shape) -> Vec<Text> {
    match shape {
        Shape::Text(text) => vec![Text {
            text: text.galley.text().to_owned(),
            place: text.visual_bounding_rect(),
            cut: text.galley.elided,
        }],
        Shape::Vec(shapes) => shapes.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn first_slot() -> Slot {
    Slot::new(0).expect("there are twelve")
}

/// Every message is shown whole, in each language and in the smallest window.
#[test]
fn messages_are_shown_whole() {
    for size in [MIN_WINDOW, DEFAULT_WINDOW] {
        let mut bench = Bench::new(2, size);
        let unreachable = Condition::Unreachable {
            host: Host::Name("jam.example.org".to_owned()),
            port: 7000,
            error: ConnectionError::NoAnswer,
        };
        let refused = Condition::Refused(Refused::new(Refusal::RoomFull));
        for language in Language::ALL {
            bench.stage.set_language(language);
            for condition in [&refused, &Condition::MutedByLoopGuard, &unreachable] {
                bench.stage.arrange(|status, _, _| status.condition = Some(condition.clone()));
                let (shown, text) = (bench.frame(Vec::new()), messages::condition(condition, language));
                assert!(shown.contains(&text), "{size:?}: {text}\n{shown:?}");
            }
        }
        bench.stage.set_language(Language::English);
        let failed = InstanceCondition::Failed { log: Some("/tmp/rtjam.log".into()) };
        let text = messages::instance_condition(&failed, Language::English).expect("a message");
        bench.stage.arrange(|_, _, condition| *condition = failed);
        let shown = bench.frame(Vec::new());
        assert!(shown.contains(&text) && shown.iter().any(|text| text == "Restart engine"), "{shown:?}");
    }
}

/// No control moves, whatever the messages and losses are.
#[test]
fn nothing_ever_moves() {
    let controls = ["invite link", "paste", "join", "name", "send mute", "monitor", "room level", "limiter"];
    let mut bench = Bench::new(12, DEFAULT_WINDOW);
    let places = |bench: &Bench| {
        let mut places: Vec<Rect> = controls.iter().map(|id| bench.place(Id::unique(*id))).collect();
        places.extend((1..=12_u16).map(|source| bench.place(Id::unique(("strip", source)).with("badge"))));
        places
    };
    let before = places(&bench);
    bench.stage.arrange(|status, _, _| {
        status.condition = Some(Condition::NoThreads("The reason is long, and goes on and on. ".repeat(12)));
        status.notices = vec![StatusNotice::NoSocket("And there is more.".to_owned()); 3];
        status.musicians[3].counts.lost = 123_456;
        status.musicians[4].name = "A name that is far too long for any strip".to_owned();
        status.musicians[5].delay.buffer_ms = Some(399.0);
        status.state = SessionState::Connecting;
    });
    for param in [Param::Room, Param::Monitor, Param::Gain(first_slot(), Channel::Left)] {
        rtjam_ui::editor_model::EditorModel::set(bench.stage.as_ref(), param, -60.0);
    }
    bench.frame(Vec::new());
    bench.frame(Vec::new());
    assert_eq!(places(&bench), before);
}

/// The tab key visits the controls in order, starting with the link.
#[test]
fn tab_key_visits_controls_in_order() {
    let mut bench = Bench::new(1, DEFAULT_WINDOW);
    let link = bench.place(Id::unique("invite link"));
    bench.click(link.center());
    let mut way = Vec::new();
    for _ in 0..4 {
        way.push(bench.ctx.memory(|memory| memory.focused()).expect("something has the keys"));
        bench.key(Key::Tab);
    }
    assert_eq!(way, ["invite link", "paste", "join", "name"].map(Id::unique));
    assert!(bench.ctx.egui_wants_keyboard_input());
    bench.key(Key::Escape);
    assert!(!bench.ctx.egui_wants_keyboard_input(), "keys are the host's again");
}

/// A pasted text is joined; if it is not a link, the reason is shown.
#[test]
fn pasted_text_is_joined() {
    let mut bench = Bench::new(0, DEFAULT_WINDOW);
    let paste = bench.place(Id::unique("paste"));
    bench.click(paste.center());
    let join = bench.place(Id::unique("join"));
    bench.click(join.center());
    assert!(bench.stage.asked().contains(&Asked::Join("rtjam://pasted/room#KEY".to_owned())));
    let shown = bench.frame(Vec::new());
    let answer = "rtjam://pasted/room#KEY".parse::<rtjam_protocol::link::InviteLink>().expect_err("no key").to_string();
    assert!(shown.contains(&answer), "{shown:?}");
}

/// A typed link replaces the one that the field shows when it is clicked.
#[test]
fn typed_link_replaces_the_old() {
    let mut bench = Bench::new(1, DEFAULT_WINDOW);
    let paste = bench.place(Id::unique("paste"));
    bench.click(paste.center());
    let link = bench.place(Id::unique("invite link"));
    bench.click(link.center());
    bench.type_in("rtjam://typed/room#KEY");
    bench.key(Key::Enter);
    assert!(
        bench.stage.asked().contains(&Asked::Join("rtjam://typed/room#KEY".to_owned())),
        "{:?}",
        bench.stage.asked()
    );
}

/// A musician who is alone copies the link with one click.
#[test]
fn alone_musicians_copy_the_link() {
    let mut bench = Bench::new(0, DEFAULT_WINDOW);
    let link = "rtjam://127.0.0.1/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";
    bench.stage.arrange(|status, _, _| status.condition = Some(Condition::Alone(link.parse().expect("a link"))));
    let shown = bench.frame(Vec::new());
    let text = "You are alone in the room. Send this link to the others.";
    assert!(shown.iter().any(|shown| shown == text), "{shown:?}");
    let copy = bench.place(Id::unique("remedy"));
    bench.click(copy.center());
    assert_eq!(bench.copied, [link]);
}

/// Moving a fader is one gesture of both channels.
#[test]
fn fader_moves_are_one_gesture() {
    let mut bench = Bench::new(2, DEFAULT_WINDOW);
    let strips = bench.parts().strips;
    let width = Width::of(2, strips.width());
    let strip = Rect::from_min_size(strips.min, vec2(width.strip, strips.height()));
    let lanes = StripParts::of(strip).lanes;
    // The thumb is at unity, about three quarters up, in the right half.
    let from = pos2(lanes.right() - 16.0, egui::lerp(lanes.bottom()..=lanes.top(), 0.74));
    bench.frame(vec![Event::PointerMoved(from)]);
    bench.frame(vec![button(from, true)]);
    for step in 1..=10 {
        bench.frame(vec![Event::PointerMoved(from + vec2(0.0, 4.0 * step as f32))]);
    }
    bench.frame(vec![button(from + vec2(0.0, 40.0), false)]);
    bench.frame(Vec::new());
    let gains = Channel::ALL.map(|channel| Param::Gain(first_slot(), channel));
    let asked: Vec<Asked> = bench.stage.asked().into_iter().filter(|a| !matches!(a, Asked::Change(_))).collect();
    assert_eq!(asked[..2], gains.map(Asked::Begin), "{asked:?}");
    assert_eq!(asked[asked.len() - 2..], gains.map(Asked::End), "{asked:?}");
    let sets = &asked[2..asked.len() - 2];
    assert!(sets.len() >= 4 && sets.iter().all(|a| matches!(a, Asked::Set(Param::Gain(..), _))), "{asked:?}");
    let values = gains.map(|gain| rtjam_ui::editor_model::EditorModel::value(bench.stage.as_ref(), gain));
    assert!(values[0] == values[1] && (-40.0..-3.0).contains(&values[0]), "{values:?}");
}

/// One mix is chosen by two clicks, and the delay that it adds is shown.
#[test]
fn one_mix_takes_two_clicks() {
    for size in [MIN_WINDOW, DEFAULT_WINDOW] {
        let mut bench = Bench::new(2, size);
        for (entry, mix) in
            [("one mix", Some(DownstreamMode::Mixed)), ("separate", Some(DownstreamMode::Forwarded)), ("default", None)]
        {
            let menu = bench.place(Id::unique(("menu", "Others")));
            bench.click(menu.center());
            let entry = bench.spot(entry);
            bench.click(entry.center());
            assert_eq!(bench.stage.asked().last(), Some(&Asked::Change(Change::Mix(mix))));
        }
        assert!(bench.frame(Vec::new()).contains(&"Others".to_owned()));
        bench.stage.arrange(|status, _, _| {
            (status.mix, status.mix_delay_ms) = (DownstreamMode::Mixed, Some(1.6));
            for musician in &mut status.musicians {
                (musician.dbfs, musician.delay.mix_ms) = ([-12.0; 2], Some(1.6));
            }
        });
        let shown = bench.frame(Vec::new());
        assert!(shown.contains(&"One mix +2 ms".to_owned()), "{size:?} {shown:?}");
        let delay = "You hear the room 24 ms after it plays: 3 ms to fill a packet, 2 ms in the server's mix, 14 ms on the network, \
             5 ms waiting for late packets.";
        assert!(shown.contains(&delay.to_owned()), "{shown:?}");
    }
}

/// A typed name is set when the field loses the focus.
#[test]
fn typed_names_are_set() {
    let mut bench = Bench::new(0, DEFAULT_WINDOW);
    let name = bench.place(Id::unique("name"));
    bench.click(name.center());
    bench.frame(vec![Event::Text("2".to_owned())]);
    assert!(bench.stage.asked().is_empty());
    bench.key(Key::Enter);
    assert_eq!(bench.stage.asked(), [Asked::Change(Change::Name("Keyboard2".to_owned()))]);
}

/// A control of a musician's strip.
fn of_strip(source: u16) -> Id {
    Id::unique(("strip", source))
}

/// A split strip sets each channel separately until both are linked again.
#[test]
fn split_strips_set_each_channel() {
    for (kind, musicians) in [(Kind::Plugin, 2), (Kind::Multi, 12)] {
        let mut bench = Bench::of(kind, musicians, DEFAULT_WINDOW);
        let gains = Channel::ALL.map(|channel| Param::Gain(first_slot(), channel));
        let values = |bench: &Bench| gains.map(|gain| bench.stage.value(gain));
        let split = bench.place(of_strip(1).with("split")).center();
        bench.click(split);
        bench.frame(Vec::new());
        // Each half has its fader; move that of the second channel.
        let [left, right] =
            [0_usize, 1].map(|channel| bench.place(of_strip(1).with(channel).with(2_usize).with("gain")));
        assert!(left.right() <= right.left() && left.is_positive() && right.is_positive(), "{left:?} {right:?}");
        let from = right.center();
        bench.frame(vec![Event::PointerMoved(from)]);
        bench.frame(vec![button(from, true)]);
        for step in 1..=8 {
            bench.frame(vec![Event::PointerMoved(from + vec2(0.0, 4.0 * step as f32))]);
        }
        bench.frame(vec![button(from + vec2(0.0, 32.0), false)]);
        let [one, two] = values(&bench);
        assert!(one == 0.0 && two < -3.0, "{one} {two}");
        let touched = bench.stage.asked().into_iter().filter_map(|asked| match asked {
            Asked::Begin(param) | Asked::Set(param, _) | Asked::End(param) => Some(param),
            _ => None,
        });
        assert!(touched.into_iter().all(|param| param == gains[1]));
        // Channels stay split, even for a new editor, until the button links them.
        bench.click(split);
        bench.frame(Vec::new());
        assert_eq!(values(&bench), [0.0, 0.0]);
        assert!(bench.ctx.read_response(of_strip(1).with(1_usize).with(2_usize).with("gain")).is_none(), "one fader");
    }
}

/// A strip whose channels automation has set differently has a fader for each.
#[test]
fn automation_splits_a_strip() {
    let mut bench = Bench::new(3, DEFAULT_WINDOW);
    bench.stage.set(Param::Gain(first_slot(), Channel::Right), -9.0);
    bench.frame(Vec::new());
    bench.place(of_strip(1).with(1_usize).with(2_usize).with("gain"));
    bench.place(of_strip(2).with(0_usize).with(1_usize).with("gain"));
}

/// Every strip shows the number of its output.
#[test]
fn strips_show_their_outputs() {
    let shown = |kind, musicians| Bench::of(kind, musicians, DEFAULT_WINDOW).frame(Vec::new());
    let wide = shown(Kind::Multi, 5);
    assert!((1..=5).all(|slot| wide.contains(&format!("Aux {slot}"))), "{wide:?}");
    let narrow = shown(Kind::Multi, 12);
    assert!((1..=12).all(|slot| narrow.contains(&slot.to_string())), "{narrow:?}");
    let stereo = shown(Kind::Plugin, 12);
    assert!((1..=12).all(|slot| stereo.contains(&slot.to_string())), "{stereo:?}");
    // The number is also the switch of the main output.
    let mut bench = Bench::of(Kind::Multi, 12, DEFAULT_WINDOW);
    let main = bench.place(of_strip(3).with("main"));
    bench.click(main.center());
    let third = Param::MainMix(Slot::new(2).expect("there are twelve"));
    assert_eq!(bench.stage.value(third), 0.0);
}

/// Strips that do not fit scroll into view.
#[test]
fn extra_strips_scroll() {
    for (count, size) in [(12, MIN_WINDOW), (16, DEFAULT_WINDOW), (40, MIN_WINDOW)] {
        let mut bench = Bench::of(Kind::Multi, count, size);
        let strips = bench.parts().strips;
        let last = of_strip(count as u16).with("badge");
        assert!(bench.place(last).left() >= strips.right(), "{count} fit");
        bench.frame(vec![Event::PointerMoved(strips.center())]);
        for _ in 0..400 {
            let wheel = Event::MouseWheel {
                unit: egui::MouseWheelUnit::Point,
                delta: vec2(-60.0, 0.0),
                phase: egui::TouchPhase::Move,
                source: egui::MouseWheelSource::Wheel,
                modifiers: Modifiers::NONE,
            };
            bench.frame(vec![wheel]);
        }
        let place = bench.place(last);
        assert!(strips.expand(1.0).contains_rect(place), "{count}: {place:?} in {strips:?}");
        let shown = bench.frame(Vec::new());
        if count > 12 {
            assert!(shown.contains(&"–".to_owned()), "whoever has no slot: {shown:?}");
            assert!(bench.ctx.read_response(of_strip(13).with("split")).is_none(), "and no channels to set");
        }
    }
}

/// The built-in fonts have every character of the editor, in each language.
#[test]
fn fonts_have_every_character() {
    for (kind, musicians, size) in
        [(Kind::Plugin, 2, DEFAULT_WINDOW), (Kind::Multi, 12, DEFAULT_WINDOW), (Kind::Multi, 40, MIN_WINDOW)]
    {
        let mut bench = Bench::of(kind, musicians, size);
        bench.stage.arrange(|status, _, _| status.notices = vec![StatusNotice::NoSocket("–".to_owned()); 2]);
        for language in Language::ALL {
            bench.stage.set_language(language);
            for text in bench.frame(Vec::new()) {
                let font = egui::FontId::proportional(12.0);
                assert!(bench.ctx.fonts_mut(|fonts| fonts.has_glyphs(&font, &text)), "{text:?}");
            }
        }
    }
}

/// A double click opens a field for a value; a text that is not a value stays to be corrected.
#[test]
fn double_click_types_a_value() {
    for size in [MIN_WINDOW, DEFAULT_WINDOW] {
        let mut bench = Bench::new(2, size);
        let monitor = bench.place(Id::unique("monitor"));
        bench.double_click(monitor.center());
        assert!(bench.ctx.egui_wants_keyboard_input(), "the field has the keys");
        assert!(bench.window().contains_rect(bench.place(Id::unique("typed value"))));
        // The text is selected, so typing replaces it.
        bench.type_in("loud");
        bench.key(Key::Enter);
        bench.frame(Vec::new());
        assert!(bench.shown.iter().any(|(text, _)| text == "Not a value here"), "{:?}", bench.shown);
        assert!(!bench.stage.asked().iter().any(|asked| matches!(asked, Asked::Set(..))));
        bench.type_in("-6,5");
        bench.key(Key::Enter);
        let monitor = Param::Monitor;
        let asked = bench.stage.asked();
        assert_eq!(asked, [Asked::Begin(monitor), Asked::Set(monitor, -6.5), Asked::End(monitor)]);
        assert!(!bench.ctx.egui_wants_keyboard_input(), "keys are the host's again");
        // Both channels of a pair, and a pan as it is shown.
        let gain = bench.place(of_strip(1).with(0_usize).with(1_usize).with("gain"));
        bench.double_click(gain.center());
        bench.type_in("−12 dB");
        bench.key(Key::Enter);
        assert_eq!(Channel::ALL.map(|c| bench.stage.value(Param::Gain(first_slot(), c))), [-12.0; 2]);
        let pan = bench.place(of_strip(1).with(0_usize).with(1_usize).with("pan"));
        bench.double_click(pan.center());
        bench.type_in("R 50");
        bench.key(Key::Enter);
        assert_eq!(Channel::ALL.map(|c| bench.stage.value(Param::Pan(first_slot(), c))), [0.0, 1.0]);
        // Escape changes nothing.
        bench.double_click(gain.center());
        bench.type_in("3");
        bench.key(Key::Escape);
        assert_eq!(bench.stage.value(Param::Gain(first_slot(), Channel::Left)), -12.0);
    }
}

/// The second button opens a menu to type, reset, copy and paste a value.
#[test]
fn second_button_opens_value_menu() {
    let mut bench = Bench::new(1, DEFAULT_WINDOW);
    bench.stage.set(Param::Room, -20.0);
    let room = bench.place(Id::unique("room level"));
    let mut choose = |entry: &str| {
        bench.second_click(room.center());
        let place = bench.spot(entry).center();
        bench.click(place);
        bench.frame(Vec::new());
        (bench.stage.value(Param::Room), bench.copied.clone())
    };
    assert_eq!(choose("Copy −20.0 dB").1, ["−20.0 dB"]);
    assert_eq!(choose("Reset to 0.0 dB").0, 0.0);
    // The clipboard holds a link, which is not a value.
    assert_eq!(choose("Paste").0, 0.0);
    assert!(bench.shown.iter().any(|(text, _)| text.starts_with("The clipboard has no value")), "{:?}", bench.shown);
    bench.second_click(room.center());
    let place = bench.spot("Type a value…").center();
    bench.click(place);
    bench.type_in("-3");
    bench.key(Key::Enter);
    assert_eq!(bench.stage.value(Param::Room), -3.0);
}

/// The menu of a strip's name pins a musician, who is then always heard, and unpins them.
#[test]
fn strip_names_offer_to_pin() {
    let mut bench = Bench::new(2, DEFAULT_WINDOW);
    let name = BAND[1].to_owned();
    let place = bench.place(of_strip(2).with("name")).center();
    for expected in [vec![name.clone()], Vec::new()] {
        bench.second_click(place);
        let entry = bench.spot(&format!("Always hear {name}")).center();
        bench.click(entry);
        bench.key(Key::Escape);
        assert_eq!(bench.stage.settings().choices.pinned, expected);
    }
    assert_eq!(bench.stage.asked().len(), 2);
}

/// Ctrl+Z undoes an edit, and the host is told.
#[test]
fn control_z_undoes_an_edit() {
    use rtjam_protocol::audio::Codec::{Pcm16, Pcm24};
    let mut bench = Bench::new(2, DEFAULT_WINDOW);
    let switch = |bench: &mut Bench, key: &str| {
        let place = bench.place(of_strip(1).with(0_usize).with(1_usize).with(key)).center();
        bench.click(place);
    };
    switch(&mut bench, "mute");
    switch(&mut bench, "solo");
    let format = bench.place(Id::unique(("menu", "Format")));
    bench.click(format.center());
    let entry = bench.spot("24 bit").center();
    bench.click(entry);
    assert!(bench.editor.has_steps());
    let state = |bench: &Bench| {
        let of = |make: fn(Slot, Channel) -> Param| bench.stage.value(make(first_slot(), Channel::Right));
        (of(Param::Mute), of(Param::Solo), bench.stage.settings().choices.format)
    };
    assert_eq!(state(&bench), (1.0, 1.0, Pcm24));
    for after in [(1.0, 1.0, Pcm16), (1.0, 0.0, Pcm16), (0.0, 0.0, Pcm16), (0.0, 0.0, Pcm16)] {
        bench.key_with(Modifiers::COMMAND, Key::Z);
        assert_eq!(state(&bench), after);
    }
    let mute = Param::Mute(first_slot(), Channel::Right);
    let asked = bench.stage.asked();
    let told: Vec<&Asked> = asked.iter().rev().take_while(|asked| !matches!(asked, Asked::Change(_))).collect();
    for step in [Asked::Begin(mute), Asked::Set(mute, 0.0), Asked::End(mute)] {
        assert!(told.contains(&&step), "{told:?}");
    }
    bench.key_with(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    bench.key_with(Modifiers::COMMAND, Key::Y);
    assert_eq!(state(&bench), (1.0, 1.0, Pcm16));
    // While a text is edited, the keys belong to it.
    let name = bench.place(Id::unique("name"));
    bench.click(name.center());
    bench.key_with(Modifiers::COMMAND, Key::Z);
    assert_eq!(state(&bench), (1.0, 1.0, Pcm16));
}

/// Linking two channels tells what has changed, and can be undone.
#[test]
fn linking_channels_can_be_undone() {
    let mut bench = Bench::new(2, DEFAULT_WINDOW);
    let mutes = Channel::ALL.map(|channel| Param::Mute(first_slot(), channel));
    bench.stage.set(mutes[0], 1.0);
    bench.stage.set(Param::Gain(first_slot(), Channel::Right), -9.0);
    bench.frame(Vec::new());
    let link = bench.place(of_strip(1).with("split")).center();
    bench.click(link);
    bench.frame(Vec::new());
    assert_eq!(mutes.map(|mute| bench.stage.value(mute)), [1.0; 2]);
    let told = "Piano: channel 2 now has the settings of channel 1. Changed: gain (0.0 dB) and mute (muted).";
    assert!(bench.shown.iter().any(|(text, _)| text == told), "{:?}", bench.shown);
    let undo = bench.place(Id::unique("remedy")).center();
    bench.click(undo);
    assert_eq!(mutes.map(|mute| bench.stage.value(mute)), [1.0, 0.0]);
    assert_eq!(bench.stage.value(Param::Gain(first_slot(), Channel::Right)), -9.0);
    assert!(!bench.frame(Vec::new()).iter().any(|text| text == told));
    // Channels without a difference cause no message.
    let link = bench.place(of_strip(2).with("split")).center();
    bench.click(link);
    bench.click(link);
    assert!(!bench.shown.iter().any(|(text, _)| text.contains("channel 2 now has")), "{:?}", bench.shown);
}

/// Losses and delay never overlap, at any width.
#[test]
fn losses_never_overlap_the_delay() {
    for width in [MIN_WINDOW.0, DEFAULT_WINDOW.0, 900, 1_000, 1_400] {
        for musicians in 1..=12_usize {
            let mut bench = Bench::new(musicians, (width, 480));
            bench.stage.arrange(|status, _, _| {
                for (index, musician) in status.musicians.iter_mut().enumerate() {
                    musician.delay.buffer_ms = Some(4.0 + 90.0 * index as f32);
                    musician.counts.lost = [7, 42, 999][index % 3];
                }
            });
            bench.frame(Vec::new());
            bench.stage.arrange(|status, _, _| status.musicians.iter_mut().for_each(|m| m.counts.lost *= 2));
            bench.frame(Vec::new());
            for source in 1..=musicians as u16 {
                let badge = bench.place(of_strip(source).with("badge"));
                let words: Vec<_> = bench.shown.iter().filter(|(_, place)| badge.contains(place.center())).collect();
                assert!(words.iter().any(|(text, _)| text.ends_with(" ms")), "{words:?}");
                for (i, (text, place)) in words.iter().enumerate() {
                    let free = words[i + 1..].iter().all(|(_, other)| !place.intersects(*other));
                    assert!(free, "{width} {musicians}: {text} {words:?}");
                }
            }
        }
    }
    let mut bench = Bench::new(4, (900, 480));
    bench.stage.arrange(|status, _, _| status.musicians[0].counts.lost += 42);
    let shown = bench.frame(Vec::new());
    assert!(shown.contains(&"42 missing".to_owned()), "where there is room, it is said: {shown:?}");
}

/// The smallest window shows every value and cuts no text.
#[test]
fn smallest_window_shows_every_value() {
    for musicians in [1, 5, 12] {
        let mut bench = Bench::new(musicians, MIN_WINDOW);
        let slot = |index| Slot::new(index).expect("there are twelve");
        for index in 0..musicians {
            for channel in Channel::ALL {
                bench.stage.set(Param::Gain(slot(index), channel), -1.0 - index as f64);
            }
        }
        bench.stage.set(Param::Monitor, -33.3);
        let shown = bench.frame(Vec::new());
        for index in 0..musicians {
            let value = format!("−{}.0", index + 1);
            assert!(shown.iter().any(|text| text.trim_end_matches(" dB") == value), "{value}: {shown:?}");
        }
        assert!(shown.contains(&"−33.3 dB".to_owned()), "{shown:?}");
        assert!(bench.cut.is_empty(), "{musicians}: {:?}", bench.cut);
    }
    for language in Language::ALL {
        for (kind, musicians, size) in
            [(Kind::Multi, 1, MIN_WINDOW), (Kind::Multi, 5, DEFAULT_WINDOW), (Kind::Multi, 12, DEFAULT_WINDOW)]
        {
            let mut bench = Bench::of(kind, musicians, size);
            bench.stage.set_language(language);
            bench.frame(Vec::new());
            assert!(bench.cut.is_empty(), "{language:?}, {musicians}: {:?}", bench.cut);
        }
    }
}

/// The limiter is a light, not a control.
#[test]
fn limiter_is_not_a_control() {
    let mut bench = Bench::new(1, DEFAULT_WINDOW);
    let shown = bench.frame(Vec::new());
    assert!(shown.contains(&"idle".to_owned()) && !shown.iter().any(|text| text == "on" || text == "off"), "{shown:?}");
    let light = bench.ctx.read_response(Id::unique("limiter")).expect("it is there");
    assert!(!light.sense.senses_click());
}

/// The first start asks for a name, and joining sets it.
#[test]
fn first_start_asks_for_name() {
    for kind in [Kind::Plugin, Kind::Standalone] {
        let first = || {
            let mut bench = Bench::of(kind, 0, MIN_WINDOW);
            bench.stage.arrange(|status, settings, _| {
                (status.state, settings.choices.named) = (SessionState::Offline, false);
            });
            bench.frame(Vec::new());
            bench.frame(Vec::new());
            bench
        };
        let mut bench = first();
        assert!(bench.shown.iter().any(|(text, _)| text == "What is your name?"), "{:?}", bench.shown);
        // In a host the keys belong to the host until the user types.
        assert_eq!(bench.ctx.egui_wants_keyboard_input(), kind == Kind::Standalone);
        let field = bench.place(Id::unique("first name"));
        assert!(bench.parts().strips.contains_rect(field));
        bench.click(field.right_center() - vec2(4.0, 0.0));
        bench.type_in(" 2");
        bench.key(Key::Enter);
        assert_eq!(bench.stage.asked(), [Asked::Change(Change::Name("Keyboard 2".to_owned()))]);
        let shown = bench.frame(Vec::new());
        assert!(!shown.iter().any(|text| text == "What is your name?"), "it is asked once");

        if kind == Kind::Standalone {
            // The suggested name is selected, so typing replaces it.
            let mut bench = first();
            bench.type_in("Ann");
            bench.key(Key::Enter);
            assert_eq!(bench.stage.asked(), [Asked::Change(Change::Name("Ann".to_owned()))]);
        }

        let mut bench = first();
        let join = bench.place(Id::unique("join"));
        bench.click(join.center());
        assert_eq!(bench.stage.asked()[0], Asked::Change(Change::Name("Keyboard".to_owned())), "before it joins");
        assert!(matches!(bench.stage.asked()[1], Asked::Join(_)));
    }
}

/// A computer with an interface of four inputs.
fn interface() -> AudioState {
    let device = |id: &str, name: &str, is_output| AudioDevice {
        id: id.to_owned(),
        name: name.to_owned(),
        is_input: true,
        is_output,
    };
    let name = "Scarlett 4i4 USB, USB Audio";
    AudioState {
        running: Some(RunningAudio {
            by_jack: false,
            devices: DevicesInUse { input: Some(name.to_owned()), output: name.to_owned(), input_channels: 4 },
            bluetooth: None,
            rate: 48_000,
            period: 64,
            delay: Some(DeviceDelay { input_ms: 2.68, output_ms: 3.42 }),
        }),
        system: "alsa".to_owned(),
        devices: Some([device("plughw:CARD=USB", name, true), device("plughw:CARD=cam", "Webcam", false)].into()),
        ..AudioState::default()
    }
}

fn with_audio(size: (u32, u32), audio: AudioState) -> Bench {
    let mut bench = Bench::of(Kind::Standalone, 0, size);
    bench.stage.set_audio(audio);
    bench.frame(Vec::new());
    bench.frame(Vec::new());
    bench
}

fn menu(name: &str) -> Id {
    Id::unique(("menu", name))
}

/// What was asked for on the audio page.
fn audio_actions(bench: &Bench) -> Vec<AudioAction> {
    let actions = bench.stage.asked().into_iter();
    actions.filter_map(|asked| if let Asked::Audio(action) = asked { Some(action) } else { None }).collect()
}

/// The first start asks for the name, then for the audio devices, and closes the page for good.
#[test]
fn first_start_shows_audio_page() {
    let mut bench = with_audio(DEFAULT_WINDOW, AudioState { is_due: true, ..interface() });
    bench.stage.arrange(|status, settings, _| {
        (status.state, settings.choices.named) = (SessionState::Offline, false);
    });
    let shown = bench.frame(Vec::new());
    assert!(!shown.contains(&"Test tone".to_owned()), "the name comes first: {shown:?}");
    bench.key(Key::Enter);
    let shown = bench.frame(Vec::new());
    assert!(shown.contains(&"Test tone".to_owned()), "{shown:?}");
    let done = bench.place(Id::unique("audio done"));
    bench.click(done.center());
    assert_eq!(audio_actions(&bench), [AudioAction::ListDevices, AudioAction::Done]);
    assert!(!bench.frame(Vec::new()).contains(&"Test tone".to_owned()), "it is closed");
}

/// The page fits into the smallest window, and says what runs and what its delay is, in each language.
#[test]
fn audio_page_fits_smallest_window() {
    for size in [MIN_WINDOW, DEFAULT_WINDOW] {
        let mut bench = with_audio(size, AudioState { is_due: true, ..interface() });
        for (language, texts) in [
            (Language::English, ["Input channels", "Device delay 6.1 ms: 2.7 ms in, 3.4 ms out", "Test tone"]),
            (Language::German, ["Eingangskanäle", "Verzögerung des Geräts 6.1 ms: 2.7 ms ein, 3.4 ms aus", "Testton"]),
        ] {
            bench.stage.set_language(language);
            let shown = bench.frame(Vec::new());
            let cut: Vec<&String> = bench.cut.iter().filter(|text| texts.contains(&text.as_str())).collect();
            assert!(texts.iter().all(|text| shown.iter().any(|shown| shown == text)), "{size:?} {shown:?}");
            assert!(cut.is_empty(), "{size:?} {cut:?}");
        }
        let page = bench.parts().strips;
        for id in [menu("System"), menu("Input"), menu("Period"), Id::unique("test tone"), Id::unique("audio done")] {
            assert!(page.contains_rect(bench.place(id)), "{size:?}");
        }
    }
}

/// The options open the page; a guitar in input 2, another device and a shorter period are chosen on it.
#[test]
fn audio_choices_are_made() {
    let mut bench = with_audio(DEFAULT_WINDOW, interface());
    bench.click(bench.place(menu("options")).center());
    bench.click(bench.spot("Audio…").center());
    let now = AudioChoices::default();
    for (name, entry, wanted) in [
        ("Input channels", "2 only", AudioChoices { channels: InputChannels::single(2), ..now.clone() }),
        ("Input", "Webcam", AudioChoices { input: "plughw:CARD=cam".to_owned(), ..now.clone() }),
        ("Output", "Scarlett 4i4 USB, USB Audio", AudioChoices { output: "plughw:CARD=USB".to_owned(), ..now.clone() }),
        ("Period", "32 frames", AudioChoices { period: PeriodChoice::Frames(32), ..now.clone() }),
        ("Rate", "44100 Hz", AudioChoices { rate: RateChoice::Hz(44_100), ..now.clone() }),
        ("System", "alsa", AudioChoices { backend: BackendChoice::Cpal, ..now.clone() }),
    ] {
        bench.click(bench.place(menu(name)).center());
        let offers_webcam = bench.shown.iter().any(|(text, _)| text == "Webcam");
        assert!(name != "Output" || !offers_webcam, "it has no outputs");
        bench.click(bench.spot(entry).center());
        assert_eq!(audio_actions(&bench).last(), Some(&AudioAction::Choose(wanted)), "{name}");
    }
    bench.click(bench.place(Id::unique("test tone")).center());
    assert_eq!(audio_actions(&bench).last(), Some(&AudioAction::ToggleTone));
}

/// Under JACK the page offers input channels, and leaves the rest to JACK. Without audio there is no test tone.
#[test]
fn audio_page_leaves_rest_to_jack() {
    let mut state = AudioState { is_due: true, ..interface() };
    if let Some(running) = &mut state.running {
        running.by_jack = true;
    }
    let mut bench = with_audio(DEFAULT_WINDOW, state);
    assert_eq!(bench.shown.iter().filter(|(text, _)| text == "as in JACK").count(), 4);
    bench.click(bench.place(menu("Input channels")).center());
    assert!(bench.shown.iter().any(|(text, _)| text == "3 and 4"), "{:?}", bench.shown);
    bench.key(Key::Escape);
    let problem = Some(AudioProblem::JackStopped);
    bench.stage.set_audio(AudioState { running: None, problem, is_due: true, ..interface() });
    let shown = bench.frame(Vec::new());
    let told = messages::audio_problem(&AudioProblem::JackStopped, Language::English);
    assert!(shown.contains(&told) && shown.contains(&"No audio device is running.".to_owned()), "{shown:?}");
    bench.click(bench.place(Id::unique("test tone")).center());
    assert!(!audio_actions(&bench).contains(&AudioAction::ToggleTone));
}
