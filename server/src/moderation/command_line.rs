//! What the commands take, and what they print.

use super::Shown;
use crate::{Failure, data_dir};
use clap::Args;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::SeatRole;
use rtjam_protocol::server::rooms::{Ban, MemberSelector, SeatedMember, identity_text};
use std::io::Write as _;
use std::path::PathBuf;

const WHO: &str = "\
WHO is one of
  a slot          3                the number that `rtjam-server list` shows
  a name          \"Ann 2\"          as others see it
  an identity     F0VTtFbd…        43 characters; put -- before one that begins with -
  an address      203.0.113.7      or an IPv6 network of 64 bits, 2001:db8:1:2::/64

Run it on the server's machine, as the user that the server runs as, with the same --data.";

// Paragraphs are one line each: they are wrapped to the terminal's width.
const KICK: &str = "\
Whoever is kicked is told so and may join again by the same link. To keep somebody out, use `rtjam-server ban`; to make a \
link worthless, `rtjam-server invite ROOM --renew`.";

const BAN: &str = "\
A slot or a name bans that musician's identity and their address; the address not where it is loopback or in a network of \
--exempt-network, for others share it. An identity or an address bans that alone, also while no server runs. A musician \
can make a new identity and change the address: where that matters, renew the link as well (`invite ROOM --renew`).";

#[derive(Debug, Args)]
struct Data {
    /// The server's data folder [default: $STATE_DIRECTORY, else the user's data folder]
    #[arg(long = "data", value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Data {
    fn path(self) -> Result<PathBuf, Failure> {
        self.dir.map_or_else(data_dir::default_path, Ok)
    }
}

/// `rtjam-server list`.
#[derive(Debug, Args)]
#[command(
    after_help = "A line for each musician and listener: room, slot, role, name, address and identity, with tabs between."
)]
pub struct List {
    /// The room [default: all rooms]
    #[arg(value_parser = parse_room)]
    room: Option<RoomName>,
    #[command(flatten)]
    data: Data,
}

/// `rtjam-server kick`.
#[derive(Debug, Args)]
#[command(after_help = format!("{WHO}\n\n{KICK}"))]
pub struct Kick {
    /// The room
    #[arg(value_parser = parse_room)]
    room: RoomName,
    /// Who is meant, see below
    who: MemberSelector,
    #[command(flatten)]
    data: Data,
}

/// `rtjam-server ban`.
#[derive(Debug, Args)]
#[command(after_help = format!("{WHO}\n\n{BAN}"))]
pub struct BanWho {
    /// The room
    #[arg(value_parser = parse_room)]
    room: RoomName,
    /// Who is meant, see below
    who: MemberSelector,
    #[command(flatten)]
    data: Data,
}

/// `rtjam-server bans`.
#[derive(Debug, Args)]
#[command(after_help = "A line for each ban: its number, the room, and whom it keeps out, with tabs between.")]
pub struct Bans {
    /// The room [default: all rooms]
    #[arg(value_parser = parse_room)]
    room: Option<RoomName>,
    #[command(flatten)]
    data: Data,
}

/// `rtjam-server unban`.
#[derive(Debug, Args)]
#[command(
    after_help = "Give the ban's number as `rtjam-server bans` shows it, or the identity, the address or the name."
)]
pub struct Unban {
    /// The room
    #[arg(value_parser = parse_room)]
    room: RoomName,
    /// Which ban: its number, or whom it keeps out
    who: MemberSelector,
    #[command(flatten)]
    data: Data,
}

impl List {
    /// Prints who is there.
    ///
    /// # Errors
    /// See [`super::list`].
    pub fn run(self) -> Result<(), Failure> {
        let seated = super::list(&self.data.path()?, self.room)?;
        let lines = seated.iter().map(|one| format!("{}\t{}", one.room, line(one)));
        print(lines, "Nobody is there.")
    }
}

impl Kick {
    /// Ends sessions, and prints whose.
    ///
    /// # Errors
    /// See [`super::kick`].
    pub fn run(self) -> Result<(), Failure> {
        let kicked = super::kick(&self.data.path()?, self.room.clone(), self.who)?;
        print(kicked.iter().map(|one| format!("Kicked from {}: {}", self.room, line(one))), "")
    }
}

impl BanWho {
    /// Bans, and prints whom.
    ///
    /// # Errors
    /// See [`super::ban`].
    pub fn run(self) -> Result<(), Failure> {
        let ban = super::ban(&self.data.path()?, self.room.clone(), self.who)?;
        let note = if matches!(ban, Ban { address: None, .. }) { " (no address)" } else { "" };
        print([format!("Banned from {}: {}{note}", self.room, Shown(&ban))], "")
    }
}

impl Bans {
    /// Prints the bans.
    ///
    /// # Errors
    /// See [`super::bans`].
    pub fn run(self) -> Result<(), Failure> {
        let bans = super::bans(&self.data.path()?, self.room.as_ref())?;
        print(bans.iter().map(|b| format!("{}\t{}\t{}", b.id, b.room, Shown(&b.ban))), "Nobody is banned.")
    }
}

impl Unban {
    /// Lifts bans, and prints which.
    ///
    /// # Errors
    /// See [`super::unban`].
    pub fn run(self) -> Result<(), Failure> {
        let lifted = super::unban(&self.data.path()?, &self.room, &self.who)?;
        print(lifted.iter().map(|b| format!("No longer banned from {}: {}", b.room, Shown(&b.ban))), "")
    }
}

fn parse_room(text: &str) -> Result<RoomName, String> {
    RoomName::new(text).map_err(|e| e.to_string())
}

/// Slot, role, name, address, identity.
fn line(one: &SeatedMember) -> String {
    let role = match (one.seat, one.classic) {
        (_, true) => "classic",
        (SeatRole::Musician, _) => "musician",
        (SeatRole::Listener | SeatRole::None, _) => "listener",
    };
    let address = one.address.map_or_else(|| "-".to_owned(), |a| a.to_string());
    format!("{}\t{role}\t{}\t{address}\t{}", one.source.0, one.name, identity_text(&one.musician))
}

/// The lines on stdout; where there are none, `nothing` on stderr.
fn print(lines: impl IntoIterator<Item = String>, nothing: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut any = false;
    for line in lines {
        any = true;
        writeln!(out, "{line}").map_err(|e| Failure::new(format!("The answer could not be written: {e}.")))?;
    }
    if !any {
        eprintln!("{nothing}");
    }
    Ok(())
}
