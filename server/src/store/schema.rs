//! The database's tables, and their migration from older versions.

use rusqlite::{Connection, TransactionBehavior};

/// Each entry migrates from the version of its index to the next. Never change a released one; append a new one.
const MIGRATIONS: [&str; 4] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4];

const VERSION_1: &str = "
    CREATE TABLE identity (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        pkcs8 BLOB NOT NULL
    );
    CREATE TABLE rooms (
        name TEXT PRIMARY KEY,
        created INTEGER NOT NULL  -- seconds since 1970
    ) WITHOUT ROWID;
    CREATE TABLE secrets (
        room TEXT NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
        role TEXT NOT NULL,
        secret BLOB NOT NULL CHECK (length(secret) = 16),
        PRIMARY KEY (room, role)
    ) WITHOUT ROWID;
    CREATE TABLE slots (
        room TEXT NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
        slot INTEGER NOT NULL,
        musician BLOB NOT NULL CHECK (length(musician) = 32),
        instance INTEGER NOT NULL,
        taken_at INTEGER NOT NULL,  -- counts up with every seat taken
        PRIMARY KEY (room, slot)
    ) WITHOUT ROWID;
    CREATE TABLE settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
";

/// Records of sessions. A record outlives its room.
const VERSION_2: &str = "
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY,
        room TEXT NOT NULL,
        musician BLOB NOT NULL CHECK (length(musician) = 32),
        slot INTEGER NOT NULL,
        role TEXT NOT NULL,  -- musician, listener
        began INTEGER NOT NULL,  -- seconds since 1970
        duration_ms INTEGER NOT NULL,
        packets INTEGER NOT NULL,  -- audio packets that arrived
        lost INTEGER NOT NULL,  -- audio packets that never arrived
        recovered INTEGER NOT NULL,  -- audio packets that arrived after a later one
        repeated INTEGER NOT NULL,  -- audio packets that arrived again
        jitter_us TEXT NOT NULL,  -- JSON: [[upper bound, count], ...], the last bound null
        round_trip_us TEXT NOT NULL  -- the same
    );
";

/// What members of a room receive if they do not choose.
const VERSION_3: &str = "
    ALTER TABLE rooms ADD COLUMN mix TEXT NOT NULL DEFAULT 'separate';  -- separate, one
";

/// Secrets with generations, so that renewals can end sessions; bans; commands to the running server.
const VERSION_4: &str = "
    -- The number of secrets that the role has had, this one included.
    ALTER TABLE secrets ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
    -- The first generation whose sessions may continue.
    ALTER TABLE secrets ADD COLUMN valid_from INTEGER NOT NULL DEFAULT 1;
    CREATE TABLE bans (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        room TEXT NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
        name TEXT NOT NULL,  -- for people
        musician BLOB CHECK (length(musician) = 32),
        address TEXT,  -- an IPv4 address or an IPv6 network of 64 bits
        since INTEGER NOT NULL,  -- seconds since 1970
        CHECK (musician IS NOT NULL OR address IS NOT NULL)
    );
    CREATE INDEX bans_of_room ON bans (room);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request TEXT NOT NULL,  -- JSON
        answer TEXT  -- JSON; NULL until the server has carried it out
    );
";

/// Why the tables cannot be used.
pub(super) enum MigrationError {
    /// A newer version of the program made them.
    Newer,
    /// The database failed.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for MigrationError {
    fn from(e: rusqlite::Error) -> MigrationError {
        MigrationError::Sqlite(e)
    }
}

/// Brings the tables up to date. Several programs can do so at once.
pub(super) fn migrate(db: &mut Connection) -> Result<(), MigrationError> {
    if version(db)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = version(&transaction)?;
    let steps = MIGRATIONS.get(from..).ok_or(MigrationError::Newer)?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    transaction.commit()?;
    Ok(())
}

fn version(db: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::tests::TempDir;

    #[test]
    fn migration_keeps_the_data() {
        let dir = TempDir::new();
        std::fs::create_dir_all(&dir.0).expect("a folder");
        let old = Connection::open(dir.0.join("rooms.sqlite3")).expect("made");
        old.execute_batch(VERSION_1).expect("the first tables");
        old.pragma_update(None, "user_version", 1).expect("the first version");
        old.execute("INSERT INTO rooms (name, created) VALUES ('band', 5)", []).expect("a room");
        drop(old);
        let store = Store::open(&dir.0).expect("opens");
        let count = |query: &str| store.db.query_row(query, [], |row| row.get::<_, i64>(0)).expect("a number");
        assert_eq!(count("SELECT created FROM rooms WHERE name = 'band'"), 5);
        assert_eq!(count("SELECT count(*) FROM sessions"), 0);
        assert_eq!(count("PRAGMA user_version"), MIGRATIONS.len() as i64);
    }
}
