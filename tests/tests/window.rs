//! The editor's windows on a virtual screen: in a host's window, and the program's own.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test may end with a panic that names what is missing")]

use egui::Id;
use rtjam_stage::stage::place_on_audio_page;
use rtjam_tests::child::Child;
use rtjam_tests::display::{Display, UP};
use rtjam_tests::jackd::Jackd;
use rtjam_tests::machine::Scratch;
use rtjam_tests::machine::{has_program, skipped};
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::probe;
use rtjam_tests::programs;
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// Time limit for a program that opens windows.
const END: Duration = Duration::from_secs(90);
/// Memory that a window may leave allocated, in KiB. (Baseview never frees the keyboard's map of 54 KiB.)
const LEFT: i64 = 150;
/// Growth of the process between the second ten and the last ten of fifty windows, in KiB: as much as one window takes,
/// since the heap does not release all free memory.
const FLAT: i64 = 25_000;
/// From the middle of a menu's button to its third entry, in pixels.
const THIRD_ENTRY: f32 = 89.0;
/// The space bar, by its X key code.
const SPACE: &str = "host: key 65";

/// Fifty windows in a row leak no memory, threads or descriptors.
#[test]
fn fifty_windows_leak_no_memory() {
    let Some(display) = screen(1) else { return };
    let mut command = Command::new(programs::editor());
    // One heap for all threads: otherwise the C library keeps some memory of each ended thread.
    display.set_for(command.args(["cycles", "50"]).env("MALLOC_ARENA_MAX", "1"));
    let mut host = Child::start(&mut command, None);
    assert_eq!(host.wait_exit(2 * END), 0, "{}", host.transcript());
    let lines = host.out().all();
    let figures: Vec<Vec<i64>> =
        lines.iter().map(|line| line.split(' ').map(|n| n.parse().expect("a number")).collect()).collect();
    println!("windows, KiB allocated, KiB in memory, threads, descriptors: {figures:?}");
    let (warm, last) = (&figures[1], figures.last().expect("a line"));
    assert_eq!(last[0], 50);
    assert!(last[1] - warm[1] < LEFT * (last[0] - warm[0]), "{figures:?}");
    assert!(last[2] - warm[2] < FLAT, "{figures:?}");
    assert!(last[3] - warm[3] <= 2 && last[4] - warm[4] <= 4, "{figures:?}");
}

/// Two editors draw at once, and one outlives the other.
#[test]
fn two_editors_are_independent() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["pair"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    assert_eq!(host.out().all(), ["both draw", "the other goes on"]);
}

