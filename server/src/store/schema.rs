//! The database's tables, and how those of an older version become today's.

use rusqlite::{Connection, TransactionBehavior};

/// Each entry leads from the version of its index to the next. Never change one that was released; append.
const MIGRATIONS: [&str; 1] = ["
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
"];

/// Why the tables are not as this program needs them.
pub(super) enum Unfit {
    /// A later program made them.
    Newer,
    /// The database says no.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(e: rusqlite::Error) -> Unfit {
        Unfit::Sqlite(e)
    }
}

/// Brings the tables up to date. Two programs may do so at once.
pub(super) fn migrate(db: &mut Connection) -> Result<(), Unfit> {
    if version(db)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = version(&transaction)?;
    let steps = MIGRATIONS.get(from..).ok_or(Unfit::Newer)?;
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
