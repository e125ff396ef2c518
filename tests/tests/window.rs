//! The editor's windows on a screen that nobody sees: in a host's window, and the program's own.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test ends by a panic that says what is missing")]

use rtjam_tests::child::Child;
use rtjam_tests::display::{Display, UP};
use rtjam_tests::machine::Scratch;
use rtjam_tests::machine::{has_program, skipped};
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::programs;
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// A program that opens windows ends within this time.
const END: Duration = Duration::from_secs(90);
/// What a window may leave allocated, in KiB. (The keyboard's map, which baseview never gives back, takes 54.)
const LEFT: i64 = 150;
/// Memory that the process may take between the second ten and the last ten windows of fifty, in KiB: what one window
/// takes, as the heap does not give back all that it could.
const FLAT: i64 = 25_000;
/// The space bar, by X's number.
const SPACE: &str = "host: key 65";

#[test]
fn fifty_windows_one_after_the_other_leave_the_memory_flat() {
    let Some(display) = screen(1) else { return };
    let mut command = Command::new(programs::editor());
    // One heap for all threads: else the C library keeps a little of each ended thread's, which is no leak of ours.
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

#[test]
fn two_editors_draw_at_once_and_one_outlives_the_other() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["pair"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    assert_eq!(host.out().all(), ["both draw", "the other goes on"]);
}

#[test]
fn keys_go_to_the_host_until_a_field_wants_them() {
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
    // The second space was written into the field.
    assert_eq!(lines.iter().filter(|line| *line == SPACE).count(), 1, "{lines:?}");
}

#[test]
fn what_is_still_or_hidden_is_not_drawn() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["still"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    let lines = host.out().all();
    println!("{lines:?} (frames a second)");
    let rate = lines.iter().find_map(|line| line.strip_prefix("playing ")?.parse::<f64>().ok()).expect("a figure");
    // Thirty looks a second: a busy machine draws fewer, none draws more.
    assert!(rate <= 35.0, "{lines:?}");
    assert_eq!([&lines[0], &lines[2], &lines[3]], ["still", "hidden", "shown"]);
}

#[test]
fn a_host_that_takes_its_window_away_first_does_no_harm() {
    let Some(display) = screen(1) else { return };
    let mut host = stage(&display, &["dying"]);
    assert_eq!(host.wait_exit(END), 0, "{}", host.transcript());
    assert_eq!(host.out().all(), ["survived"]);
}

#[test]
fn a_panic_in_a_frame_becomes_a_red_line_and_never_reaches_the_host() {
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

#[test]
fn the_program_goes_where_a_typed_link_leads_and_ends_with_its_window() {
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
    // The room is kept for the next time, with its key, for its owner only.
    let kept = std::fs::read_to_string(config.path().join("rooms.json")).expect("kept");
    assert!(kept.contains(&room.invite), "{kept}");
}

#[test]
fn one_mix_is_chosen_in_the_window_and_its_strips_show_and_mute_musicians_there() {
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

#[test]
fn the_end_of_the_program_closes_its_window() {
    let Some(display) = screen(1) else { return };
    let config = Scratch::new("window");
    let mut ben = program(&display, &config);
    let window = display.window("RTJam");
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    ben.signal(libc::SIGTERM);
    assert_eq!(ben.wait_exit(UP), 0, "{}", ben.transcript());
    assert_eq!(display.find("RTJam"), None);
}

#[test]
fn a_screen_of_twice_the_pixels_gets_them_all() {
    let Some(display) = screen(2) else { return };
    let _editor = stage(&display, &["show", "twelve"]);
    let window = display.window("RTJam");
    assert_eq!(display.size(window), (1520, 960));
    wait::until("a picture", UP, || (display.colours(window) > 30).then_some(()));
    // Lines of one pixel: were it drawn small and blown up, each pair of rows would be alike.
    let picture = display.picture(window);
    let rows: Vec<&[u32]> = picture.chunks(1520).collect();
    let alike = rows.chunks(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(alike < 300, "{alike} of 480 pairs of rows are alike");
}

#[test]
fn without_a_display_the_program_says_so_and_plays() {
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

/// A screen, where there are programs to make one and to work on it.
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

/// One that goes to a room at once.
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