/// Keys reach the host until a field needs them.
#[test]
fn unused_keys_reach_the_host() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["keys"]);
    host.wait_out("an editor", UP, |line| (line == "ready").then_some(()));
    display.xdotool(&["mousemove", "400", "250", "key", "space"]);
    host.wait_out("the space bar", UP, |line| (line == SPACE).then_some(()));
    display.xdotool(&["mousemove", "120", "22", "click", "1", "sleep", "1", "type", "--delay", "20", "rtjam://a b/x"]);
    display.xdotool(&["key", "Return"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    let lines = host.out().all();
    assert!(lines.contains(&"join: rtjam://a b/x".to_owned()), "{lines:?}");
    // The second space was typed into the field.
    assert_eq!(lines.iter().filter(|line| *line == SPACE).count(), 1, "{lines:?}");
}

/// A window that is still or hidden draws nothing.
#[test]
fn still_windows_draw_nothing() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["still"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    let lines = host.out().all();
    println!("{lines:?} (frames a second)");
    let rate = lines.iter().find_map(|line| line.strip_prefix("playing ")?.parse::<f64>().ok()).expect("a figure");
    // At most 30 frames a second; a busy machine draws fewer.
    assert!(rate <= 35.0, "{lines:?}");
    assert_eq!([&lines[0], &lines[2], &lines[3]], ["still", "hidden", "shown"]);
}

/// A host may destroy its window before it closes the editor.
#[test]
fn host_may_destroy_window_first() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["dying"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    assert_eq!(host.out().all(), ["survived"]);
}

/// A panic in a frame becomes a red line and never reaches the host.
#[test]
fn panics_become_a_red_line() {
    /// The palette's `bad`, dark.
    const RED: u32 = 0xff9080;
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["panics"]);
    host.wait_out("a panic", UP, |line| (line == "poisoned").then_some(()));
    let window = display.window("Host");
    wait::until("a red line", UP, || (display.picture(window)[760 + 380] == RED).then_some(()));
    display.xdotool(&["key", "space"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    assert_eq!(host.out().all(), ["poisoned", "closed"]);
}

/// The program joins a typed link, and ends when its window closes.
#[test]
fn typed_links_are_joined() {
    let Some(display) = screen(1) else { return };
    let room = Room::start();
    let _ann = Musician::start(&Options::demo("Ann", &room.invite));
    let config = Scratch::new("window");
    let mut ben = program(&display, &config);
    let window = display.window("RTJam");
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    assert_eq!(display.size(window), (760, 480));
    display.xdotool(&["mousemove", "120", "22", "click", "1", "sleep", "1", "type", "--delay", "20", &room.invite]);
    display.xdotool(&["key", "Return"]);
    ben.wait_out("Ann in the room", UP, |line| {
        let status: Value = serde_json::from_str(line).ok()?;
        (status["state"] == "joined" && status["musicians"][0]["packets"].as_u64()? > 100).then_some(())
    });
    display.close(window);
    assert_eq!(ben.wait_exit(UP), 0, "{}", ben.transcript());
    // The room is stored with its key, readable by its owner only.
    let kept = std::fs::read_to_string(config.path().join("rooms.json")).expect("kept");
    assert!(kept.contains(&room.invite), "{kept}");
}

/// One mix is chosen in the window, and its strips show and mute musicians.
#[test]
fn one_mix_works_in_the_window() {
    /// In a window of the usual size: the menu "Others", its entry "one mix", and the first strip's mute.
    const CLICKS: [[&str; 2]; 3] = [["368", "458"], ["368", "425"], ["154", "376"]];
    let Some(display) = screen(1) else { return };
    let room = Room::start();
    let _ann = Musician::start(&Options::demo("Ann", &room.invite));
    let config = Scratch::new("window");
    let mut ben = program_in(&display, &config, &room.invite);
    let window = display.window("RTJam");
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    let click = |[x, y]: [&str; 2]| display.xdotool(&["mousemove", x, y, "sleep", "0.3", "click", "1", "sleep", "0.5"]);
    let level = |of: &Value| of["dbfs"][0].as_f64().map_or(-120.0, |left| left);
    wait_status(&mut ben, "Ann by herself", |s| s["mix"] == "separate" && level(&s["musicians"][0]) > -60.0);
    click(CLICKS[0]);
    click(CLICKS[1]);
    wait_status(&mut ben, "Ann in a mix, with her level and what it adds to her delay", |s| {
        let ann = &s["musicians"][0];
        s["mix"] == "one" && level(&s["mix_stream"]) > -60.0 && level(ann) > -60.0 && ann["delay"]["mix_ms"].is_number()
    });
    click(CLICKS[2]);
    wait_status(&mut ben, "silence, while Ann plays on", |s| {
        level(&s["mix_stream"]) == -120.0 && level(&s["musicians"][0]) > -60.0
    });
    click(CLICKS[2]);
    wait_status(&mut ben, "Ann again", |s| level(&s["mix_stream"]) > -60.0);
    display.close(window);
    assert_eq!(ben.wait_exit(UP), 0, "{}", ben.transcript());
    let mut again = program_in(&display, &config, &room.invite);
    wait_status(&mut again, "the mix that was chosen before", |s| s["mix"] == "one");
}

/// The first start on JACK. The test tone plays in the musician's own outputs and not in the room. A guitar in input 2 is
/// chosen, and remembered with everything else; the page does not come back.
#[test]
fn audio_page_sets_up_jack() {
    let Some(display) = screen(1) else { return };
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    let config = Scratch::new("window");
    let start = || {
        let mut command = Command::new(programs::rtjam());
        command.args(["--name", "Ben", "--join", "-", "--status-json"]).env("JACK_DEFAULT_SERVER", &jackd.name);
        display.set_for(command.arg("--config").arg(config.path()));
        Child::start(&mut command, Some(&room.invite))
    };
    let mut ben = start();
    ann.wait_hears("Ben");
    let window = display.window("RTJam");
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    let click = |x: f32, y: f32| {
        let [x, y] = [x, y].map(|position| position.to_string());
        display.xdotool(&["mousemove", &x, &y, "sleep", "0.3", "click", "1", "sleep", "0.5"]);
    };
    let place = |id: Id| place_on_audio_page(id, (760, 480)).center();
    let tone = place(Id::unique("test tone"));
    click(tone.x, tone.y);
    let heard = probe::record(&jackd.name, &[("rtjam:in_1", vec![0.0; 72_000])], &["rtjam:out_1", "rtjam:out_2"]).got;
    let second = &heard[0][24_000..];
    let crossings = second.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    let peak = second.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((430..=450).contains(&crossings) && (0.099..0.101).contains(&peak), "{crossings} Hz, peak {peak}");
    // The probe connects the second port some periods after the first.
    assert_eq!(second, &heard[1][24_000..]);
    let loudest = ann.status().expect("a status")["musicians"][0]["peak_dbfs"][0].as_f64().expect("a level");
    assert_eq!(loudest, -120.0, "the room hears nothing");

    let channels = place(Id::unique(("menu", "Input channels")));
    click(channels.x, channels.y);
    click(channels.x, channels.y + THIRD_ENTRY);
    let both = || ["rtjam:in_1", "rtjam:in_2"].map(|port| probe::connections(&jackd.name, port));
    let second = || (both() == [["system:capture_2"]; 2]).then_some(());
    wait::until("input 2 on both channels", UP, second);
    let done = place(Id::unique("audio done"));
    click(done.x, done.y);
    display.close(window);
    assert_eq!(ben.wait_exit(UP), 0, "{}", ben.transcript());
    let kept = std::fs::read_to_string(config.path().join("window.json")).expect("kept");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!((&kept["input-channels"], kept.get("audio_due")), (&Value::from("2"), None), "{kept}");
    let mut again = start();
    wait_status(&mut again, "the room", |s| s["state"] == "joined");
    wait::until("input 2 on both channels again", UP, second);
}

/// A device that the window remembers may be unplugged: the program starts, says so, and takes another choice.
#[test]
fn unplugged_device_does_not_stop_the_start() {
    let Some(display) = screen(1) else { return };
    let config = Scratch::new("window");
    let remembered = r#"{"name": "Ben", "backend": "cpal", "output": "an interface that is gone"}"#;
    std::fs::write(config.path().join("window.json"), remembered).expect("the scratch folder can be written");
    let run = |more: &[&str]| {
        let mut command = Command::new(programs::rtjam());
        display.set_for(command.arg("--status-json").args(more).arg("--config").arg(config.path()));
        Child::start(&mut command, None)
    };
    let mut ben = run(&[]);
    ben.wait_err("There is no audio device \"an interface that is gone\"", UP);
    let window = display.window("RTJam");
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    // What the command line asks for must be there.
    let mut carl = run(&["--backend", "cpal", "--output", "nothing like it"]);
    assert_eq!(carl.wait_exit(UP), 1, "{}", carl.transcript());
    display.close(window);
    assert_eq!(ben.wait_exit(UP), 0, "{}", ben.transcript());
}

/// The end of the program closes its window.
#[test]
fn program_end_closes_window() {
    let Some(display) = screen(1) else { return };
    let config = Scratch::new("window");
    let mut ben = program(&display, &config);
    let window = display.window("RTJam");
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    ben.signal(libc::SIGTERM);
    assert_eq!(ben.wait_exit(UP), 0, "{}", ben.transcript());
    assert_eq!(display.find("RTJam"), None);
}

/// A screen with a scale of 2 is drawn in full resolution.
#[test]
fn high_resolution_is_used() {
    let Some(display) = screen(2) else { return };
    let _editor = stage(&display, &["show", "twelve"]);
    let window = display.window("RTJam");
    assert_eq!(display.size(window), (1520, 960));
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    // Lines of one pixel: if a small picture were enlarged, each pair of rows would be equal.
    let picture = display.picture(window);
    let rows: Vec<&[u32]> = picture.chunks(1520).collect();
    let alike = rows.chunks(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(alike < 300, "{alike} of 480 pairs of rows are alike");
}

/// Without a display the program says so and plays.
#[test]
fn program_runs_without_display() {
    let room = Room::start();
    let config = Scratch::new("no-window");
    for display in [None, Some(":9999")] {
        let mut command = Command::new(programs::rtjam());
        command.args(["--join", "-", "--backend", "dummy", "--status-json"]).arg("--config").arg(config.path());
        match display {
            None => command.env_remove("DISPLAY"),
            Some(name) => command.env("DISPLAY", name),
        };
        let mut child = Child::start(&mut command, Some(&room.invite));
        child.wait_err("rtjam runs without one", UP);
        child.wait_out("the room", UP, |line| line.contains("\"joined\"").then_some(()));
        child.signal(libc::SIGTERM);
        assert_eq!(child.wait_exit(UP), 0, "{}", child.transcript());
    }
}

/// A virtual screen, if the programs for it are installed.
fn screen(scale: u32) -> Option<Display> {
    if has_program("Xvfb") && has_program("xdotool") {
        return Some(Display::start(scale));
    }
    skipped("windows need Xvfb and xdotool");
    None
}

fn stage(display: &Display, arguments: &[&str]) -> Child {
    let mut command = Command::new(programs::editor());
    display.set_for(command.args(arguments));
    Child::start(&mut command, None)
}

fn program(display: &Display, config: &Scratch) -> Child {
    start(display, config, &[], None)
}

/// A program that joins a room when it starts.
fn program_in(display: &Display, config: &Scratch, link: &str) -> Child {
    start(display, config, &["--join", "-"], Some(link))
}

fn start(display: &Display, config: &Scratch, more: &[&str], input: Option<&str>) -> Child {
    let mut command = Command::new(programs::rtjam());
    command.args(["--backend", "dummy", "--source", "demo", "--name", "Ben", "--status-json"]).args(more);
    display.set_for(command.arg("--config").arg(config.path()));
    Child::start(&mut command, input)
}

fn wait_status(program: &mut Child, what: &str, wanted: impl Fn(&Value) -> bool) {
    program.wait_out(what, UP, |line| wanted(&serde_json::from_str(line).ok()?).then_some(()));
}
