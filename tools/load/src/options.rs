//! The command line.

use clap::{Parser, ValueEnum};
use std::fmt;
use std::time::Duration;

/// Loads a room server with musicians, and counts what becomes of their packets.
///
/// The last line of output is one JSON object. If delays or processor time matter, pin server and load to different cores
/// (taskset).
#[derive(Clone, Debug, Parser)]
#[command(name = "load")]
pub struct LoadOptions {
    /// An invite link for musicians; can be given once for each room
    #[arg(long, value_name = "LINK", required_unless_present = "classic")]
    pub join: Vec<String>,
    /// Send legacy packets to this server instead: an rtjam-server with --classic, or a legacy server
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "join")]
    pub classic: Option<String>,
    /// The number of musicians
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub musicians: u16,
    /// The number of rooms that they are distributed to; rooms without a link need --pid, to make links
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub rooms: u16,
    /// The length of a packet in frames at 48 kHz
    #[arg(long, value_name = "FRAMES", default_value_t = 128, value_parser = clap::value_parser!(u16).range(16..=256))]
    pub packet: u16,
    /// How long to play, in seconds
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
    /// Whether the musicians' packets arrive evenly spread or all at once
    #[arg(long, value_enum, default_value_t = ArrivalPattern::Spread)]
    pub arrivals: ArrivalPattern,
    /// What the musicians receive: everyone separately, or one mix, whose packets then count as forwarded
    #[arg(long, value_enum, default_value_t = MixMode::Separate, conflicts_with = "classic")]
    pub mix: MixMode,
    /// Garbage datagrams a second to send to the same port while the musicians play
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub garbage: u32,
    /// The process id of the server, to measure its processor time
    #[arg(long, value_name = "SERVER")]
    pub pid: Option<u32>,
    /// Print only the JSON object
    #[arg(long)]
    pub json: bool,
}

/// When the musicians' packets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArrivalPattern {
    /// Evenly spread over the duration of a packet.
    Spread,
    /// All at the same moment.
    Aligned,
}

/// What musicians receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MixMode {
    /// The packets of everyone else.
    Separate,
    /// One mix of everyone else.
    One,
}

impl LoadOptions {
    /// The duration of a packet, in ns.
    pub fn packet_ns(&self) -> u64 {
        u64::from(self.packet) * 1_000_000_000 / u64::from(rtjam_protocol::audio::WIRE_RATE)
    }
}

#[derive(Debug)]
struct BadSeconds(String);

fn seconds(text: &str) -> Result<Duration, BadSeconds> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| BadSeconds(text.to_owned()))
}

impl fmt::Display for BadSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a number of seconds from 0.1 to 86400", self.0)
    }
}

impl std::error::Error for BadSeconds {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_flags_are_accepted() {
        let line = "load --join L --musicians 200 --rooms 20 --packet 64 --seconds 5 --arrivals aligned --pid 1 --garbage 9 --json";
        let options = LoadOptions::try_parse_from(line.split(' ')).expect("all flags");
        assert_eq!((options.musicians, options.rooms, options.arrivals), (200, 20, ArrivalPattern::Aligned));
        assert_eq!(options.packet_ns(), 1_333_333);
        let options = LoadOptions::try_parse_from("load --classic h:7891 --musicians 2".split(' ')).expect("no link");
        assert_eq!(options.classic.as_deref(), Some("h:7891"));
        for wrong in [
            "load --musicians 2",
            "load --join L --classic h:1 --musicians 2",
            "load --join L",
            "load --join L --musicians 2 --packet 512",
        ] {
            assert!(LoadOptions::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }
}
