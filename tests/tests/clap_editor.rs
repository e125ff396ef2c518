//! The plugin's editor in a host's window. Each test runs in its own host process on a virtual screen.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use clack_host::events::spaces::CoreEventSpace;
use clap_sys::ext::gui::{CLAP_WINDOW_API_WAYLAND, CLAP_WINDOW_API_WIN32, CLAP_WINDOW_API_X11};
use egui::Id;
use rtjam_load::process;
use rtjam_stage::stage::place;
use rtjam_tests::claphost::{AudioThread, Events, IDS, Library, Plugin};
use rtjam_tests::display::{Display, ParentWindow, UP};
use rtjam_tests::hosting::on_a_screen;
use rtjam_tests::musician::{JOIN, Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use serde_json::Value;

const MONITOR: u32 = 1;
const DEFAULT_SIZE: (u32, u32) = (760, 480);
/// The colour `ground` of the palette, dark and light.
const GROUND: [u32; 2] = [0x14_17_1a, 0xe4_e8_ec];
/// The colour `panel` of the palette, dark.
const PANEL: u32 = 0x1c_20_24;
/// X11 key code of the space bar.
const SPACE: u8 = 65;
/// Allocated memory that may remain after a window, in KiB. (baseview leaks the keyboard map, 54 KiB.)
const LEFT: i64 = 150;

/// Opens the editor in a window at `x`.
fn open(plugin: &Plugin, x: i16, scale: Option<f64>) -> ParentWindow {
    plugin.editor().open(scale, |(width, height)| {
        let host = ParentWindow::new(x, (width as u16, height as u16));
        (host.id, host)
    })
}

fn wait_drawn(display: &Display, host: &ParentWindow) {
    wait::until("a picture", UP, || (display.colours(host.id) > 30).then_some(()));
}

/// The colour of a window left of the strips, at half height, and in its last corner.
fn ground(display: &Display, host: &ParentWindow) -> u32 {
    let (width, height) = display.size(host.id);
    display.picture(host.id)[usize::from(height / 2) * usize::from(width) + 2]
}

/// Waits until the editor fills the window: the corners and the middle show the editor.
fn wait_filled(display: &Display, host: &ParentWindow) {
    wait::until("an editor that fills its window", UP, || {
        let (width, height) = display.size(host.id);
        let (width, height) = (usize::from(width), usize::from(height));
        let picture = display.picture(host.id);
        let corners = [picture[0], picture[width - 1], picture[(height - 1) * width], picture[height * width - 1]];
        (corners == [PANEL; 4] && picture[height / 2 * width + width - 3] == GROUND[0]).then_some(())
    });
}

/// Position of the middle of a control, for xdotool.
fn at(control: &str, size: (u32, u32), x: i16) -> [String; 2] {
    let place = place(Id::unique(control), size, 0).center();
    [(place.x as i32 + i32::from(x)).to_string(), (place.y as i32).to_string()]
}

fn window_in_project(plugin: &Plugin) -> Value {
    serde_json::from_slice::<Value>(&plugin.save()).expect("JSON")["window"].clone()
}

/// The editor fills the size that the host sets, and opens with it the next time.
#[test]
fn editor_fills_and_remembers_its_size() {
    on_a_screen("editor_fills_and_remembers_its_size", 1, |display| {
        let library = Library::load();
        for id in IDS {
            let plugin = library.plugin(id);
            let editor = plugin.editor();
            for (api, floating) in
                [(CLAP_WINDOW_API_X11, true), (CLAP_WINDOW_API_WAYLAND, false), (CLAP_WINDOW_API_WIN32, false)]
            {
                assert!(!editor.is_supported(api, floating) && !editor.create(api, floating), "{api:?} {floating}");
            }
            assert_eq!(editor.preferred(), Some(("x11".to_owned(), false)));
            let hints = editor.hints().expect("hints");
            assert!(hints.can_resize_horizontally && hints.can_resize_vertically && !hints.preserve_aspect_ratio);
            assert!(editor.can_resize());
            let sizes =
                [((0, 0), DEFAULT_SIZE), ((1, 1), (520, 320)), ((800, 600), (800, 600)), ((9_999, 400), (3_840, 400))];
            for (asked, nearest) in sizes {
                assert_eq!(editor.adjust(asked), Some(nearest));
            }
            let host = open(&plugin, 0, Some(1.0));
            assert_eq!((editor.size(), display.size(host.id)), (Some(DEFAULT_SIZE), (760, 480)));
            wait_drawn(display, &host);
            wait_filled(display, &host);
            // The order that the host chooses: editor first, or its own window first.
            assert!(editor.set_size((900, 600)));
            host.resize((900, 600));
            wait_filled(display, &host);
            host.resize((640, 400));
            assert!(editor.set_size((640, 400)));
            wait_filled(display, &host);
            assert_eq!(editor.size(), Some((640, 400)));
            editor.destroy();
            drop(host);
            // The next time, and in a copy of the project.
            assert_eq!(editor.size(), Some((640, 400)));
            let copy = library.plugin(id);
            assert!(copy.load(&plugin.save()));
            let host = open(&copy, 0, None);
            assert_eq!(display.size(host.id), (640, 400));
            wait_filled(display, &host);
        }
    });
}

/// The host may set the scale before the editor opens and while it is open.
#[test]
fn editor_follows_host_scale() {
    on_a_screen("editor_follows_host_scale", 1, |display| {
        let library = Library::load();
        let plugin = library.plugin(IDS[0]);
        let editor = plugin.editor();
        for wrong in [0.0, -2.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(!editor.set_scale(wrong), "{wrong}");
        }
        let host = open(&plugin, 0, Some(2.0));
        assert_eq!((editor.size(), display.size(host.id)), (Some((1520, 960)), (1520, 960)));
        wait_drawn(display, &host);
        wait_filled(display, &host);
        crisp(display, &host);
        assert_eq!(window_in_project(&plugin), serde_json::json!([760, 480]));
        // The window moves to a screen with another scale: the plugin requests the same logical size there.
        assert!(editor.set_scale(1.5));
        assert_eq!((editor.requested_size(), editor.size()), (Some((1140, 720)), Some((1140, 720))));
        host.resize((1140, 720));
        assert!(editor.set_size((1140, 720)));
        wait_filled(display, &host);
        assert_eq!((editor.size(), window_in_project(&plugin)), (Some((1140, 720)), serde_json::json!([760, 480])));
        assert!(editor.set_scale(1.0));
        host.resize((760, 480));
        assert!(editor.set_size(DEFAULT_SIZE));
        wait_filled(display, &host);
        assert_eq!((editor.size(), window_in_project(&plugin)), (Some(DEFAULT_SIZE), serde_json::json!([760, 480])));
        editor.destroy();
        assert_eq!(editor.size(), Some(DEFAULT_SIZE));
    });
}

/// If the host sets no scale, the editor uses the screen's.
#[test]
fn editor_defaults_to_screen_scale() {
    on_a_screen("editor_defaults_to_screen_scale", 2, |display| {
        let library = Library::load();
        let (plugin, small) = (library.plugin(IDS[0]), library.plugin(IDS[1]));
        let host = open(&plugin, 0, None);
        assert_eq!((plugin.editor().size(), display.size(host.id)), (Some((1520, 960)), (1520, 960)));
        wait_filled(display, &host);
        crisp(display, &host);
        plugin.editor().destroy();
        drop(host);
        // A scale from the host takes precedence.
        let host = open(&small, 0, Some(1.0));
        assert_eq!(display.size(host.id), (760, 480));
        wait_drawn(display, &host);
        wait_filled(display, &host);
        assert_eq!(
            (small.editor().size(), window_in_project(&small)),
            (Some(DEFAULT_SIZE), serde_json::json!([760, 480]))
        );
    });
}

/// Lines of one pixel: in an editor that is drawn small and scaled up, rows would be equal in pairs.
fn crisp(display: &Display, host: &ParentWindow) {
    let picture = display.picture(host.id);
    let rows: Vec<&[u32]> = picture.chunks(usize::from(display.size(host.id).0)).collect();
    let alike = rows.chunks(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(alike < 400, "{alike} of 480 pairs of rows are equal");
}

/// A link can be typed or pasted.
#[test]
fn typed_and_pasted_links_join() {
    on_a_screen("typed_and_pasted_links_join", 1, |display| {
        let room = Room::start();
        let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
        ann.wait_joined();
        let library = Library::load();
        let plugins = IDS.map(|id| library.plugin(id));
        for (plugin, name) in plugins.iter().zip(["Dora", "Eve"]) {
            assert!(plugin.load(format!("{{\"rtjam\":1,\"name\":\"{name}\"}}").as_bytes()));
        }
        let audio = plugins.each_ref().map(|plugin| AudioThread::start(plugin, 48_000, 128, 1, vec![0.0]));
        let hosts = [open(&plugins[0], 0, Some(1.0)), open(&plugins[1], 800, Some(1.0))];
        hosts.iter().for_each(|host| wait_drawn(display, host));
        let names = |s: &Value| Some(s["musicians"].as_array()?.iter().map(|m| m["name"].clone()).collect::<Vec<_>>());
        let click = |control: &str, x: i16| {
            let [x, y] = at(control, DEFAULT_SIZE, x);
            display.xdotool(&["mousemove", &x, &y, "click", "1"]);
        };
        wait_changed_by(display, &hosts[0], || click("invite link", 0));
        wait_changed_by(display, &hosts[0], || display.xdotool(&["type", "--delay", "20", &room.invite]));
        // Typed text can be copied, too.
        display.xdotool(&["key", "--delay", "50", "ctrl+a", "ctrl+c"]);
        click("join", 0);
        ann.wait_new("the one who typed", JOIN, |s| (names(s)? == ["Dora"]).then_some(()));
        click("join", 0);
        ann.wait_new("nobody", JOIN, |s| names(s)?.is_empty().then_some(()));
        wait_changed_by(display, &hosts[1], || click("paste", 800));
        click("join", 800);
        ann.wait_new("the one who pasted", JOIN, |s| (names(s)? == ["Eve"]).then_some(()));
        drop(audio);
    });
}

/// Waits until the effect of `act` is visible in a window.
fn wait_changed_by(display: &Display, host: &ParentWindow, act: impl FnOnce()) {
    let before = display.picture(host.id);
    act();
    wait::until("a visible change", UP, || (display.picture(host.id) != before).then_some(()));
}

/// Events from the plugin: `(parameter, Some(value))`, or `(parameter, None)` at the beginning and end of a gesture.
fn parameter_events(events: &Events) -> Vec<(u32, Option<f64>)> {
    let told = events.output.iter().filter_map(|event| match event.as_core_event()? {
        CoreEventSpace::ParamValue(e) => Some((e.param_id()?.get(), Some(e.value()))),
        CoreEventSpace::ParamGestureBegin(e) => Some((e.param_id()?.get(), None)),
        CoreEventSpace::ParamGestureEnd(e) => Some((e.param_id()?.get(), None)),
        _ => None,
    });
    told.collect()
}

/// Moving a fader informs the host, and automation moves the fader.
#[test]
fn fader_and_automation_stay_in_sync() {
    on_a_screen("fader_and_automation_stay_in_sync", 1, |display| {
        let library = Library::load();
        for (id, active) in IDS.into_iter().zip([false, true]) {
            let plugin = library.plugin(id);
            let exchange = |mut events: Events| {
                if active {
                    let outputs = if id == IDS[0] { 1 } else { 13 };
                    rtjam_tests::claphost::Buffers::new(64, outputs).process(plugin.raw(), 64, &mut events);
                } else {
                    plugin.raw().flush(&mut events);
                }
                parameter_events(&events)
            };
            if active {
                assert!(plugin.activate(48_000.0, 64) && plugin.raw().start());
            }
            let host = open(&plugin, 0, Some(1.0));
            wait_drawn(display, &host);
            wait_filled(display, &host);
            let [x, y] = at("monitor", DEFAULT_SIZE, 0);
            let y: i32 = y.parse().expect("a number");
            display.xdotool(&["mousemove", &x, &y.to_string(), "mousedown", "1"]);
            for step in 1..=8 {
                display.xdotool(&["mousemove", &x, &(y + 8 * step).to_string(), "sleep", "0.05"]);
            }
            display.xdotool(&["mouseup", "1", "mousemove", "400", "300"]);
            let mut all = Vec::new();
            wait::until("the end of the gesture", UP, || {
                all.extend(exchange(Events::none()));
                (all.iter().filter(|(_, value)| value.is_none()).count() == 2).then_some(())
            });
            let values: Vec<f64> = all.iter().filter_map(|(_, value)| *value).collect();
            assert!(all.iter().all(|(param, _)| *param == MONITOR), "{all:?}");
            assert!(all[0].1.is_none() && all[all.len() - 1].1.is_none() && values.len() >= 2, "{all:?}");
            let last = values[values.len() - 1];
            assert!((-60.0..-1.0).contains(&last) && plugin.value(MONITOR) == Some(last), "{all:?}");
            assert!(plugin.host_calls.flush.load(std::sync::atomic::Ordering::Relaxed) > 0);

            // Automation, to where the fader was left and away again.
            let fader = place(Id::unique("monitor"), DEFAULT_SIZE, 0);
            let thumb = || {
                let picture = display.picture(host.id);
                let column = fader.center().x as usize;
                (fader.top() as usize..fader.bottom() as usize)
                    .position(|y| is_blue(picture[y * 760 + column]))
                    .unwrap_or_default()
            };
            let mut places = Vec::new();
            for value in [0.0, -60.0, 12.0] {
                exchange(Events::set(MONITOR, value));
                let before = places.last().copied().unwrap_or(usize::MAX);
                let mut steady = (usize::MAX, 0);
                let place = wait::until("the fader follows", UP, || {
                    let now = thumb();
                    steady = if steady.0 == now { (now, steady.1 + 1) } else { (now, 0) };
                    (now != before && now != 0 && steady.1 > 10).then_some(now)
                });
                places.push(place);
            }
            assert!(places[2] < places[0] && places[0] < places[1], "a louder level is higher: {places:?}");
            if active {
                plugin.raw().stop();
            }
        }
    });
}

/// The line on a fader's thumb is blue, and nothing else along its way is.
fn is_blue(colour: u32) -> bool {
    (colour & 0xff) > (colour >> 16 & 0xff) + 60
}

/// The host receives the keys as long as no text field has the focus.
#[test]
fn host_keeps_keys_outside_fields() {
    on_a_screen("host_keeps_keys_outside_fields", 1, |display| {
        let library = Library::load();
        let plugin = library.plugin(IDS[1]);
        let host = open(&plugin, 0, Some(1.0));
        wait_drawn(display, &host);
        display.xdotool(&["mousemove", "400", "250", "key", "space"]);
        wait::until("the space bar", UP, || host.keys().contains(&SPACE).then_some(()));
        let [x, y] = at("name", DEFAULT_SIZE, 0);
        wait_changed_by(display, &host, || display.xdotool(&["mousemove", &x, &y, "click", "1"]));
        wait_changed_by(display, &host, || display.xdotool(&["type", "a b"]));
        display.xdotool(&["key", "Return"]);
        wait::until("the name", UP, || {
            let project = String::from_utf8(plugin.save()).expect("JSON");
            project.contains("a b").then_some(())
        });
        assert!(!host.keys().contains(&SPACE), "the space belongs to the text field");
        // The host keeps its zoom shortcut.
        display.xdotool(&["key", "ctrl+plus"]);
        display.xdotool(&["mousemove", "400", "250", "key", "space"]);
        wait::until("the space bar again", UP, || host.keys().contains(&SPACE).then_some(()));
        wait_filled(display, &host);
        assert_eq!(plugin.editor().size(), Some(DEFAULT_SIZE));
    });
}

/// A host may destroy its window before the editor.
#[test]
fn parent_window_may_close_first() {
    on_a_screen("parent_window_may_close_first", 1, |display| {
        let library = Library::load();
        for id in IDS {
            let plugin = library.plugin(id);
            let editor = plugin.editor();
            for round in 0..6 {
                let host = open(&plugin, 0, Some(1.0));
                if round % 2 == 0 {
                    wait_drawn(display, &host);
                }
                host.destroy();
                if round % 3 == 0 {
                    editor.set_size((700, 400));
                    editor.hide();
                    editor.show();
                    editor.set_scale(1.0);
                    assert!(editor.size().is_some());
                }
                if round != 5 {
                    editor.destroy();
                }
            }
            // Another parent without a `destroy`.
            let host = ParentWindow::new(0, (760, 480));
            assert!(editor.set_parent(CLAP_WINDOW_API_X11, host.id.into()));
            wait_drawn(display, &host);
        }
    });
}

/// No order of calls to the editor crashes it or leaves two editors.
#[test]
fn calls_work_in_any_order() {
    on_a_screen("calls_work_in_any_order", 1, |display| {
        let library = Library::load();
        for id in IDS {
            let plugin = library.plugin(id);
            let editor = plugin.editor();
            // Before `create`.
            editor.destroy();
            editor.destroy();
            editor.show();
            editor.hide();
            assert!(editor.set_size((0, 0)) && editor.set_size((u32::MAX, u32::MAX)) && editor.set_size((600, 400)));
            assert!(!editor.set_transient(1));
            // Invalid windows.
            for id in [0, 0x7fff_fff0, u64::MAX] {
                assert!(!editor.set_parent(CLAP_WINDOW_API_X11, id), "{id}");
            }
            assert!(!editor.set_parent(CLAP_WINDOW_API_WAYLAND, 1));
            for _ in 0..3 {
                assert!(editor.create(CLAP_WINDOW_API_X11, false));
            }
            editor.show();
            assert!(editor.set_scale(1.0) && editor.set_size((760, 480)));
            let (one, other) = (ParentWindow::new(0, (760, 480)), ParentWindow::new(800, (760, 480)));
            assert!(editor.set_parent(CLAP_WINDOW_API_X11, one.id.into()));
            assert!(editor.set_parent(CLAP_WINDOW_API_X11, other.id.into()), "from one parent to the other");
            wait_drawn(display, &other);
            assert_eq!(display.colours(one.id), 1, "the editor is in one window only");
            for size in [(0, 0), (1, 1), (u32::MAX, 1), (521, 321), (3_000, 2_000), (760, 480)] {
                assert!(editor.set_size(size));
                let (width, height) = editor.size().expect("a size");
                assert!((520..=3_840).contains(&width) && (320..=2_160).contains(&height));
            }
            wait_filled(display, &other);
            for _ in 0..20 {
                editor.hide();
                editor.hide();
                editor.show();
                editor.show();
            }
            wait_filled(display, &other);
            editor.hide();
            editor.destroy();
            editor.destroy();
            editor.show();
            assert!(editor.set_size((760, 480)));
            let host = open(&plugin, 0, None);
            wait_drawn(display, &host);
        }
    });
}

/// The editor stays open while the instance is activated, deactivated, playing or loading a project.
#[test]
fn editor_survives_state_changes() {
    on_a_screen("editor_survives_state_changes", 1, |display| {
        let library = Library::load();
        for id in IDS {
            let plugin = library.plugin(id);
            let host = open(&plugin, 0, Some(1.0));
            wait_drawn(display, &host);
            let signal: Vec<f32> = (0..480).map(|i| (i as f32 * 0.1).sin() * 0.5).collect();
            for (round, light) in [true, false, true, false].into_iter().enumerate() {
                let project = format!("{{\"rtjam\":1,\"name\":\"Round {round}\",\"light\":{light}}}");
                let wait_look = || {
                    let wanted = GROUND[usize::from(light)];
                    wait::until("the project's theme", UP, || (ground(display, &host) == wanted).then_some(()));
                };
                if round < 2 {
                    assert!(plugin.load(project.as_bytes()));
                    wait_look();
                }
                let rate = [44_100, 96_000, 48_000, 192_000][round];
                let audio = AudioThread::start(&plugin, rate, 256, 1, signal.clone());
                wait::until("sound", UP, || (audio.recorded() > 4_096).then_some(()));
                assert!(plugin.load(project.as_bytes()), "while it plays");
                wait_look();
                drop(audio);
                assert!(plugin.activate(48_000.0, 64));
                plugin.deactivate();
            }
            wait_filled(display, &host);
        }
    });
}

/// Deleting an instance closes its open editor.
#[test]
fn deleting_instance_closes_editor() {
    on_a_screen("deleting_instance_closes_editor", 1, |display| {
        let host = ParentWindow::new(0, (760, 480));
        for round in 0..12 {
            // The library is unloaded, too.
            let library = Library::load();
            let plugin = library.plugin(IDS[round % 2]);
            let editor = plugin.editor();
            assert!(editor.create(CLAP_WINDOW_API_X11, false));
            assert!(editor.set_parent(CLAP_WINDOW_API_X11, host.id.into()) && editor.show());
            if round % 3 > 0 {
                wait_drawn(display, &host);
            }
            if round % 4 == 3 {
                host.show(false);
            }
            drop(plugin);
            drop(library);
            host.show(true);
            wait::until("an empty window", UP, || (display.colours(host.id) == 1).then_some(()));
        }
    });
}

/// A hundred openings leak no memory. Measured after the heap's free memory is returned to the system: the C library keeps
/// up to 20 MB of what a window has freed, and returns it at any time.
#[test]
fn hundred_openings_leak_no_memory() {
    on_a_screen("hundred_openings_leak_no_memory", 1, |display| {
        let library = Library::load();
        let plugins = IDS.map(|id| library.plugin(id));
        let now = || process::usage(std::process::id());
        // Allocated memory, resident memory without free heap, threads and descriptors, after every ten openings of two editors.
        let mut told = Vec::new();
        let idle = now().threads;
        for opening in 1..=50 {
            let hosts = [open(&plugins[0], 0, None), open(&plugins[1], 800, None)];
            hosts.iter().for_each(|host| wait_drawn(display, host));
            plugins.iter().for_each(|plugin| plugin.editor().destroy());
            drop(hosts);
            // The clipboards' threads end shortly after their windows.
            wait::within(UP, || (now().threads <= idle).then_some(()));
            if opening % 10 == 0 {
                process::trim_heap();
                let figures = now();
                let kib = [process::heap_kib() as i64, figures.own_kib as i64];
                told.push([kib[0], kib[1], figures.threads as i64, figures.descriptors as i64]);
            }
        }
        println!("KiB allocated, KiB resident, threads, descriptors, after each ten openings of two: {told:?}");
        let grown = |figure: usize| told[4][figure] - told[1][figure];
        assert!(grown(0) < LEFT * 2 * 30 && grown(1) < LEFT * 2 * 30, "{told:?}");
        assert!(grown(2) <= 0 && grown(3) <= 2, "{told:?}");
    });
}

/// Ctrl+Z undoes the editor's last edit if there is one; otherwise the host receives it.
#[test]
fn editor_undo_precedes_host_undo() {
    on_a_screen("editor_undo_precedes_host_undo", 1, |display| {
        let library = Library::load();
        let plugin = library.plugin(IDS[0]);
        let host = open(&plugin, 0, Some(1.0));
        wait_drawn(display, &host);
        wait_filled(display, &host);
        display.xdotool(&["mousemove", "400", "250", "key", "ctrl+z"]);
        let mut keys = Vec::new();
        wait::until("the host's undo", UP, || {
            keys.extend(host.keys());
            (keys.len() >= 2).then_some(())
        });
        let letter_z = keys[keys.len() - 1];
        let [x, y] = at("monitor", DEFAULT_SIZE, 0);
        display.xdotool(&["mousemove", &x, &y, "click", "--repeat", "2", "--delay", "60", "1"]);
        wait_changed_by(display, &host, || display.xdotool(&["type", "--delay", "30", "--", "-12"]));
        display.xdotool(&["key", "Return"]);
        wait::until("a typed value", UP, || (plugin.value(MONITOR) == Some(-12.0)).then_some(()));
        host.keys();
        display.xdotool(&["mousemove", "400", "250", "key", "ctrl+z"]);
        wait::until("the previous value", UP, || (plugin.value(MONITOR) == Some(0.0)).then_some(()));
        display.xdotool(&["key", "space"]);
        let mut keys = Vec::new();
        wait::until("the space bar", UP, || {
            keys.extend(host.keys());
            keys.contains(&SPACE).then_some(())
        });
        assert!(!keys.contains(&letter_z), "the host would undo something else: {keys:?}");
    });
}
