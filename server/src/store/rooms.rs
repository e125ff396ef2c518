//! Rooms: their secrets, what their members receive, and which musician last had each slot.

use super::database::{Store, StoreError};
use crate::system::Random;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{Role, Secret};
use rtjam_protocol::server::rooms::{RoleSecret, RoomSecrets, SlotRecord};
use rtjam_protocol::{MusicianId, RoomName, SourceId};
use rusqlite::{Connection, TransactionBehavior, params};

const SEPARATE: &str = "separate";
const ONE: &str = "one";

const ROLES: [Role; 3] = [Role::Listener, Role::Musician, Role::Moderator];

impl Store {
    /// Creates a room with new secrets unless it exists.
    pub fn ensure_room(&mut self, room: &RoomName, random: &mut Random) -> Result<(), StoreError> {
        let result = insert_room(&mut self.db, room, random);
        result.map_err(|e| self.failed(e))
    }

    /// A room's secrets; `None` if there is no such room. Both cases take the same number of look-ups.
    pub fn secrets(&self, room: &RoomName) -> Result<Option<RoomSecrets>, StoreError> {
        let of = |role| self.secret(room, role);
        let (listener, musician, moderator) = (of(Role::Listener)?, of(Role::Musician)?, of(Role::Moderator)?);
        let all = listener.zip(musician).zip(moderator);
        Ok(all.map(|((listener, musician), moderator)| RoomSecrets { listener, musician, moderator }))
    }

    /// Replaces a room's secret for one role, so that links with the old one stop working. Sessions that the old one
    /// admitted end unless `keep_sessions` is set.
    pub fn renew(
        &mut self,
        room: &RoomName,
        role: Role,
        keep_sessions: bool,
        random: &mut Random,
    ) -> Result<(), StoreError> {
        let secret: [u8; 16] = random.array();
        let statement = "UPDATE secrets SET secret = ?3, generation = generation + 1, \
                         valid_from = CASE WHEN ?4 THEN valid_from ELSE generation + 1 END WHERE room = ?1 AND role = ?2";
        self.execute(statement, params![room.as_str(), name_of(role), secret, keep_sessions])
    }

    /// All rooms, by name.
    pub fn rooms(&self) -> Result<Vec<RoomName>, StoreError> {
        let names: Vec<String> = self.rows("SELECT name FROM rooms ORDER BY name", [], |row| row.get(0))?;
        Ok(names.iter().filter_map(|name| RoomName::new(name).ok()).collect())
    }

    /// What members of a room receive if they do not choose; everyone separately if there is no such room.
    pub fn mix(&self, room: &RoomName) -> Result<DownstreamMode, StoreError> {
        let query = "SELECT mix FROM rooms WHERE name = ?1";
        let said: Option<String> = self.row(query, [room.as_str()], |row| row.get(0))?;
        Ok(if said.as_deref() == Some(ONE) { DownstreamMode::Mixed } else { DownstreamMode::Forwarded })
    }

    /// Sets what members who do not choose receive from their next join on.
    pub fn set_mix(&mut self, room: &RoomName, mix: DownstreamMode) -> Result<(), StoreError> {
        let said = if mix == DownstreamMode::Mixed { ONE } else { SEPARATE };
        self.execute("UPDATE rooms SET mix = ?2 WHERE name = ?1", params![room.as_str(), said])
    }

