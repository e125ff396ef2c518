//! Bans from rooms, and commands to the running server with its answers. Commands pass through the database, so only users
//! who can write to the data folder can give them.

use super::database::{Store, StoreError};
use rtjam_protocol::server::rooms::Ban;
use rtjam_protocol::{MusicianId, RoomName};
use rusqlite::{Row, params};

/// A stored ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRecord {
    /// Its number, used once.
    pub id: i64,
    /// The room.
    pub room: RoomName,
    /// The identity, the address, or both.
    pub ban: Ban,
}

impl Store {
    /// The bans of a room, or of all rooms, oldest first.
    pub fn bans(&self, room: Option<&RoomName>) -> Result<Vec<BanRecord>, StoreError> {
        let query = "SELECT id, room, name, musician, address FROM bans WHERE ?1 IS NULL OR room = ?1 ORDER BY id";
        self.rows(query, [room.map(RoomName::as_str)], record)
    }

    /// Stores a ban from a room that exists, in place of an equal one. Returns its number.
    pub fn add_ban(&mut self, room: &RoomName, ban: &Ban) -> Result<i64, StoreError> {
        let (musician, address) = (ban.musician.map(|m| m.0), ban.address.map(|a| a.to_string()));
        self.execute(
            "DELETE FROM bans WHERE room = ?1 AND musician IS ?2 AND address IS ?3",
            params![room.as_str(), musician, address],
        )?;
        // The time is for people who read the database.
        self.execute(
            "INSERT INTO bans (room, name, musician, address, since) VALUES (?1, ?2, ?3, ?4, unixepoch())",
            params![room.as_str(), ban.name, musician, address],
        )?;
        Ok(self.db.last_insert_rowid())
    }

    /// Lifts a ban.
    pub fn remove_ban(&mut self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM bans WHERE id = ?1", [id])
    }

    /// Removes the commands that an earlier server left without an answer.
    pub fn clear_commands(&mut self) -> Result<(), StoreError> {
        self.execute("DELETE FROM orders", [])
    }

    /// Adds a command. Returns its number.
    pub fn queue_command(&mut self, request: &str) -> Result<i64, StoreError> {
        self.execute("INSERT INTO orders (request) VALUES (?1)", [request])?;
        Ok(self.db.last_insert_rowid())
    }

    /// The commands without an answer, oldest first.
    pub fn pending_commands(&self) -> Result<Vec<(i64, String)>, StoreError> {
        let query = "SELECT id, request FROM orders WHERE answer IS NULL ORDER BY id";
        self.rows(query, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Answers a command.
    pub fn answer_command(&mut self, id: i64, answer: &str) -> Result<(), StoreError> {
        self.execute("UPDATE orders SET answer = ?2 WHERE id = ?1", params![id, answer])
    }

    /// The answer to a command; `None` as long as there is none.
    pub fn command_answer(&self, id: i64) -> Result<Option<String>, StoreError> {
        self.row("SELECT answer FROM orders WHERE id = ?1", [id], |row| row.get(0)).map(Option::flatten)
    }

    /// Removes a command, answered or not.
    pub fn remove_command(&mut self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM orders WHERE id = ?1", [id])
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<BanRecord> {
    let unfit = |at, kind| rusqlite::Error::InvalidColumnType(at, "bans".to_owned(), kind);
    let (room, address): (String, Option<String>) = (row.get(1)?, row.get(4)?);
    let read_address = |text: String| text.parse().map_err(|_| unfit(4, rusqlite::types::Type::Text));
    Ok(BanRecord {
        id: row.get(0)?,
        room: RoomName::new(&room).map_err(|_| unfit(1, rusqlite::types::Type::Text))?,
        ban: Ban {
            name: row.get(2)?,
            musician: row.get::<_, Option<[u8; 32]>>(3)?.map(MusicianId),
            address: address.map(read_address).transpose()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;
    use crate::system::Random;

    /// Bans survive a restart until they are lifted, and equal bans are stored once.
    #[test]
    fn bans_survive_until_lifted() {
        let dir = TempDir::new();
        let room = RoomName::new("lobby").expect("a name");
        let other = RoomName::new("band").expect("a name");
        let mut store = Store::open(&dir.0).expect("opens");
        for room in [&room, &other] {
            store.ensure_room(room, &mut Random::new()).expect("made");
        }
        let both = Ban { name: "Ann".into(), musician: Some(MusicianId([7; 32])), address: "2001:db8::1".parse().ok() };
        let address = Ban { name: String::new(), musician: None, address: "203.0.113.7".parse().ok() };
        store.add_ban(&room, &both).expect("kept");
        let first = store.add_ban(&room, &both).expect("kept once");
        let second = store.add_ban(&other, &address).expect("kept");
        let mut store = Store::open(&dir.0).expect("opens again");
        let record = |id, room: &RoomName, ban: &Ban| BanRecord { id, room: room.clone(), ban: ban.clone() };
        let bans = |store: &Store, room| store.bans(room).expect("read");
        assert_eq!(bans(&store, None), [record(first, &room, &both), record(second, &other, &address)]);
        assert_eq!(bans(&store, Some(&other)), [record(second, &other, &address)]);
        store.remove_ban(first).expect("lifted");
        assert_eq!(bans(&store, Some(&room)), []);
    }
}
