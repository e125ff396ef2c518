//! `cargo xtask jam`: a room and two musicians on this machine.

mod display;
mod hearing;
mod part;
mod players;
mod scratch;
mod server;
mod status;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::command::Stop;
use crate::setup;
use crate::workspace::Workspace;
use display::Display;
use part::{Event, Heard, Part};
use players::Players;
pub(crate) use players::SETTLE;
use scratch::Scratch;
use server::Server;

/// Options of the command line.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) seconds: Option<u64>,
    /// "You" uses a temporary identity and temporary settings, too.
    pub(crate) scratch: bool,
    pub(crate) bin: Option<PathBuf>,
}

pub(crate) const LEAST_SECONDS: u64 = 5;

/// Time limit for both to join, if `--seconds` is given.
const JOIN_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(workspace: &Workspace, stop: &Stop, options: &Options) -> Result<ExitCode, String> {
    let programs = match &options.bin {
        Some(folder) => folder.clone(),
        None => {
            setup::system_packages(workspace, &[setup::BUILD])?;
            build(workspace, stop)?
        }
    };
    let scratch = Scratch::new()?;
    let (events, arriving) = mpsc::channel();

    // Dropped in reverse order: the musicians leave before the room closes.
    let mut server = Server::start(workspace, &programs, &scratch, &events, &arriving, stop)?;
    let own_scratch = options.scratch || std::env::var("CI").is_ok_and(|v| v == "true" || v == "1");
    let mut you = part::you(workspace, &programs, own_scratch.then_some(&scratch), &server.invite, &events)?;
    let mut demo = part::demo(workspace, &programs, &scratch, &server.invite, &events)?;
    println!("page:   {}", server.page);
    println!("invite: {}", server.invite);
    match options.seconds {
        Some(seconds) => println!("jam: ends {seconds} s after both have joined, or with Ctrl-C"),
        None => println!("jam: Ctrl-C ends it"),
    }

    let mut display = Display::new();
    let mut players = Players::default();
    let ending = jam(
        &arriving,
        stop,
        options.seconds.map(Duration::from_secs),
        &mut display,
        &mut players,
        &mut [&mut server.part, &mut you, &mut demo],
    );
    display.finish();
    for part in [&mut you, &mut demo, &mut server.part] {
        part.end();
    }
    close(ending, &players)
}

/// Builds the programs of the jam and returns their folder. `rtjam` is built with its window only if there is a display:
/// without it no GUI crate is built.
fn build(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, String> {
    let windowed = std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty())
        || cfg!(any(windows, target_os = "macos"));
    let (what, minutes) =
        if windowed { ("rtjam with its window and the room server", 6) } else { ("rtjam and the room server", 3) };
    println!("jam: building {what}: about {minutes} minutes on two cores the first time, seconds later");
    let mut cargo = workspace.cargo(["build", "--profile", "jam", "-p", "rtjam-server", "-p", "rtjam", "--bins"]);
    if !windowed {
        cargo.arg("--no-default-features");
    }
    workspace.build_executables(&mut cargo, stop, "the build")
}

/// Why the jam ended.
enum Ending {
    TimeOver,
    Asked,
    Failed(String),
}

fn jam(
    arriving: &mpsc::Receiver<Event>,
    stop: &Stop,
    seconds: Option<Duration>,
    display: &mut Display,
    players: &mut Players,
    parts: &mut [&mut Part; 3],
) -> Ending {
    let start = Instant::now();
    loop {
        match arriving.recv_timeout(Duration::from_millis(50)) {
            Ok(Event { who, heard: Heard::Status(status) }) => {
                players.take(who, status, Instant::now());
                display.status(players);
            }
            Ok(Event { who, heard: Heard::Line(line) }) => display.line(who, &line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if stop.asked() {
            return Ending::Asked;
        }
        for part in parts.iter_mut() {
            if let Some(sentence) = part.ended_early() {
                return Ending::Failed(sentence);
            }
        }
        let Some(seconds) = seconds else { continue };
        match players.both_joined() {
            Some(joined) if joined.elapsed() >= seconds => return Ending::TimeOver,
            Some(_) => {}
            None if start.elapsed() > JOIN_LIMIT => return Ending::Failed(players.why_not_joined(JOIN_LIMIT)),
            None => {}
        }
    }
}

/// Prints the summary and returns the verdict as an exit code.
fn close(ending: Ending, players: &Players) -> Result<ExitCode, String> {
    if let Ending::Failed(sentence) = ending {
        return Err(format!("jam failed: {sentence}"));
    }
    let measured = players.measured();
    if measured.is_none() && matches!(ending, Ending::Asked) {
        println!("jam: ended before there was anything to judge");
        return Ok(ExitCode::SUCCESS);
    }
    let (you_hear, demo_hears) = measured.unwrap_or_default();
    print!("{}", verdict::summary(&you_hear, &demo_hears));
    match verdict::judge(&you_hear, &demo_hears) {
        Ok(()) => {
            println!("jam: good");
            Ok(ExitCode::SUCCESS)
        }
        Err(sentences) => Err(format!("jam failed: {}", sentences.join(" "))),
    }
}
