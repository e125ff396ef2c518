//! What the command line asks for.

use std::path::PathBuf;

use crate::{jam, soak, test};

/// One thing to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Print(String),
    Setup,
    Bundle,
    Install,
    Jam(jam::Options),
    /// The named steps, or all when there is no name.
    Test(Vec<String>),
    Soak(String),
    /// With the programs of this folder, or after building them.
    Deb(Option<PathBuf>),
}

/// The sentence of an `Err` says what to type instead.
pub(crate) fn parse(arguments: &[String]) -> Result<Action, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Ok(Action::Print(HELP.to_owned()));
    };
    let wants_help = rest.iter().any(|a| a == "--help" || a == "-h");
    match command.as_str() {
        "help" | "--help" | "-h" => Ok(Action::Print(HELP.to_owned())),
        "setup" if wants_help => Ok(Action::Print(SETUP_HELP.to_owned())),
        "bundle" | "install" if wants_help => Ok(Action::Print(BUNDLE_HELP.to_owned())),
        "jam" if wants_help => Ok(Action::Print(JAM_HELP.to_owned())),
        "test" if wants_help => Ok(Action::Print(format!("{TEST_HELP}{}", test::list()))),
        "soak" if wants_help => Ok(Action::Print(format!("{SOAK_HELP}{}", soak::list()))),
        "deb" if wants_help => Ok(Action::Print(DEB_HELP.to_owned())),
        "deb" => parse_deb(rest).map(Action::Deb),
        "setup" => no_more(rest).map(|()| Action::Setup),
        "bundle" => no_more(rest).map(|()| Action::Bundle),
        "install" => no_more(rest).map(|()| Action::Install),
        "jam" => parse_jam(rest).map(Action::Jam),
        "test" => parse_test(rest),
        "soak" => parse_soak(rest),
        other => Err(format!("there is no command `{other}`. `cargo xtask --help` lists them.")),
    }
}

fn parse_jam(arguments: &[String]) -> Result<jam::Options, String> {
    let mut options = jam::Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (flag, attached) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            attached.clone().or_else(|| rest.next().cloned()).ok_or_else(|| format!("`{flag}` needs a value after it."))
        };
        match flag {
            "--seconds" => options.seconds = Some(seconds(&value()?)?),
            "--bin" => options.bin = Some(PathBuf::from(value()?)),
            "--scratch" if attached.is_none() => options.scratch = true,
            _ => return Err(format!("`jam` knows no `{argument}`. `cargo xtask jam --help` lists what it knows.")),
        }
    }
    Ok(options)
}

fn seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(seconds) if seconds >= jam::LEAST_SECONDS => Ok(seconds),
        _ => Err(format!(
            "`--seconds {text}`: give a whole number of at least {}, for the first {} s do not count.",
            jam::LEAST_SECONDS,
            jam::SETTLE.as_secs()
        )),
    }
}

fn parse_test(arguments: &[String]) -> Result<Action, String> {
    if arguments.iter().any(|a| a == "--list") {
        return Ok(Action::Print(test::list()));
    }
    for name in arguments {
        if !test::is_step(name) {
            return Err(format!("there is no step `{name}`. `cargo xtask test --list` lists them."));
        }
    }
    Ok(Action::Test(arguments.to_vec()))
}

fn parse_soak(arguments: &[String]) -> Result<Action, String> {
    match arguments {
        [] => Ok(Action::Print(soak::list())),
        [name] if name == "list" || name == "--list" => Ok(Action::Print(soak::list())),
        [name] if soak::is_known(name) => Ok(Action::Soak(name.clone())),
        [name] => Err(format!("there is no soak `{name}`. `cargo xtask soak list` lists them.")),
        [_, more, ..] => Err(one_too_many(more)),
    }
}

fn parse_deb(arguments: &[String]) -> Result<Option<PathBuf>, String> {
    match arguments {
        [] => Ok(None),
        [flag, folder] if flag == "--bin" => Ok(Some(PathBuf::from(folder))),
        [flag] if flag == "--bin" => Err("`--bin` needs a folder after it.".to_owned()),
        [other, ..] => Err(one_too_many(other)),
    }
}

