//! The operator's commands about people: `list`, `kick`, `ban`, `bans`, `unban`.
//!
//! ```text
//!  rtjam-server kick …  ──ModerationCommand──▶ database ──▶ rooms actor ──▶ Rooms
//!                       ◀──ModerationReply─── database ◀── rooms actor
//! ```
//! Commands and replies are rows of the database in the data folder, so only users who can write to it can give commands. The
//! rooms actor reads them every half a second. Bans are stored in the database too, and need no running server.

pub mod cli;

use crate::failure::OperatorError;
use crate::store::{BanRecord, Store, StoreError};
use rtjam_protocol::RoomName;
use rtjam_protocol::server::rooms::{Ban, MemberSelector, SeatedMember, identity_text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A server that does not answer within this time is not running.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A command to the running server.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModerationCommand {
    /// List who is in a room, or in all rooms.
    List(Option<RoomName>),
    /// End the sessions that match.
    Kick(RoomName, MemberSelector),
    /// End the sessions that match, and ban their musicians.
    Ban(RoomName, MemberSelector),
}

/// The server's reply to a [`ModerationCommand`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModerationReply {
    /// Who is in the room, or who has been kicked.
    Seated(Vec<SeatedMember>),
    /// The ban that has been stored.
    Banned(Ban),
    /// Nobody in the room matches.
    #[serde(rename = "nobody")]
    NobodyMatches,
    /// The command comes from another version of the program.
    NotUnderstood,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ModerationError {
    /// The data folder or its database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such room.
    #[error("There is no room {:?} in this data folder. {}", .room.as_str(), list_of(.existing))]
    NoSuchRoom {
        /// The room.
        room: RoomName,
        /// The rooms that exist.
        existing: Vec<RoomName>,
    },
    /// Nobody in the room matches.
    #[error(
        "Nobody in the room {0} matches {1}. To see who is there, run: rtjam-server list {room:?}", room = .0.as_str()
    )]
    NobodyMatches(RoomName, MemberSelector),
    /// No ban of the room matches.
    #[error("No ban of the room {0} matches. To see its bans, run: rtjam-server bans {room:?}", room = .0.as_str())]
    NoBanMatches(RoomName),
    /// No server runs on this data folder.
    #[error(
        "No rtjam-server is running on the data folder {0}. Start it, or name the folder of the running server with \
         --data DIR."
    )]
    NoServer(PathBuf),
    /// The running server is of another version.
    #[error("The running server has another version than this program. Restart it, and try again.")]
    OtherVersion,
}

/// Lists who is in a room, or in all rooms of the running server.
///
/// # Errors
/// When there is no such room, no server runs, or the database fails.
pub fn list(data: &Path, room: Option<RoomName>) -> Result<Vec<SeatedMember>, ModerationError> {
    let mut store = Store::open(data)?;
    if let Some(room) = &room {
        check_exists(&store, room)?;
    }
    match send(&mut store, data, &ModerationCommand::List(room))? {
        ModerationReply::Seated(seated) => Ok(seated),
        _ => Err(ModerationError::OtherVersion),
    }
}

/// Ends the sessions that match, and returns whose they were.
///
/// # Errors
/// When nobody matches, there is no such room, no server runs, or the database fails.
pub fn kick(data: &Path, room: RoomName, who: MemberSelector) -> Result<Vec<SeatedMember>, ModerationError> {
    let mut store = Store::open(data)?;
    check_exists(&store, &room)?;
    match send(&mut store, data, &ModerationCommand::Kick(room.clone(), who.clone()))? {
        ModerationReply::Seated(seated) => Ok(seated),
        ModerationReply::NobodyMatches => Err(ModerationError::NobodyMatches(room, who)),
        _ => Err(ModerationError::OtherVersion),
    }
}

