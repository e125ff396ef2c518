//! `rtjam`, the standalone program: a musician's client on JACK or on the system's own audio, without a plugin host.
//!
//! | module | what it does |
//! |---|---|
//! | `cli`, `settings_file`, `config` | read the settings: flags, `rtjam.toml`, and what they amount to |
//! | `program` | start, main loop, end |
//! | `signals`, `terminal`, `status_text` | signals, typed commands, and what the terminal shows |
//! | `session` | applies the settings to the client and to the engine's controls |
//! | `platform` | what differs between operating systems |
//! | `window` | the program's own window; `no_window.rs` replaces it in builds without the feature `window` |
//! | `check` | `rtjam check` |
//! | `audio_supervisor`, `backends`, `handover`, `audio_processor`, `sources`, `test_tone` | audio |
//!
//! Threads: the main thread runs `program`. With a window, the main thread runs the window, as some systems require, and
//! `program` has a thread of its own. The backend's audio thread runs `handover::AudioThreadEnd::process`. The client has its
//! own threads. The engine and the source reach the audio thread through `handover`; counters are atomics.

mod audio_processor;
mod audio_supervisor;
mod backends;
mod check;
mod cli;
mod config;
mod handover;
mod platform;
mod program;
mod session;
mod settings_file;
mod signals;
mod sources;
mod status_text;
mod terminal;
mod test_tone;
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
    if let Some(cli::ProgramCommand::Check(options)) = cli.command {
        return check::run(&options);
    }
    if cli.list_devices {
        terminal::print(io::stdout(), &backends::list::devices());
        return ExitCode::SUCCESS;
    }
    ExitCode::from(program::run(cli) as u8)
}
