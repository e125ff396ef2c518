//! Bans from rooms.

use super::database::{Store, StoreError};
use rtjam_protocol::server::rooms::Ban;
use rtjam_protocol::{MusicianId, RoomName};
use rusqlite::{Row, params};
use std::time::{SystemTime, UNIX_EPOCH};

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
    ///
    /// # Errors
    /// When the database fails.
    pub fn bans(&self, room: Option<&RoomName>) -> Result<Vec<BanRecord>, StoreError> {
        let read = || {
            let query = "SELECT id, room, name, musician, address FROM bans WHERE ?1 IS NULL OR room = ?1 ORDER BY id";
            let mut statement = self.db.prepare_cached(query)?;
            let rows = statement.query_map([room.map(RoomName::as_str)], record)?;
            rows.collect::<rusqlite::Result<Vec<BanRecord>>>()
        };
        read().map_err(|e| self.failed(e))
    }

    /// Stores a ban from a room that exists, in place of an equal one. Returns its number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_ban(&mut self, room: &RoomName, ban: &Ban) -> Result<i64, StoreError> {
        // For people who read the database; the server does not use it.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let (musician, address) = (ban.musician.map(|m| m.0), ban.address.map(|a| a.to_string()));
        let write = || {
            self.db.execute(
                "DELETE FROM bans WHERE room = ?1 AND musician IS ?2 AND address IS ?3",
                params![room.as_str(), musician, address],
            )?;
            self.db.execute(
                "INSERT INTO bans (room, name, musician, address, since) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![room.as_str(), ban.name, musician, address, i64::try_from(since).unwrap_or(0)],
            )?;
            Ok(self.db.last_insert_rowid())
        };
        write().map_err(|e| self.failed(e))
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_ban(&mut self, id: i64) -> Result<(), StoreError> {
        let result = self.db.execute("DELETE FROM bans WHERE id = ?1", [id]);
        result.map(|_| ()).map_err(|e| self.failed(e))
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
