//! The arguments and the output of the commands.

use super::BanDescription;
use crate::config::DataDirArg;
use crate::failure::Failure;
use clap::Args;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::MemberAccess;
use rtjam_protocol::control::SeatRole;
use rtjam_protocol::server::rooms::{Ban, MemberSelector, SeatedMember, identity_text};
use std::io::Write as _;

/// What `WHO` can be.
pub const WHO: &str = "\
WHO is one of
  a slot          3                the number that `rtjam-server list` shows
  a name          \"Ann 2\"          as others see it
  an identity     F0VTtFbd…        43 characters; put -- before one that begins with -
  an address      203.0.113.7      or an IPv6 /64 network, 2001:db8:1:2::/64

Run this on the server's machine, as the server's user, with the same --data.";

/// What `kick` does.
// Each paragraph is one line: clap wraps it to the terminal's width.
pub const KICK: &str = "\
Musicians who are kicked are told so, and can join again with the same link. To keep somebody out, use `rtjam-server ban`. \
To make the link useless, use `rtjam-server invite ROOM --renew`.";

/// What `ban` does.
pub const BAN: &str = "\
A slot or a name bans that musician's identity and address, but not an address that others share: loopback, or one in a \
network of --exempt-network. An identity or an address bans only that, even while no server runs. A musician can make a new \
identity and change the address; if that matters, renew the link as well (`rtjam-server invite ROOM --renew`).";

/// The arguments of `rtjam-server list` and `bans`.
#[derive(Debug, Args)]
pub struct RoomArgs {
    /// The room [default: all rooms]
    #[arg(value_parser = RoomName::new)]
    room: Option<RoomName>,
    #[command(flatten)]
    data: DataDirArg,
}

/// The arguments of `rtjam-server kick` and `ban`.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The room
    #[arg(value_parser = RoomName::new)]
    room: RoomName,
    /// The musician, see below
    who: MemberSelector,
    #[command(flatten)]
    data: DataDirArg,
}

/// The arguments of `rtjam-server unban`.
#[derive(Debug, Args)]
pub struct UnbanArgs {
    /// The room
    #[arg(value_parser = RoomName::new)]
    room: RoomName,
    /// The ban: its number, or whom it keeps out
    who: MemberSelector,
    #[command(flatten)]
    data: DataDirArg,
}

/// Prints who is in the rooms.
///
/// # Errors
/// See [`super::list`].
pub fn list(RoomArgs { room, data }: RoomArgs) -> Result<(), Failure> {
    let seated = super::list(&data.path()?, room)?;
    print(seated.iter().map(|one| format!("{}\t{}", one.room, line(one))), "Nobody is in a room.")
}

/// Ends sessions, and prints whose they were.
///
/// # Errors
/// See [`super::kick`].
pub fn kick(MemberArgs { room, who, data }: MemberArgs) -> Result<(), Failure> {
    let kicked = super::kick(&data.path()?, room.clone(), who)?;
    print(kicked.iter().map(|one| format!("Kicked from {room}: {}", line(one))), "")
}

/// Bans musicians, and prints whom.
///
/// # Errors
/// See [`super::ban`].
pub fn ban(MemberArgs { room, who, data }: MemberArgs) -> Result<(), Failure> {
    let ban = super::ban(&data.path()?, room.clone(), who)?;
    let note = if matches!(ban, Ban { address: None, .. }) { " (no address)" } else { "" };
    print([format!("Banned from {room}: {}{note}", BanDescription(&ban))], "")
}

/// Prints the bans.
///
/// # Errors
/// See [`super::bans`].
pub fn bans(RoomArgs { room, data }: RoomArgs) -> Result<(), Failure> {
    let bans = super::bans(&data.path()?, room.as_ref())?;
    print(bans.iter().map(|b| format!("{}\t{}\t{}", b.id, b.room, BanDescription(&b.ban))), "Nobody is banned.")
}

/// Lifts bans, and prints them.
///
/// # Errors
/// See [`super::unban`].
pub fn unban(UnbanArgs { room, who, data }: UnbanArgs) -> Result<(), Failure> {
    let lifted = super::unban(&data.path()?, &room, &who)?;
    print(lifted.iter().map(|b| format!("No longer banned from {}: {}", b.room, BanDescription(&b.ban))), "")
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
