//! Commands of whoever runs the rooms: `list`, `kick`, `ban`, `bans`, `unban`.
//!
//! ```text
//!  rtjam-server kick …  ──Order──▶ database ──▶ lobby ──▶ Rooms
//!                       ◀─Reply── database ◀── lobby
//! ```
//! Orders and replies are rows of the data folder's database, so whoever may write there may give orders, and nobody else.
//! The lobby looks at it every half a second. Bans lie in the database, too, and need no running server.

pub mod command_line;

use crate::Failure;
use crate::store::{BanRecord, Store};
use rtjam_protocol::RoomName;
use rtjam_protocol::server::rooms::{Ban, MemberSelector, SeatedMember, identity_text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A server that has not answered after this long does not run.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// What is asked of the running server.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Who is in a room, or in all.
    List(Option<RoomName>),
    /// End the sessions of those who are meant.
    Kick(RoomName, MemberSelector),
    /// The same, and let them in no more.
    Ban(RoomName, MemberSelector),
}

/// What the server says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Who is there, or who was and is no more.
    Seated(Vec<SeatedMember>),
    /// The ban that is kept now.
    Banned(Ban),
    /// Nobody fits.
    Nobody,
    /// An order of another version.
    NotUnderstood,
}

/// Who is in a room, or in all rooms of the running server.
///
/// # Errors
/// When there is no such room, no server runs, or the database fails.
pub fn list(data: &Path, room: Option<RoomName>) -> Result<Vec<SeatedMember>, Failure> {
    let mut store = Store::open(data)?;
    if let Some(room) = &room {
        must_exist(&store, room)?;
    }
    match give(&mut store, data, &Order::List(room))? {
        Reply::Seated(seated) => Ok(seated),
        _ => Err(another_version()),
    }
}

/// Ends the sessions of those who are meant. Returns who they were.
///
/// # Errors
/// When nobody fits, there is no such room, no server runs, or the database fails.
pub fn kick(data: &Path, room: RoomName, who: MemberSelector) -> Result<Vec<SeatedMember>, Failure> {
    let mut store = Store::open(data)?;
    must_exist(&store, &room)?;
    match give(&mut store, data, &Order::Kick(room.clone(), who.clone()))? {
        Reply::Seated(seated) => Ok(seated),
        Reply::Nobody => Err(nobody(&room, &who)),
        _ => Err(another_version()),
    }
}

/// Keeps those who are meant out of a room. A slot or a name needs a running server, which knows whose it is.
///
/// # Errors
/// When nobody fits, there is no such room, no server runs, or the database fails.
pub fn ban(data: &Path, room: RoomName, who: MemberSelector) -> Result<Ban, Failure> {
    let mut store = Store::open(data)?;
    must_exist(&store, &room)?;
    let kept = match &who {
        MemberSelector::Identity(musician) => Ban { name: String::new(), musician: Some(*musician), address: None },
        MemberSelector::Address(address) => Ban { name: String::new(), musician: None, address: Some(*address) },
        MemberSelector::Slot(_) | MemberSelector::Name(_) => {
            return match give(&mut store, data, &Order::Ban(room.clone(), who.clone()))? {
                Reply::Banned(ban) => Ok(ban),
                Reply::Nobody => Err(nobody(&room, &who)),
                _ => Err(another_version()),
            };
        }
    };
    store.add_ban(&room, &kept)?;
    Ok(kept)
}

/// The bans of a room, or of all.
///
/// # Errors
/// When there is no such room, or the database fails.
pub fn bans(data: &Path, room: Option<&RoomName>) -> Result<Vec<BanRecord>, Failure> {
    let store = Store::open(data)?;
    if let Some(room) = room {
        must_exist(&store, room)?;
    }
    store.bans(room)
}

/// Lifts the bans of a room that fit `who`: a ban's number, an identity, an address or a name. Returns which.
///
/// # Errors
/// When none fits, there is no such room, or the database fails.
pub fn unban(data: &Path, room: &RoomName, who: &MemberSelector) -> Result<Vec<BanRecord>, Failure> {
    let mut store = Store::open(data)?;
    must_exist(&store, room)?;
    let fits = |record: &BanRecord| match who {
        MemberSelector::Slot(number) => record.id == i64::from(number.0),
        MemberSelector::Identity(musician) => record.ban.musician == Some(*musician),
        MemberSelector::Address(address) => record.ban.address == Some(*address),
        MemberSelector::Name(name) => record.ban.name == *name,
    };
    let lifted: Vec<BanRecord> = store.bans(Some(room))?.into_iter().filter(fits).collect();
    if lifted.is_empty() {
        return Err(Failure::new(format!(
            "No ban of the room {room} fits. See them with: rtjam-server bans {:?}",
            room.as_str()
        )));
    }
    for record in &lifted {
        store.remove_ban(record.id)?;
    }
    Ok(lifted)
}

/// Whom a ban keeps out, in words.
pub struct Shown<'a>(pub &'a Ban);

impl fmt::Display for Shown<'_> {
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

fn give(store: &mut Store, data: &Path, order: &Order) -> Result<Reply, Failure> {
    let request = serde_json::to_string(order).map_err(|_| another_version())?;
    let id = store.place_order(&request)?;
    let deadline = Instant::now() + ANSWERED_WITHIN;
    let answer = loop {
        if let Some(answer) = store.order_answer(id)? {
            break Some(answer);
        }
        if Instant::now() >= deadline {
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    store.remove_order(id)?;
    let answer = answer.ok_or_else(|| {
        Failure::new(format!(
            "No rtjam-server runs on the data folder {}. Start it, or name the folder of the one that runs with --data DIR.",
            data.display()
        ))
    })?;
    serde_json::from_str(&answer).map_err(|_| another_version())
}

fn must_exist(store: &Store, room: &RoomName) -> Result<(), Failure> {
    if store.secrets(room)?.is_some() {
        return Ok(());
    }
    let rooms: Vec<String> = store.rooms()?.iter().map(|room| format!("{:?}", room.as_str())).collect();
    let there =
        if rooms.is_empty() { "There is none yet.".to_owned() } else { format!("There are: {}.", rooms.join(", ")) };
    Err(Failure::new(format!("There is no room {:?} in this data folder. {there}", room.as_str())))
}

fn nobody(room: &RoomName, who: &MemberSelector) -> Failure {
    Failure::new(format!(
        "Nobody in the room {room} fits {who}. See who is there with: rtjam-server list {:?}",
        room.as_str()
    ))
}

fn another_version() -> Failure {
    Failure::new("The running server is of another version than this program. Restart it, and try again.")
}
