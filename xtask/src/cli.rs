//! The command line.

use std::path::PathBuf;

use crate::{cross, jam, soak, test};

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Print(String),
    Setup,
    Bundle,
    Install,
    Jam(jam::Options),
    /// The named steps, or all if there are none.
    Test(Vec<String>),
    Soak(String),
    /// With the programs of this folder, or after building them.
    Deb(Option<PathBuf>),
    Cross(cross::Options),
    Dist,
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
        "cross" if wants_help => Ok(Action::Print(CROSS_HELP.replace("@TARGETS@", &cross::list()))),
        "dist" if wants_help => Ok(Action::Print(DIST_HELP.to_owned())),
        "deb" if wants_help => Ok(Action::Print(DEB_HELP.to_owned())),
        "deb" => parse_deb(rest).map(Action::Deb),
        "cross" => parse_cross(rest).map(Action::Cross),
        "dist" => no_more(rest).map(|()| Action::Dist),
        "setup" => no_more(rest).map(|()| Action::Setup),
        "bundle" => no_more(rest).map(|()| Action::Bundle),
        "install" => no_more(rest).map(|()| Action::Install),
        "jam" => parse_jam(rest).map(Action::Jam),
        "test" => parse_test(rest),
        "soak" => parse_soak(rest),
        other => Err(format!("there is no command `{other}`. `cargo xtask --help` lists the commands.")),
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
            _ => return Err(format!("`jam` has no option `{argument}`. `cargo xtask jam --help` lists its options.")),
        }
    }
    Ok(options)
}

fn seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(seconds) if seconds >= jam::LEAST_SECONDS => Ok(seconds),
        _ => Err(format!(
            "`--seconds {text}`: give a whole number of at least {}, because the first {} s do not count.",
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
            return Err(format!("there is no step `{name}`. `cargo xtask test --list` lists the steps."));
        }
    }
    Ok(Action::Test(arguments.to_vec()))
}

fn parse_soak(arguments: &[String]) -> Result<Action, String> {
    match arguments {
        [] => Ok(Action::Print(soak::list())),
        [name] if name == "list" || name == "--list" => Ok(Action::Print(soak::list())),
        [name] if soak::is_known(name) => Ok(Action::Soak(name.clone())),
        [name] => Err(format!("there is no soak test `{name}`. `cargo xtask soak list` lists the soak tests.")),
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

fn parse_cross(arguments: &[String]) -> Result<cross::Options, String> {
    let mut options = cross::Options { targets: Vec::new(), profile: "release".to_owned(), runs: true };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--profile" => options.profile.clone_from(rest.next().ok_or("`--profile` needs a name after it.")?),
            "--no-run" => options.runs = false,
            "all" => options.targets = cross::all(),
            name if cross::is_target(name) => options.targets.push(name.to_owned()),
            other => {
                return Err(format!("there is no target or option `{other}`. `cargo xtask cross --help` lists them."));
            }
        }
    }
    if options.targets.is_empty() {
        return Err(format!("name a target, or `all`:\n{}", cross::list()));
    }
    Ok(options)
}

fn no_more(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(one_too_many(argument)),
    }
}

fn one_too_many(argument: &str) -> String {
    format!("there is no argument `{argument}` here. `cargo xtask --help` shows the usage.")
}

const HELP: &str = "\
The commands of the RTJam workspace. Each installs what it needs before it starts.

Usage: cargo xtask COMMAND

  jam [--seconds N]   run a room and two musicians on this machine, with sound
  bundle              build the plugin: RTJam.clap and RTJam.vst3 in cargo's target/bundled
  install             build the plugin and copy it into your plugin folders
  test [STEP...]      run all checks; `--list` lists the steps
  soak NAME           run a longer test; `list` lists them
  deb                 build the Debian packages
  cross TARGET...     build for Windows, Linux and arm64 on Debian, and check macOS; `--help` lists the targets
  dist                make the archives of a release of what `cross` built
  setup               install what all commands need

`cargo xtask COMMAND --help` prints details.
";

const BUNDLE_HELP: &str = "\
Builds the plugin in release, and makes RTJam.clap and RTJam.vst3 in the folder `bundled` of cargo's target folder,
with the program `rtjam` beside them. On Linux their debug symbols are in `bundled/debug`: copy NAME.debug beside NAME
for a debugger. `install` also copies the bundles into your plugin folders: ~/.clap and ~/.vst3 on Linux.

Usage: cargo xtask bundle
       cargo xtask install
";

