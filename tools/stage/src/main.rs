//! Shows the editor without a room.
//!
//! `editor show [empty|alone|two|mix|five|names|twelve|error|long|audio] [light] [de]` opens a window for developers to look at.
//! `editor plugin [multi] [light] [SCALE] [LINK]` opens the real plugin in a host's window, playing. `editor openings
//! rtjam|multi N` measures the memory that openings leave. `tests/tests/window.rs` runs the other commands, each in a
//! host's window: `cycles N`, `pair`, `keys`, `still`, `dying`, `panics`.

#![allow(clippy::expect_used, reason = "a tool for developers may end with a panic that names what is missing")]

use raw_window_handle::{RawWindowHandle, XlibWindowHandle};
use rtjam_client::{Condition, ConnectionError, SessionState, StatusNotice};
use rtjam_load::process;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{DEFAULT_PORT, Host};
use rtjam_stage::stage::{Asked, Stage};
use rtjam_tests::claphost::{AudioThread, IDS, Library, project, use_private_home};
use rtjam_tests::display::{ParentWindow, UP};
use rtjam_tests::wait;
use rtjam_ui::audio::{AudioDevice, AudioState, DeviceDelay, DevicesInUse, RunningAudio};
use rtjam_ui::editor::window::{self, EditorHandle};
use rtjam_ui::editor_model::EditorModel;
use rtjam_ui::messages::Language;
use rtjam_ui::settings::Look;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LINK: &str = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["show", scene @ ..] => show(scene),
        ["plugin", words @ ..] => plugin(words),
        ["cycles", count] => cycles(count.parse().expect("a number")),
        ["openings", class, count] => openings(class, count.parse().expect("a number")),
        ["pair"] => pair(),
        ["keys"] => keys(),
        ["still"] => still(),
        ["dying"] => dying(),
        ["panics"] => panics(),
        _ => {
            eprintln!(
                "usage: editor show [SCENE] [light] [de] | plugin [multi] [light] [SCALE] [LINK] | openings rtjam|multi N | cycles N | pair | keys | still | dying | panics"
            );
            std::process::exit(2);
        }
    }
}

fn show(words: &[&str]) {
    let scene = words.first().copied().unwrap_or("two");
    let musicians = match scene {
        "two" | "long" | "mix" => 2,
        "five" | "names" => 5,
        "twelve" => 12,
        _ => 0,
    };
    let stage = Stage::new(musicians, scene != "empty");
    if words.contains(&"de") {
        stage.set_language(Language::German);
    }
    stage.arrange(|status, settings, _| {
        if words.contains(&"light") {
            settings.choices.look = Look::Light;
        }
        match scene {
            "empty" | "audio" => (status.state, settings.link) = (SessionState::Offline, None),
            "alone" => status.condition = Some(Condition::Alone(LINK.parse().expect("a link"))),
            "error" => {
                status.state = SessionState::Connecting;
                let (host, error) = (Host::Name("jam.example.org".to_owned()), ConnectionError::NothingListens);
                status.condition = Some(Condition::Unreachable { host, port: DEFAULT_PORT, error });
                status.notices = vec![StatusNotice::NoRealtimePriority];
            }
            "mix" => {
                (status.mix, status.mix_delay_ms) = (DownstreamMode::Mixed, Some(1.6));
                settings.choices.mix = Some(DownstreamMode::Mixed);
                status.musicians.iter_mut().for_each(|musician| musician.delay.mix_ms = Some(1.6));
            }
            "long" => status.condition = Some(Condition::MutedByLoopGuard),
            "names" => {
                for (musician, name) in status.musicians.iter_mut().zip(["山田太郎", "أحمد", "דוד", "김민준", "Ольга"])
                {
                    name.clone_into(&mut musician.name);
                }
            }
            _ => {}
        }
    });
    if scene == "audio" {
        stage.set_audio(audio());
    }
    window::open_window(stage, "RTJam").expect("a window").wait();
}

