//! Rooms and their secrets.

use super::database::{Store, StoreError};
use crate::system::Random;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{Role, Secret};
use rtjam_protocol::server::rooms::{RoleSecret, RoomSecrets};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::time::{SystemTime, UNIX_EPOCH};

const SEPARATE: &str = "separate";
const ONE: &str = "one";

const ROLES: [Role; 3] = [Role::Listener, Role::Musician, Role::Moderator];

impl Store {
    /// Creates a room with new secrets unless it exists.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ensure_room(&mut self, room: &RoomName, random: &mut Random) -> Result<(), StoreError> {
        let result = insert_room(&mut self.db, room, random);
        result.map_err(|e| self.failed(e))
    }

    /// A room's secrets; `None` if there is no such room. Both cases take the same number of look-ups.
    ///
    /// # Errors
    /// When the database fails.
    pub fn secrets(&self, room: &RoomName) -> Result<Option<RoomSecrets>, StoreError> {
        let read = || {
            let of = |role| self.secret(room, role);
            let (listener, musician, moderator) = (of(Role::Listener)?, of(Role::Musician)?, of(Role::Moderator)?);
            let all = listener.zip(musician).zip(moderator);
            Ok(all.map(|((listener, musician), moderator)| RoomSecrets { listener, musician, moderator }))
        };
        read().map_err(|e| self.failed(e))
    }

    /// Replaces a room's secret for one role, so that links with the old one stop working. Sessions that the old one
    /// admitted end unless `keep_sessions` is set.
    ///
    /// # Errors
    /// When the database fails.
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
        let result = self.db.execute(statement, params![room.as_str(), name_of(role), secret, keep_sessions]);
        result.map(|_| ()).map_err(|e| self.failed(e))
    }

    /// All rooms, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rooms(&self) -> Result<Vec<RoomName>, StoreError> {
        let read = || {
            let mut statement = self.db.prepare("SELECT name FROM rooms ORDER BY name")?;
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            names.collect::<rusqlite::Result<Vec<String>>>()
        };
        let names = read().map_err(|e| self.failed(e))?;
        Ok(names.iter().filter_map(|name| RoomName::new(name).ok()).collect())
    }

    /// What members of a room receive if they do not choose; everyone separately if there is no such room.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mix(&self, room: &RoomName) -> Result<DownstreamMode, StoreError> {
        let read = || {
            let mut statement = self.db.prepare_cached("SELECT mix FROM rooms WHERE name = ?1")?;
            statement.query_row([room.as_str()], |row| row.get::<_, String>(0)).optional()
        };
        let said: Option<String> = read().map_err(|e: rusqlite::Error| self.failed(e))?;
        Ok(if said.as_deref() == Some(ONE) { DownstreamMode::Mixed } else { DownstreamMode::Forwarded })
    }

    /// Sets what members who do not choose receive from their next join on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_mix(&mut self, room: &RoomName, mix: DownstreamMode) -> Result<(), StoreError> {
        let said = if mix == DownstreamMode::Mixed { ONE } else { SEPARATE };
        let result = self.db.execute("UPDATE rooms SET mix = ?2 WHERE name = ?1", params![room.as_str(), said]);
        result.map(|_| ()).map_err(|e| self.failed(e))
    }

    fn secret(&self, room: &RoomName, role: Role) -> rusqlite::Result<Option<RoleSecret>> {
        let query = "SELECT secret, generation, valid_from FROM secrets WHERE room = ?1 AND role = ?2";
        let mut statement = self.db.prepare_cached(query)?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(RoleSecret { secret: Secret(row.get(0)?), generation: row.get(1)?, valid_from: row.get(2)? })
        };
        statement.query_row(params![room.as_str(), name_of(role)], read).optional()
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
    // For people who read the database; the server does not use it.
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    transaction.execute(
        "INSERT INTO rooms (name, created) VALUES (?1, ?2)",
        params![room.as_str(), i64::try_from(created).unwrap_or(0)],
    )?;
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
}