const JAM_HELP: &str = "\
Runs a room server on this machine, you in its room (on JACK if a server runs, otherwise on the first audio device,
otherwise without a device) and a second musician who plays a demo. Ctrl-C ends all of them.

Usage: cargo xtask jam [--seconds N] [--scratch] [--bin DIR]

  --seconds N   end N seconds after both have joined
  --scratch     do not use your own settings and identity (the default if CI=true)
  --bin DIR     use the programs in this folder instead of building them

Exit code 0: from 3 s after both joined, lost, late and concealed audio was at most 1 % in each direction, and the
demo arrived louder than -40 dBFS. Exit code 1: a message says which figure failed.
";

const TEST_HELP: &str = "\
Usage: cargo xtask test [--list] [STEP...]

Without a name, runs all steps in this order. A failed step does not stop the others; the table at the end names it.

";

const SOAK_HELP: &str = "\
Usage: cargo xtask soak NAME

";

const DEB_HELP: &str = "\
Builds the Debian packages rtjam-server, rtjam and rtjam-plugin, each with one of its debug symbols, checks that they are
complete, checks the server's unit if systemd is installed, and prints the paths of the packages.

Usage: cargo xtask deb [--bin DIR]

  --bin DIR   package the programs in this folder instead of building them
";

const CROSS_HELP: &str = "\
Builds the programs and the plugin for other systems on Debian 12 or later, packages them in `dist/SYSTEM` of cargo's target
folder, checks that they need nothing that a fresh system lacks, and lets a packaged server and two packaged clients play
together. Installs what it needs: compilers by apt, zig by pip into cargo's target folder, and Rust's standard library by
rustup or, where rustup does not have it, from its sources.

Usage: cargo xtask cross [--profile NAME] [--no-run] TARGET...

  all          all of these:
@TARGETS@
  --profile NAME   build with this profile of Cargo.toml instead of `release`
  --no-run         only build and package

`cargo xtask dist` makes archives of the packages. Linux programs run with glibc 2.31 or newer (Debian 11, Ubuntu 20.04).
";

const DIST_HELP: &str = "\
Makes the archives of a release in `dist/release` of cargo's target folder, from what `cargo xtask cross` has put into
`dist`: an archive and an archive of debug symbols per system, an installer for Windows, the Debian packages, a list of all
dependencies (CycloneDX) with their licences, and SHA256SUMS. Each program is checked once more.

Usage: cargo xtask cross all && cargo xtask dist
";

const SETUP_HELP: &str = "\
Installs what `jam`, `test` and `soak` need: system packages on Debian, Ubuntu and Raspberry Pi OS (as root, or by
sudo), cargo-deny and cargo-fuzz everywhere, and pedalboard (by pip, into cargo's target folder) for a test of the
plugin. On other systems it prints what to install.

Usage: cargo xtask setup
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Action, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    /// `--seconds` takes its value after a space or `=`.
    #[test]
    fn jam_parses_its_options() {
        let expected = Ok(Action::Jam(jam::Options { seconds: Some(15), ..Default::default() }));
        assert_eq!(parsed("jam --seconds 15"), expected);
        assert_eq!(parsed("jam --seconds=15"), expected);
        assert_eq!(parsed("jam"), Ok(Action::Jam(jam::Options::default())));
    }

    /// Targets are named in any order, `all` is all of them, and a release is built and run unless options say otherwise.
    #[test]
    fn cross_parses_its_targets() {
        let parsed = |line| match parsed(line) {
            Ok(Action::Cross(options)) => options,
            other => panic!("{line}: {other:?}"),
        };
        let two = parsed("cross arm64 --profile jam --no-run windows");
        assert_eq!(
            (two.targets, two.profile.as_str(), two.runs),
            (vec!["arm64".into(), "windows".into()], "jam", false)
        );
        let all = parsed("cross all");
        assert_eq!((all.targets, all.profile.as_str(), all.runs), (cross::all(), "release", true));
    }

    /// An error names the argument that is not understood.
    #[test]
    fn unknown_arguments_are_named() {
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
            ("cross", "windows"),
            ("cross windows atari", "atari"),
            ("cross arm64 --profile", "name"),
            ("dist now", "now"),
            ("jamm", "jamm"),
        ] {
            let sentence = parsed(line).expect_err(line);
            assert!(sentence.contains(named), "{line}: {sentence}");
        }
    }

    /// Help and lists run no command.
    #[test]
    fn help_and_lists_are_printed() {
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
            "cross --help",
            "dist --help",
        ] {
            assert!(matches!(parsed(line), Ok(Action::Print(text)) if text.len() > 40), "{line}");
        }
    }
}