    /// The slot records of a room, by slot.
    pub fn slots(&self, room: &RoomName) -> Result<Vec<SlotRecord>, StoreError> {
        let query = "SELECT slot, musician, instance, taken_at FROM slots WHERE room = ?1 ORDER BY slot";
        self.rows(query, [room.as_str()], |row| {
            Ok(SlotRecord {
                slot: SourceId(row.get(0)?),
                musician: MusicianId(row.get(1)?),
                instance: row.get(2)?,
                taken_at: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })
    }

    /// Stores a record.
    pub fn remember_slot(&self, room: &RoomName, record: &SlotRecord) -> Result<(), StoreError> {
        let taken_at = i64::try_from(record.taken_at).unwrap_or(i64::MAX);
        self.execute(
            "INSERT OR REPLACE INTO slots (room, slot, musician, instance, taken_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![room.as_str(), record.slot.0, record.musician.0, record.instance, taken_at],
        )
    }

    fn secret(&self, room: &RoomName, role: Role) -> Result<Option<RoleSecret>, StoreError> {
        let query = "SELECT secret, generation, valid_from FROM secrets WHERE room = ?1 AND role = ?2";
        self.row(query, params![room.as_str(), name_of(role)], |row| {
            Ok(RoleSecret { secret: Secret(row.get(0)?), generation: row.get(1)?, valid_from: row.get(2)? })
        })
    }
}

fn insert_room(db: &mut Connection, room: &RoomName, random: &mut Random) -> rusqlite::Result<()> {
    let exists = |db: &Connection| {
        let mut statement = db.prepare("SELECT 1 FROM rooms WHERE name = ?1")?;
        statement.exists([room.as_str()])
    };
    if exists(db)? {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if exists(&transaction)? {
        return Ok(());
    }
    // The time is for people who read the database.
    transaction.execute("INSERT INTO rooms (name, created) VALUES (?1, unixepoch())", [room.as_str()])?;
    for role in ROLES {
        put_secret(&transaction, room, role, random)?;
    }
    transaction.commit()
}

fn put_secret(db: &Connection, room: &RoomName, role: Role, random: &mut Random) -> rusqlite::Result<()> {
    let secret: [u8; 16] = random.array();
    db.execute(
        "INSERT INTO secrets (room, role, secret) VALUES (?1, ?2, ?3)",
        params![room.as_str(), name_of(role), secret],
    )?;
    Ok(())
}

const fn name_of(role: Role) -> &'static str {
    match role {
        Role::Listener => "listener",
        Role::Musician => "musician",
        Role::Moderator => "moderator",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;

    /// Secrets survive a restart; renewing replaces one of them.
    #[test]
    fn rooms_keep_their_secrets() {
        let dir = TempDir::new();
        let mut random = Random::new();
        let room = RoomName::new("käfig").expect("a name");
        let mut store = Store::open(&dir.0).expect("opens");
        assert_eq!(store.secrets(&room).expect("read"), None);
        store.ensure_room(&room, &mut random).expect("made");
        let first = store.secrets(&room).expect("read").expect("there");
        drop(store);

        let mut store = Store::open(&dir.0).expect("opens again");
        store.ensure_room(&room, &mut random).expect("still there");
        assert_eq!(store.secrets(&room).expect("read"), Some(first.clone()));
        store.renew(&room, Role::Musician, false, &mut random).expect("renewed");
        let second = store.secrets(&room).expect("read").expect("there");
        assert_ne!(second.musician.secret, first.musician.secret);
        assert_eq!((second.musician.generation, second.musician.valid_from), (2, 2));
        assert_eq!((second.listener, second.moderator), (first.listener, first.moderator));
        store.renew(&room, Role::Musician, true, &mut random).expect("renewed");
        let third = store.secrets(&room).expect("read").expect("there");
        assert_eq!((third.musician.generation, third.musician.valid_from), (3, 2));
    }

    #[test]
    fn rooms_keep_their_mix_setting() {
        let dir = TempDir::new();
        let room = RoomName::new("band").expect("a name");
        let mut store = Store::open(&dir.0).expect("opens");
        store.ensure_room(&room, &mut Random::new()).expect("made");
        assert_eq!(store.mix(&room).expect("read"), DownstreamMode::Forwarded);
        for mix in [DownstreamMode::Mixed, DownstreamMode::Forwarded] {
            store.set_mix(&room, mix).expect("set");
            assert_eq!(Store::open(&dir.0).expect("opens again").mix(&room).expect("read"), mix);
        }
    }

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
