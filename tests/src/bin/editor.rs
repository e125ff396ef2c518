//! The editor on a stage, for whoever works on its look: `editor [empty|alone|two|twelve|error|long] [light]`.

#![allow(clippy::expect_used, reason = "a tool for developers ends by a panic that says what is missing")]

use rtjam::board::{Board, Look};
use rtjam::editor::window;
use rtjam_client::State;
use rtjam_tests::stage::Stage;
use std::sync::Arc;

const LINK: &str = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let scene = words.first().map_or("two", String::as_str);
    let musicians = match scene {
        "two" | "long" => 2,
        "twelve" => 12,
        _ => 0,
    };
    let stage = Stage::new(musicians, scene != "empty");
    stage.arrange(|status, settings, _| {
        if words.iter().any(|word| word == "light") {
            settings.look = Look::Light;
        }
        match scene {
            "empty" => (status.state, settings.link) = (State::Offline, None),
            "alone" => status.sentence = Some(format!("You are alone in the room. Send this link: {LINK}")),
            "error" => {
                status.state = State::Connecting;
                status.sentence = Some(
                    "Nothing answers at jam.example.org: the room server does not run. Ask whoever runs it to start it. \
                     RTJam keeps trying."
                        .to_owned(),
                );
                status.notices = vec!["RTJam's network threads have no real-time priority.".to_owned()];
            }
            "long" => {
                status.sentence = Some(
                    "RTJam stopped sending your sound: it went out loud and came back as loud, as in a feedback loop. \
                     Make sure that what you hear from the room is not sent into it again, then resume sending."
                        .to_owned(),
                );
            }
            _ => {}
        }
    });
    if musicians > 1 {
        let losing = Arc::clone(&stage);
        std::thread::spawn(move || {
            for n in 0_u64.. {
                std::thread::sleep(std::time::Duration::from_millis(700));
                losing.arrange(|status, _, _| status.musicians[1].lost += u64::from(n % 5 == 0) * (n % 7));
            }
        });
    }
    let board: Arc<dyn Board> = stage;
    window::open_window(board, "RTJam").expect("a window").wait();
}