/// The audio page with an interface.
fn audio() -> AudioState {
    let device = |id: &str, name: &str| AudioDevice {
        id: id.to_owned(),
        name: name.to_owned(),
        is_input: true,
        is_output: true,
    };
    let name = "Scarlett 2i2 USB, USB Audio";
    AudioState {
        running: Some(RunningAudio {
            by_jack: false,
            devices: DevicesInUse { input: Some(name.to_owned()), output: name.to_owned(), input_channels: 2 },
            bluetooth: None,
            rate: 48_000,
            period: 64,
            delay: Some(DeviceDelay { input_ms: 2.7, output_ms: 3.4 }),
        }),
        system: "alsa".to_owned(),
        devices: Some([device("plughw:CARD=USB,DEV=0", name), device("default", "Default")].into()),
        is_due: true,
        ..AudioState::default()
    }
}

/// A host with one instance, until somebody ends it.
fn plugin(words: &[&str]) {
    let (multi, light) = (words.contains(&"multi"), words.contains(&"light"));
    let scale = words.iter().find_map(|word| word.parse().ok());
    let link = words.iter().find(|word| word.starts_with("rtjam://"));
    use_private_home();
    let library = Library::load();
    let plugin = library.plugin(IDS[usize::from(multi)]);
    let look = format!(",\"light\":{light}");
    let project = match link {
        Some(link) => project("Keyboard", link, &look),
        None => format!("{{\"rtjam\":1,\"name\":\"Keyboard\"{look}}}"),
    };
    assert!(plugin.load(project.as_bytes()), "it does not take its project");
    let stroke = |i: u32| (-f64::from(i) / 9_000.0).exp() * (f64::from(i) * 0.035).sin() * 0.4;
    let audio = AudioThread::start(&plugin, 48_000, 128, 1, (0..24_000).map(|i| stroke(i) as f32).collect());
    audio.set(3, 0.0);
    let host = plugin.editor().open(scale, |(width, height)| {
        let host = ParentWindow::new(0, (width as u16, height as u16));
        (host.id, host)
    });
    loop {
        std::thread::sleep(Duration::from_millis(30));
        plugin.on_main_thread();
        audio.take();
        if let Some(size) = plugin.editor().requested_size() {
            host.resize(size);
        }
    }
}

/// Opens and closes the real plugin's editor repeatedly. After every ten openings it prints, in KiB, the allocated memory,
/// the private memory of the process, and what remains of that once the heap has released its free memory; then the
/// number of threads and descriptors.
fn openings(class: &str, count: usize) {
    use_private_home();
    let library = Library::load();
    let plugin = library.plugin(IDS[usize::from(class == "multi")]);
    let display = rtjam_tests::display::Display::ours();
    let now = || process::usage(std::process::id());
    let idle = now().threads;
    for opening in 1..=count {
        let host = plugin.editor().open(None, |(width, height)| {
            let host = ParentWindow::new(0, (width as u16, height as u16));
            (host.id, host)
        });
        wait::until("a picture", UP, || (display.colours(host.id) > 30).then_some(()));
        plugin.editor().destroy();
        drop(host);
        // The clipboard's thread ends a moment after its window.
        wait::within(UP, || (now().threads <= idle).then_some(()));
        if opening % 10 == 0 {
            let (allocated, before) = (process::heap_kib(), now());
            process::trim_heap();
            println!(
                "{opening} {allocated} {} {} {} {}",
                before.own_kib,
                now().own_kib,
                before.threads,
                before.descriptors
            );
        }
    }
}

/// Opens and closes windows repeatedly. After every ten it prints the allocated memory, and the least memory that the
/// process had after any of the ten: what the heap keeps in reserve varies, what leaks stays.
fn cycles(count: usize) {
    let stage = Stage::new(12, true);
    let host = ParentWindow::new(0, (760, 480));
    let now = || process::usage(std::process::id());
    let (mut idle, mut least) = (None, u64::MAX);
    for cycle in 1..=count {
        let editor = open(stage.clone(), &host);
        frames(&editor, 3);
        drop(editor);
        // The clipboard's thread ends a moment after its window.
        let idle = *idle.get_or_insert_with(|| now().threads);
        wait::within(UP, || (now().threads <= idle).then_some(()));
        let figures = now();
        least = least.min(figures.own_kib);
        if cycle % 10 == 0 {
            println!("{cycle} {} {least} {} {}", process::heap_kib(), figures.threads, figures.descriptors);
            least = u64::MAX;
        }
    }
}