/// Bans the musicians who match from a room. A slot or a name needs a running server, which knows whose it is.
///
/// # Errors
/// When nobody matches, there is no such room, no server runs, or the database fails.
pub fn ban(data: &Path, room: RoomName, who: MemberSelector) -> Result<Ban, ModerationError> {
    let mut store = Store::open(data)?;
    check_exists(&store, &room)?;
    let new = match &who {
        MemberSelector::Identity(musician) => Ban { name: String::new(), musician: Some(*musician), address: None },
        MemberSelector::Address(address) => Ban { name: String::new(), musician: None, address: Some(*address) },
        MemberSelector::Slot(_) | MemberSelector::Name(_) => {
            return match send(&mut store, data, &ModerationCommand::Ban(room.clone(), who.clone()))? {
                ModerationReply::Banned(ban) => Ok(ban),
                ModerationReply::NobodyMatches => Err(ModerationError::NobodyMatches(room, who)),
                _ => Err(ModerationError::OtherVersion),
            };
        }
    };
    store.add_ban(&room, &new)?;
    Ok(new)
}

/// The bans of a room, or of all rooms.
///
/// # Errors
/// When there is no such room, or the database fails.
pub fn bans(data: &Path, room: Option<&RoomName>) -> Result<Vec<BanRecord>, ModerationError> {
    let store = Store::open(data)?;
    if let Some(room) = room {
        check_exists(&store, room)?;
    }
    Ok(store.bans(room)?)
}

/// Lifts the bans of a room that match `who`: a ban's number, an identity, an address or a name. Returns these bans.
///
/// # Errors
/// When none matches, there is no such room, or the database fails.
pub fn unban(data: &Path, room: &RoomName, who: &MemberSelector) -> Result<Vec<BanRecord>, ModerationError> {
    let mut store = Store::open(data)?;
    check_exists(&store, room)?;
    let matches = |record: &BanRecord| match who {
        MemberSelector::Slot(number) => record.id == i64::from(number.0),
        MemberSelector::Identity(musician) => record.ban.musician == Some(*musician),
        MemberSelector::Address(address) => record.ban.address == Some(*address),
        MemberSelector::Name(name) => record.ban.name == *name,
    };
    let lifted: Vec<BanRecord> = store.bans(Some(room))?.into_iter().filter(matches).collect();
    if lifted.is_empty() {
        return Err(ModerationError::NoBanMatches(room.clone()));
    }
    for record in &lifted {
        store.remove_ban(record.id)?;
    }
    Ok(lifted)
}

/// Renders the name, identity and address of a ban.
pub struct BanDescription<'a>(pub &'a Ban);

impl fmt::Display for BanDescription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ban { name, musician, address } = self.0;
        let mut parts = Vec::new();
        if !name.is_empty() {
            parts.push(name.clone());
        }
        parts.extend(musician.as_ref().map(|m| format!("identity {}", identity_text(m))));
        parts.extend(address.map(|a| format!("address {a}")));
        f.write_str(&parts.join(", "))
    }
}

fn send(store: &mut Store, data: &Path, command: &ModerationCommand) -> Result<ModerationReply, ModerationError> {
    let request = serde_json::to_string(command).map_err(|_| ModerationError::OtherVersion)?;
    let id = store.queue_command(&request)?;
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let answer = loop {
        if let Some(answer) = store.command_answer(id)? {
            break Some(answer);
        }
        if Instant::now() >= deadline {
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    store.remove_command(id)?;
    let answer = answer.ok_or_else(|| ModerationError::NoServer(data.to_owned()))?;
    serde_json::from_str(&answer).map_err(|_| ModerationError::OtherVersion)
}

fn check_exists(store: &Store, room: &RoomName) -> Result<(), ModerationError> {
    if store.secrets(room)?.is_some() {
        return Ok(());
    }
    Err(ModerationError::NoSuchRoom { room: room.clone(), existing: store.rooms()? })
}

fn list_of(rooms: &[RoomName]) -> String {
    if rooms.is_empty() {
        return "It has no rooms yet.".to_owned();
    }
    let names: Vec<String> = rooms.iter().map(|room| format!("{:?}", room.as_str())).collect();
    format!("Its rooms are: {}.", names.join(", "))
}

impl OperatorError for ModerationError {}
