//! Which musician last had each slot.

use super::database::{Store, StoreError};
use rtjam_protocol::server::rooms::SlotRecord;
use rtjam_protocol::{MusicianId, RoomName, SourceId};
use rusqlite::params;

impl Store {
    /// The slot records of a room, by slot.
    ///
    /// # Errors
    /// When the database fails.
    pub fn slots(&self, room: &RoomName) -> Result<Vec<SlotRecord>, StoreError> {
        let read = || {
            let query = "SELECT slot, musician, instance, taken_at FROM slots WHERE room = ?1 ORDER BY slot";
            let mut statement = self.db.prepare_cached(query)?;
            let rows = statement.query_map([room.as_str()], |row| {
                Ok(SlotRecord {
                    slot: SourceId(row.get(0)?),
                    musician: MusicianId(row.get(1)?),
                    instance: row.get(2)?,
                    taken_at: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<SlotRecord>>>()
        };
        read().map_err(|e| self.failed(e))
    }

    /// Stores a record.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remember_slot(&self, room: &RoomName, record: &SlotRecord) -> Result<(), StoreError> {
        let write = || {
            let mut statement = self.db.prepare_cached(
                "INSERT OR REPLACE INTO slots (room, slot, musician, instance, taken_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            statement.execute(params![
                room.as_str(),
                record.slot.0,
                record.musician.0,
                record.instance,
                i64::try_from(record.taken_at).unwrap_or(i64::MAX)
            ])
        };
        write().map(|_| ()).map_err(|e| self.failed(e))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;
    use crate::system::Random;

    #[test]
    fn last_owner_of_each_slot_is_stored() {
        let dir = TempDir::new();
        let room = RoomName::new("lobby").expect("a name");
        let mut store = Store::open(&dir.0).expect("opens");
        store.ensure_room(&room, &mut Random::new()).expect("made");
        let record = |slot, who, taken_at| SlotRecord {
            slot: SourceId(slot),
            musician: MusicianId([who; 32]),
            instance: 1,
            taken_at,
        };
        store.remember_slot(&room, &record(2, 7, 1)).expect("written");
        store.remember_slot(&room, &record(1, 8, 2)).expect("written");
        store.remember_slot(&room, &record(2, 9, 3)).expect("written");
        assert_eq!(store.slots(&room).expect("read"), [record(1, 8, 2), record(2, 9, 3)]);
    }
}
