//! Records of sessions that are over.

use super::database::{Store, StoreError};
use crate::statistics::SessionRecord;
use rusqlite::params;

/// The most records; the oldest are removed.
const MAX_RECORDS: i64 = 100_000;

impl Store {
    /// Stores the record of a session that is over.
    pub fn record_session(&mut self, record: &SessionRecord) -> Result<(), StoreError> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let write = || {
            let transaction = self.db.unchecked_transaction()?;
            transaction.execute(
                "INSERT INTO sessions (room, musician, slot, role, began, duration_ms, packets, lost, recovered, repeated, \
                 jitter_us, round_trip_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                params![
                    record.room.as_str(),
                    record.musician.0,
                    record.slot.0,
                    if record.sends { "musician" } else { "listener" },
                    number(record.began_at),
                    number(record.duration.0 / 1000),
                    number(record.audio.packets),
                    number(record.audio.lost),
                    number(record.audio.recovered),
                    number(record.audio.repeated),
                    record.jitter.to_string(),
                    record.round_trip.to_string(),
                ],
            )?;
            let newest = transaction.last_insert_rowid();
            transaction.execute("DELETE FROM sessions WHERE id <= ?1", [newest - MAX_RECORDS])?;
            transaction.commit()
        };
        write().map_err(|e| self.failed(e))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;
    use crate::statistics::{AudioTotals, counters::Histogram};
    use rtjam_protocol::{Micros, MusicianId, RoomName, SourceId};

    fn record(slot: u16) -> SessionRecord {
        let jitter = Histogram::new(&[100]);
        jitter.add(Micros(70));
        SessionRecord {
            room: RoomName::new("käfig").expect("a name"),
            musician: MusicianId([7; 32]),
            slot: SourceId(slot),
            sends: true,
            began_at: 1_700_000_000,
            duration: Micros::from_millis(90_500),
            audio: AudioTotals { packets: 1000, lost: 3, recovered: 2, repeated: 1 },
            jitter: jitter.counts(),
            round_trip: Histogram::new(&[1000]).counts(),
        }
    }

    #[test]
    fn record_has_every_figure() {
        let dir = TempDir::new();
        let mut store = Store::open(&dir.0).expect("opens");
        store.record_session(&record(4)).expect("written");
        let query = "SELECT room || '|' || slot || '|' || role || '|' || began || '|' || duration_ms || '|' || packets \
                     || '|' || lost || '|' || recovered || '|' || repeated || '|' || jitter_us || '|' || round_trip_us \
                     FROM sessions";
        let row: String = store.db.query_row(query, [], |row| row.get(0)).expect("one row");
        assert_eq!(row, "käfig|4|musician|1700000000|90500|1000|3|2|1|[[100,1],[null,0]]|[[1000,0],[null,0]]");
    }

    #[test]
    fn oldest_records_are_removed() {
        let dir = TempDir::new();
        let mut store = Store::open(&dir.0).expect("opens");
        store.record_session(&record(1)).expect("written");
        store.db.execute("UPDATE sessions SET id = id - ?1", [MAX_RECORDS - 1]).expect("aged");
        store
            .db
            .execute(
                "INSERT INTO sessions SELECT 1, room, musician, slot, role, began, duration_ms, packets, lost, \
                          recovered, repeated, jitter_us, round_trip_us FROM sessions",
                [],
            )
            .expect("another");
        store.record_session(&record(2)).expect("written");
        let kept: i64 = store.db.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).expect("a number");
        assert_eq!(kept, 2);
    }
}
