//! The arguments and the output of the commands.

use super::{BanDescription, ban, bans, kick, list, unban};
use crate::config::DataDirArg;
use crate::failure::Failure;
use clap::Args;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::MemberAccess;
use rtjam_protocol::control::SeatRole;
use rtjam_protocol::server::rooms::{Ban, MemberSelector, SeatedMember, identity_text};
use std::io::Write as _;

const WHO: &str = "\
WHO is one of
  a slot          3                the number that `rtjam-server list` shows
  a name          \"Ann 2\"          as others see it
  an identity     F0VTtFbd…        43 characters; put -- before one that begins with -
  an address      203.0.113.7      or an IPv6 /64 network, 2001:db8:1:2::/64

Run this on the server's machine, as the server's user, with the same --data.";

// Each paragraph is one line: clap wraps it to the terminal's width.
const KICK: &str = "\
Musicians who are kicked are told so, and can join again with the same link. To keep somebody out, use `rtjam-server ban`. \
To make the link useless, use `rtjam-server invite ROOM --renew`.";

const BAN: &str = "\
A slot or a name bans that musician's identity and address, but not an address that others share: loopback, or one in a \
network of --exempt-network. An identity or an address bans only that, even while no server runs. A musician can make a new \
identity and change the address; if that matters, renew the link as well (`rtjam-server invite ROOM --renew`).";

/// `rtjam-server list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints one line for each musician and listener: room, slot, role, name, address and identity, separated by tabs."
)]
pub struct List {
    /// The room [default: all rooms]
    #[arg(value_parser = RoomName::new)]
    room: Option<RoomName>,
    #[command(flatten)]
    data: DataDirArg,
}

/// `rtjam-server kick`.
#[derive(Debug, Args)]
#[command(after_help = format!("{WHO}\n\n{KICK}"))]
pub struct Kick {
    /// The room
    #[arg(value_parser = RoomName::new)]
    room: RoomName,
    /// The musician, see below
    who: MemberSelector,
    #[command(flatten)]
    data: DataDirArg,
}

/// `rtjam-server ban`.
#[derive(Debug, Args)]
#[command(after_help = format!("{WHO}\n\n{BAN}"))]
pub struct BanWho {
    /// The room
    #[arg(value_parser = RoomName::new)]
    room: RoomName,
    /// The musician, see below
    who: MemberSelector,
    #[command(flatten)]
    data: DataDirArg,
}

/// `rtjam-server bans`.
#[derive(Debug, Args)]
#[command(after_help = "Prints one line for each ban: its number, the room, and whom it keeps out, separated by tabs.")]
pub struct Bans {
    /// The room [default: all rooms]
    #[arg(value_parser = RoomName::new)]
    room: Option<RoomName>,
    #[command(flatten)]
    data: DataDirArg,
}

/// `rtjam-server unban`.
#[derive(Debug, Args)]
#[command(
    after_help = "Give the ban's number as `rtjam-server bans` shows it, or the identity, the address or the name."
)]
pub struct Unban {
    /// The room
    #[arg(value_parser = RoomName::new)]
    room: RoomName,
    /// The ban: its number, or whom it keeps out
    who: MemberSelector,
    #[command(flatten)]
    data: DataDirArg,
}

impl List {
    /// Prints who is in the rooms.
    ///
    /// # Errors
    /// See [`list`].
    pub fn run(self) -> Result<(), Failure> {
        let seated = list(&self.data.path()?, self.room)?;
        let lines = seated.iter().map(|one| format!("{}\t{}", one.room, line(one)));
        print(lines, "Nobody is in a room.")
    }
}

impl Kick {
    /// Ends sessions, and prints whose they were.
    ///
    /// # Errors
    /// See [`kick`].
    pub fn run(self) -> Result<(), Failure> {
        let kicked = kick(&self.data.path()?, self.room.clone(), self.who)?;
        print(kicked.iter().map(|one| format!("Kicked from {}: {}", self.room, line(one))), "")
    }
}

impl BanWho {
    /// Bans musicians, and prints whom.
    ///
    /// # Errors
    /// See [`ban`].
    pub fn run(self) -> Result<(), Failure> {
        let ban = ban(&self.data.path()?, self.room.clone(), self.who)?;
        let note = if matches!(ban, Ban { address: None, .. }) { " (no address)" } else { "" };
        print([format!("Banned from {}: {}{note}", self.room, BanDescription(&ban))], "")
    }
}

impl Bans {
    /// Prints the bans.
    ///
    /// # Errors
    /// See [`bans`].
    pub fn run(self) -> Result<(), Failure> {
        let bans = bans(&self.data.path()?, self.room.as_ref())?;
        print(bans.iter().map(|b| format!("{}\t{}\t{}", b.id, b.room, BanDescription(&b.ban))), "Nobody is banned.")
    }
}

impl Unban {
    /// Lifts bans, and prints them.
    ///
    /// # Errors
    /// See [`unban`].
    pub fn run(self) -> Result<(), Failure> {
        let lifted = unban(&self.data.path()?, &self.room, &self.who)?;
        print(lifted.iter().map(|b| format!("No longer banned from {}: {}", b.room, BanDescription(&b.ban))), "")
    }
}

/// Renders slot, role, name, address and identity.
fn line(one: &SeatedMember) -> String {
    let role = match (one.seat, one.via) {
        (_, MemberAccess::Legacy) => "classic",
        (SeatRole::Musician, _) => "musician",
        (SeatRole::Listener | SeatRole::None, _) => "listener",
    };
    let address = one.address.map_or_else(|| "-".to_owned(), |a| a.to_string());
    format!("{}\t{role}\t{}\t{address}\t{}", one.source.0, one.name, identity_text(&one.musician))
}

/// Prints the lines to stdout, or `nothing` to stderr if there are none.
fn print(lines: impl IntoIterator<Item = String>, nothing: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut any = false;
    for line in lines {
        any = true;
        writeln!(out, "{line}").map_err(|e| Failure::new(format!("The result could not be written: {e}.")))?;
    }
    if !any {
        eprintln!("{nothing}");
    }
    Ok(())
}
