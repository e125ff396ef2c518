//! What is asked for.

use clap::{Parser, ValueEnum};
use std::time::Duration;

/// Loads a room server with real musicians, and says what became of each packet.
///
/// The last line of output is one JSON object. Pin server and load to different cores (taskset) where delays or
/// processor time matter.
#[derive(Clone, Debug, Parser)]
#[command(name = "load")]
pub struct Options {
    /// An invite link for musicians; may be given once for each room
    #[arg(long, value_name = "LINK", required_unless_present = "classic")]
    pub join: Vec<String>,
    /// Speak the classic packet to this server instead, one of ours with --classic or an existing one
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "join")]
    pub classic: Option<String>,
    /// Musicians in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub musicians: u16,
    /// Rooms that they are dealt out to; more than there are links need --pid, to ask that server for invitations
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub rooms: u16,
    /// Frames of a packet, at 48 kHz
    #[arg(long, value_name = "FRAMES", default_value_t = 128, value_parser = clap::value_parser!(u16).range(16..=256))]
    pub packet: u16,
    /// How long to play
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
    /// Whether the musicians' packets come one after the other or all at once
    #[arg(long, value_enum, default_value_t = Arrivals::Spread)]
    pub arrivals: Arrivals,
    /// What the musicians hear: each of the others, or one mix, whose packets are counted as forwards then
    #[arg(long, value_enum, default_value_t = Mix::Separate, conflicts_with = "classic")]
    pub mix: Mix,
    /// Garbage datagrams a second that are thrown at the same port while the musicians play
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub garbage: u32,
    /// The server's process, whose processor time is counted
    #[arg(long, value_name = "SERVER")]
    pub pid: Option<u32>,
    /// Print the JSON object alone
    #[arg(long)]
    pub json: bool,
}

/// When the musicians' packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    /// Evenly over the time of a packet.
    Spread,
    /// All at the same moment.
    Aligned,
}

/// What musicians hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Everyone's packets.
    Separate,
    /// One mix of them.
    One,
}

impl Options {
    /// The time that a packet lasts, in ns.
    pub fn packet_ns(&self) -> u64 {
        u64::from(self.packet) * 1_000_000_000 / u64::from(rtjam_protocol::audio::WIRE_RATE)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("{text} is not from 0.1 to 86400 seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_kept() {
        let line = "load --join L --musicians 200 --rooms 20 --packet 64 --seconds 5 --arrivals aligned --pid 1 --garbage 9 --json";
        let options = Options::try_parse_from(line.split(' ')).expect("all flags");
        assert_eq!((options.musicians, options.rooms, options.arrivals), (200, 20, Arrivals::Aligned));
        assert_eq!(options.packet_ns(), 1_333_333);
        let options = Options::try_parse_from("load --classic h:7891 --musicians 2".split(' ')).expect("no link");
        assert_eq!(options.classic.as_deref(), Some("h:7891"));
        for wrong in [
            "load --musicians 2",
            "load --join L --classic h:1 --musicians 2",
            "load --join L",
            "load --join L --musicians 2 --packet 512",
        ] {
            assert!(Options::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }
}
