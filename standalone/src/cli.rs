//! The command line.

use super::settings::Settings;
use clap::Parser;
use std::path::PathBuf;

/// Play together over the network, in time: this is your end, the room server joins it to the others'.
#[derive(Parser, Debug)]
#[command(name = "rtjam", version, after_long_help = AFTER, after_help = "More about each option, and examples: rtjam --help")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,

    /// List the audio systems and devices that can be used here, and end.
    #[arg(long)]
    pub(crate) list_devices: bool,

    /// Record when the others' packets arrive, one file a musician, for `lab` to play again: sent_us,arrived_us.
    #[arg(long, value_name = "FILE")]
    pub(crate) record_trace: Option<PathBuf>,

    /// The folder of your settings and of the key by which rooms know you.
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
}

const AFTER: &str = r##"Examples:
  rtjam --join 'rtjam://jam.example.org/lobby#KEY'       play in that room
  rtjam --join 'rtjam://…' --source demo                 let a small band play, to try a room out
  rtjam --join classic://192.168.1.4:7891                play on an existing rtjam server: not private
  rtjam                                                  a window to paste the link into
  rtjam --join - --headless --status-json <link.txt      without a window, watched by a program
Put the link in quotes, so that the shell leaves it alone.

Settings: every option but --list-devices, --record-trace and --config is also a key of rtjam.toml in the settings
folder (Linux: ~/.config/rtjam), for example
  name = "Anna"
  playout = "auto"
  packet = 64
The command line wins over the file. On SIGHUP the file is read again, and what changed takes effect.

With a window, what you set there is kept for the next time, where rtjam.toml and the command line say nothing.

While it runs: Ctrl-C, or closing the window, leaves the room and ends. On a terminal, type "mute" or "unmute" and Enter.
If RTJam stopped sending because the sound went round in a loop, Enter alone (or SIGUSR1) sends again.

Exit code: 0 ended as asked, 1 failed, 2 wrong usage or a bad link, 3 the room refused you."##;

#[cfg(test)]
mod tests {
    use super::super::settings::{BackendChoice, Decibels, Monitor, Playout};
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_contracts_flags_are_taken() {
        Cli::command().debug_assert();
        let cli = parse(
            "rtjam --join - --name Anna --headless --backend dummy --jack-name A --no-connect --source demo \
             --format f32 --packet 64 --playout 20 --comfort safe --mix one --layout dual-mono --monitor -6 --room -3.5 --mute --list-devices \
             --input in --output out --status-json --record-trace t.csv",
        );
        let Cli { settings, list_devices, record_trace, .. } = cli.expect("all of them");
        assert_eq!(record_trace, Some(PathBuf::from("t.csv")));
        assert!(list_devices);
        assert_eq!(settings.join.as_deref(), Some("-"));
        assert_eq!(settings.backend, Some(BackendChoice::Dummy));
        assert_eq!(settings.playout, Some(Playout::Fixed(20.0)));
        assert_eq!(settings.comfort, Some(rtjam_engine::PlayoutBias::Safe));
        assert_eq!(settings.mix, "one".parse().ok());
        assert_eq!(settings.monitor, Some(Monitor::On(Decibels(-6.0))));
        assert_eq!(settings.room, Some(Decibels(-3.5)));
        assert_eq!((settings.headless, settings.no_connect, settings.mute), (Some(true), Some(true), Some(true)));
    }

    #[test]
    fn a_switch_in_the_file_can_be_undone_on_the_command_line() {
        assert_eq!(parse("rtjam --mute=false --headless").expect("good").settings.mute, Some(false));
        assert_eq!(parse("rtjam").expect("good").settings.mute, None);
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for line in [
            "rtjam --packet 8",
            "rtjam --colour",
            "rtjam link",
            "rtjam --playout soon",
            "rtjam --comfort much",
            "rtjam --mix two",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }
}