fn no_more(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(one_too_many(argument)),
    }
}

fn one_too_many(argument: &str) -> String {
    format!("`{argument}` is one argument too many. `cargo xtask --help` shows the use.")
}

const HELP: &str = "\
The commands of the RTJam workspace. Each installs what it needs before it starts.

Usage: cargo xtask COMMAND

  jam [--seconds N]   a room and two musicians on this machine, with sound
  bundle              the plugin: RTJam.clap and RTJam.vst3 in cargo's target/bundled
  install             the same, put into your plugin folders
  test [STEP...]      everything that must hold; `--list` names the steps
  soak NAME           what takes longer; `list` names them
  deb                 the room server as a Debian package
  setup               only the set-up of the others

`cargo xtask COMMAND --help` says more.
";

const BUNDLE_HELP: &str = "\
Builds the plugin in release, and makes RTJam.clap and RTJam.vst3 in the folder `bundled` of cargo's target
folder, and beside them the program `rtjam`. On Linux their debug symbols lie apart, in `bundled/debug`: copy NAME.debug
beside NAME for a debugger. `install` puts them into your plugin folders, too: ~/.clap and ~/.vst3 on Linux.

Usage: cargo xtask bundle
       cargo xtask install
";

const JAM_HELP: &str = "\
A room server on this machine, you in its room (JACK where a server runs, else the first audio device,
else a clock without a device) and a second musician who plays a demo. Ctrl-C ends all of it.

Usage: cargo xtask jam [--seconds N] [--scratch] [--bin DIR]

  --seconds N   end by itself N seconds after both have joined
  --scratch     leave your own settings and identity alone (the default where CI=true)
  --bin DIR     use the programs of this folder instead of building them

Exit code 0: from 3 s after both joined, lost + late + concealed were at most 1 % each way, and the demo
arrived louder than -40 dBFS. Otherwise 1, and a sentence says which figure failed.
";

const TEST_HELP: &str = "\
Usage: cargo xtask test [--list] [STEP...]

Without a name, every step in this order. All run, also after one failed; the table at the end names it.

";

const SOAK_HELP: &str = "\
Usage: cargo xtask soak NAME

";

const DEB_HELP: &str = "\
Makes the room server's Debian package, looks whether all is in it, lets systemd judge its unit where there is
systemd, and prints the package's path.

Usage: cargo xtask deb [--bin DIR]

  --bin DIR   pack the program of this folder instead of building it
";

const SETUP_HELP: &str = "\
Installs what `jam`, `test` and `soak` need: system packages on Debian, Ubuntu and Raspberry Pi OS (as
root, or by sudo), cargo-deny and cargo-fuzz everywhere, and pedalboard (by pip, into cargo's target folder)
for a test of the plugin. On other systems it says what to install.

Usage: cargo xtask setup
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Action, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    #[test]
    fn jam_takes_its_seconds_both_ways() {
        let expected = Ok(Action::Jam(jam::Options { seconds: Some(15), ..Default::default() }));
        assert_eq!(parsed("jam --seconds 15"), expected);
        assert_eq!(parsed("jam --seconds=15"), expected);
        assert_eq!(parsed("jam"), Ok(Action::Jam(jam::Options::default())));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("jam --second 15", "--second"),
            ("jam --seconds", "--seconds"),
            ("jam --seconds 1", "at least 5"),
            ("test clipy", "clipy"),
            ("soak nothing", "nothing"),
            ("setup now", "now"),
            ("bundle twice", "twice"),
            ("soak fuzz twice", "twice"),
            ("deb --bin", "folder"),
            ("deb here", "here"),
            ("jamm", "jamm"),
        ] {
            let sentence = parsed(line).expect_err(line);
            assert!(sentence.contains(named), "{line}: {sentence}");
        }
    }

    #[test]
    fn help_and_lists_are_printed_not_run() {
        for line in [
            "",
            "--help",
            "jam --help",
            "test --help",
            "test --list",
            "soak",
            "soak list",
            "setup -h",
            "install --help",
            "deb --help",
        ] {
            assert!(matches!(parsed(line), Ok(Action::Print(text)) if text.len() > 40), "{line}");
        }
    }
}
