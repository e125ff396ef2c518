//! The command line: a flag for each setting of the schema, three flags that are not settings, and the command `check`.

use super::check::CheckOptions;
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};
use rtjam_ui::settings::{GivenSettings, SETTINGS, Setting};
use std::path::PathBuf;

/// Play music together over the network, in real time. rtjam connects your instrument or microphone to a room; everyone
/// in the room hears everyone else.
#[derive(Parser, Debug)]
#[command(name = "rtjam", version, args_conflicts_with_subcommands = true, after_long_help = AFTER)]
#[command(after_help = "rtjam --help explains each option and shows examples.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<ProgramCommand>,

    #[command(flatten)]
    pub(crate) settings: SettingFlags,

    /// List the audio systems and devices of this computer, then exit.
    #[arg(long)]
    pub(crate) list_devices: bool,

    /// Record when packets are sent and when they arrive, one file per musician; `lab replay` replays it.
    #[arg(long, value_name = "FILE")]
    pub(crate) record_trace: Option<PathBuf>,

    /// Folder of your settings and of the key that identifies you to rooms.
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
}

/// What the program does instead of playing.
#[derive(Subcommand, Debug)]
pub(crate) enum ProgramCommand {
    /// Check what stands in the way of low delay on this computer, and say what to do
    Check(CheckOptions),
}

const AFTER: &str = r##"Examples:
  rtjam --join 'rtjam://jam.example.org/lobby#KEY'       play in this room
  rtjam --join 'rtjam://…' --source demo                 let a small band play, to try a room out
  rtjam --join classic://192.168.1.4:7891                play on an existing rtjam server; this is not private
  rtjam                                                  open a window to paste the link into
  rtjam --join - --headless --status-json <link.txt      run without a window, watched by another program
  rtjam check                                            check what stands in the way of low delay; takes 10 s
Put the link in quotes, so that the shell leaves it alone.

Settings: every option except --list-devices, --record-trace and --config is also a key of rtjam.toml in the config folder
(Linux: ~/.config/rtjam), for example
  name = "Anna"
  playout = "auto"
  packet = 64
The command line overrides the file. On SIGHUP, rtjam reads the file again and applies the changes.

The window remembers what you set in it. rtjam.toml and the command line override it.

While rtjam runs: Ctrl-C, or closing the window, leaves the room and exits. On a terminal, type "mute", "unmute" or "tone" (a
test tone in your own outputs) and press Enter. If RTJam has stopped sending because of an audio loop, Enter alone (or
SIGUSR1) resumes sending.

Exit code: 0 ended as requested, 1 failure, 2 wrong usage or an invalid link, 3 the room refused you. rtjam check
has codes of its own: see rtjam check --help."##;

/// The flags of the settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingFlags(pub(crate) GivenSettings);

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SettingFlags::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingFlags, clap::Error> {
        let mut flags = SettingFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            if let Some(text) = matches.get_one::<String>(setting.key) {
                // The flag's parser has checked the value.
                let invalid = |_| clap::Error::raw(ErrorKind::ValueValidation, format!("invalid --{}\n", setting.key));
                self.0.set(setting.key, text).map_err(invalid)?;
            }
        }
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let help = setting.full_help();
    let summary = help.split_once(". ").map_or(help.trim_end_matches('.'), |(summary, _)| summary).to_owned();
    let check = |text: &str| setting.check(text).map(|()| text.to_owned());
    let flag = Arg::new(setting.key).long(setting.key).value_name(setting.value_name).help(summary).long_help(help);
    let flag = flag.value_parser(ValueParser::new(check)).allow_hyphen_values(setting.is_signed);
    if setting.is_switch { flag.num_args(0..=1).require_equals(true).default_missing_value("true") } else { flag }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use rtjam_engine::{Playout, PlayoutBias};
    use rtjam_ui::messages::Language;
    use rtjam_ui::settings::{BackendChoice, Decibels, MonitorLevel};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn documented_flags_are_accepted() {
        Cli::command().debug_assert();
        let cli = parse(
            "rtjam --join - --name Anna --headless --backend dummy --jack-name A --no-connect --source demo \
             --format f32 --packet 64 --playout 20 --comfort safe --mix one --layout dual-mono --monitor -6 --room -3.5 --mute --list-devices \
             --language de --input in --output out --status-json --record-trace t.csv",
        );
        let Cli { settings: SettingFlags(settings), list_devices, record_trace, .. } = cli.expect("all of them");
        assert_eq!(record_trace, Some(PathBuf::from("t.csv")));
        assert!(list_devices);
        assert_eq!(settings.join.as_deref(), Some("-"));
        assert_eq!(settings.backend, Some(BackendChoice::Dummy));
        assert_eq!(settings.playout, Some(Playout::Fixed { ms: 20.0 }));
        assert_eq!(settings.comfort, Some(PlayoutBias::Safe));
        assert_eq!(settings.get("mix").as_deref(), Some("one"));
        assert_eq!(settings.language, Some(Some(Language::German)));
        assert_eq!(settings.monitor, Some(MonitorLevel::On(Decibels(-6.0))));
        assert_eq!(settings.room, Some(Decibels(-3.5)));
        assert_eq!((settings.headless, settings.no_connect, settings.mute), (Some(true), Some(true), Some(true)));
    }

    #[test]
    fn flags_undo_switches_of_file() {
        let mute = |line: &str| parse(line).expect("valid flags").settings.0.mute;
        assert_eq!(mute("rtjam --mute=false --headless"), Some(false));
        assert_eq!(mute("rtjam"), None);
    }

    #[test]
    fn wrong_usage_exits_with_2() {
        for line in [
            "rtjam --packet 8",
            "rtjam --colour",
            "rtjam link",
            "rtjam --playout soon",
            "rtjam --comfort much",
            "rtjam --mix two",
            "rtjam check --seconds 0",
            "rtjam --mute check",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn check_has_its_own_options() {
        let options = |line| match parse(line).expect("valid").command {
            Some(ProgramCommand::Check(options)) => options,
            None => panic!("no command"),
        };
        assert_eq!(options("rtjam check"), CheckOptions { seconds: 10, json: false });
        assert_eq!(options("rtjam check --seconds 1 --json"), CheckOptions { seconds: 1, json: true });
    }

    /// `-h` shows a line for each flag; `--help` explains it, with its default.
    #[test]
    fn help_comes_from_schema() {
        let mut command = Cli::command();
        let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
        for setting in SETTINGS {
            assert!(short.contains(&format!("--{}", setting.key)), "{}", setting.key);
            assert!(setting.default.is_empty() || long.contains(&format!("Default: {}.", setting.default)));
        }
    }
}