/// Two windows at once, each with its own model.
fn pair() {
    let (ours, theirs) = (Stage::new(2, true), Stage::new(12, true));
    let hosts = [ParentWindow::new(0, (760, 480)), ParentWindow::new(780, (760, 480))];
    let (left, right) = (open(ours, &hosts[0]), open(theirs, &hosts[1]));
    frames(&left, 20);
    frames(&right, 20);
    println!("both draw");
    drop(left);
    let before = right.frames();
    frames(&right, before + 20);
    println!("the other goes on");
}

/// Prints the keys that reach the host, until a link is joined; then the link.
fn keys() {
    let stage = Stage::new(0, false);
    stage.arrange(|status, settings, _| (status.state, settings.link) = (SessionState::Offline, None));
    let host = ParentWindow::new(0, (760, 480));
    let editor = open(stage.clone(), &host);
    frames(&editor, 1);
    println!("ready");
    let link = wait::until("a link", 3 * UP, || {
        host.keys().into_iter().for_each(|key| println!("host: key {key}"));
        stage.asked().into_iter().find_map(|asked| if let Asked::Join(link) = asked { Some(link) } else { None })
    });
    println!("join: {link}");
    host.keys().into_iter().for_each(|key| println!("host: key {key}"));
}

/// Counts frames while nothing changes, while music plays, and while the window is hidden.
fn still() {
    let host = ParentWindow::new(0, (760, 480));
    let quiet = open(Stage::new(12, false), &host);
    frames(&quiet, 1);
    rests(&quiet);
    println!("still");
    drop(quiet);
    let loud = open(Stage::new(12, true), &host);
    frames(&loud, 10);
    let (before, begun) = (loud.frames(), Instant::now());
    frames(&loud, before + 30);
    println!("playing {:.0}", 30.0 / begun.elapsed().as_secs_f64());
    host.show(false);
    rests(&loud);
    println!("hidden");
    host.show(true);
    let before = loud.frames();
    frames(&loud, before + 5);
    println!("shown");
}

/// The host destroys its window before it closes the editor.
fn dying() {
    let stage = Stage::new(2, true);
    for _ in 0..5 {
        let host = ParentWindow::new(0, (760, 480));
        let editor = open(stage.clone(), &host);
        frames(&editor, 3);
        host.destroy();
        wait::until("the end of a window without a parent", UP, || (!editor.is_open()).then_some(()));
        editor.resize((600, 400));
        drop(editor);
    }
    println!("survived");
}

/// Drawing a frame panics.
fn panics() {
    let stage = Stage::new(2, true);
    let host = ParentWindow::new(0, (760, 480));
    let editor = open(stage.clone(), &host);
    frames(&editor, 3);
    stage.poison();
    println!("poisoned");
    // Until the test has seen the window and presses a key.
    wait::until("a key", 3 * UP, || (!host.keys().is_empty()).then_some(()));
    drop(editor);
    println!("closed");
}

fn open(stage: Arc<Stage>, host: &ParentWindow) -> EditorHandle {
    let parent = RawWindowHandle::Xlib(XlibWindowHandle::new(host.id.into()));
    window::open_embedded(stage as Arc<dyn EditorModel>, parent, (760, 480), None).expect("an editor")
}

fn frames(editor: &EditorHandle, count: u64) {
    wait::until("frames", 3 * UP, || (editor.frames() >= count).then_some(()));
}

/// Waits for two seconds in which nothing is drawn.
fn rests(editor: &EditorHandle) {
    let (mut last, mut since) = (editor.frames(), Instant::now());
    wait::until("rest", 3 * UP, || {
        if editor.frames() != last {
            (last, since) = (editor.frames(), Instant::now());
        }
        (since.elapsed() > Duration::from_secs(2)).then_some(())
    });
}
