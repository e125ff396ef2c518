//! `cargo xtask …`: the commands of the RTJam workspace. Each command installs what it needs.

mod bundle;
mod cli;
mod command;
mod cross;
#[cfg(unix)]
mod deb;
mod debug_symbols;
mod dist;
mod jam;
mod pool;
mod requirements;
mod setup;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use cli::Action;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let action = match cli::parse(&arguments) {
        Ok(action) => action,
        Err(wrong) => {
            eprintln!("xtask: {wrong}");
            return ExitCode::from(2);
        }
    };
    match run(action) {
        Ok(code) => code,
        Err(sentence) => {
            eprintln!("xtask: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<ExitCode, String> {
    let stop = command::Stop::register().map_err(|e| format!("cannot listen for signals: {e}"))?;
    let workspace = workspace::Workspace::find();
    match action {
        Action::Print(text) => {
            print!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        Action::Setup => setup::everything(&workspace, &stop).map(|()| ExitCode::SUCCESS),
        Action::Bundle => bundle::run(&workspace, &stop),
        Action::Install => bundle::install(&workspace, &stop),
        Action::Jam(options) => jam::run(&workspace, &stop, &options),
        Action::Test(names) => test::run(&workspace, &stop, &names),
        #[cfg(unix)]
        Action::Deb(bin) => deb::run(&workspace, &stop, bin),
        #[cfg(not(unix))]
        Action::Deb(_) => Err("Debian packages can only be built on Debian or Ubuntu.".to_owned()),
        Action::Cross(options) => cross::run(&workspace, &stop, &options),
        Action::Dist => dist::run(&workspace, &stop),
        Action::Soak(name) => soak::run(&workspace, &stop, &name),
    }
}
