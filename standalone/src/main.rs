//! `rtjam`, the standalone program: a musician's client on JACK or on the system's own audio, without a plugin host.
//!
//! | module | what it does |
//! |---|---|
//! | `cli`, `settings`, `settings_file`, `config` | what the musician wants |
//! | `run`, `signals`, `stdin` | start, main loop, end |
//! | `session` | binds the client and the engine's controls to the settings |
//! | `report`, `screen` | what the musician is told |
//! | `window` | the program's own window, where there is a display |
//! | `rig`, `backends`, `handover`, `performer`, `sources` | audio |
//!
//! Threads: the main thread runs `run`, unless it has a window to run: then `program` does; the backend's audio thread runs `handover::Stage::process`; the client has
//! its own. What the audio thread works with crosses by `handover`; what it counts, by atomics.

mod backends;
mod cli;
mod config;
mod handover;
mod performer;
mod report;
mod rig;
mod run;
mod screen;
mod session;
mod settings;
mod settings_file;
mod signals;
mod sources;
mod stdin;
#[cfg(feature = "window")]
mod window;
#[cfg(not(feature = "window"))]
#[path = "no_window.rs"]
mod window;

use clap::Parser;
use std::io;
use std::process::ExitCode;

/// Runs the program as the command line says.
fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if cli.list_devices {
        screen::say(io::stdout(), &backends::list::devices());
        return ExitCode::SUCCESS;
    }
    ExitCode::from(run::run(cli) as u8)
}
