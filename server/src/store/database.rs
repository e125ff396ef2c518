//! Opens the database.

use super::schema::{self, MigrationError};
use crate::data_dir::{self, DATABASE, DataDirError};
use crate::failure::OperatorError;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one program waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database. Its functions block; no async thread calls them while the server runs. Each returns an error when the
/// database fails.
pub struct Store {
    pub(super) db: Connection,
    pub(super) dir: PathBuf,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A newer version of the program made the database.
    #[error(
        "A newer rtjam-server has used the data folder {0}. Update this one, or name another folder with --data DIR."
    )]
    Newer(PathBuf),
    /// The database failed.
    #[error("{}", sentence(.dir, .error))]
    Database {
        /// The data folder.
        dir: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
}

impl Store {
    /// Opens the database in a data folder; creates both if they are missing.
    ///
    /// # Errors
    /// When the database cannot be opened, created or read.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        data_dir::create(dir)?;
        let path = dir.join(DATABASE);
        // SQLite gives its other files the mode of this one, but does not change files that exist.
        data_dir::private_file(&path).map_err(|e| data_dir::not_writable(dir, e))?;
        for suffix in ["", "-wal", "-shm"] {
            data_dir::make_file_private(&dir.join(format!("{DATABASE}{suffix}")))?;
        }
        let deadline = Instant::now() + BUSY_TIMEOUT;
        loop {
            match connect(&path) {
                Ok(db) => return Ok(Store { db, dir: dir.to_owned() }),
                // Turning on the write-ahead log does not wait for another program that does the same.
                Err(MigrationError::Sqlite(e)) if is_busy(&e) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(MigrationError::Newer) => return Err(StoreError::Newer(dir.to_owned())),
                Err(MigrationError::Sqlite(error)) => return Err(StoreError::Database { dir: dir.to_owned(), error }),
            }
        }
    }

    /// From now on a commit survives the end of the process at once, and a power cut after the next checkpoint. That is
    /// enough for seats, which are stored while musicians wait.
    pub fn relax_durability(&self) -> Result<(), StoreError> {
        self.db.pragma_update(None, "synchronous", "NORMAL").map_err(|e| self.failed(e))
    }

    /// A number that changes whenever another program has changed the database.
    pub fn version(&self) -> Result<i64, StoreError> {
        self.db.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(|e| self.failed(e))
    }

    /// Executes a statement that returns no rows.
    pub(super) fn execute(&self, statement: &str, values: impl Params) -> Result<(), StoreError> {
        let execute = || self.db.prepare_cached(statement)?.execute(values);
        execute().map(drop).map_err(|e| self.failed(e))
    }

    /// The rows that a query finds.
    pub(super) fn rows<T>(
        &self,
        query: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = || -> rusqlite::Result<Vec<T>> { self.db.prepare_cached(query)?.query_map(values, read)?.collect() };
        rows().map_err(|e| self.failed(e))
    }

    /// The first row that a query finds.
    pub(super) fn row<T>(
        &self,
        query: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(query, values, read)?.into_iter().next())
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::Database { dir: self.dir.clone(), error }
    }
}

fn connect(path: &Path) -> Result<Connection, MigrationError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut must neither lose keys and secrets that were handed out nor bring back revoked ones.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // A negative size is in KiB.
    db.pragma_update(None, "cache_size", -256)?;
    schema::migrate(&mut db)?;
    Ok(db)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What happened to the database, and what to do.
fn sentence(dir: &Path, error: &rusqlite::Error) -> String {
    let dir = dir.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => format!(
            "The database in the data folder {dir} cannot be written: the disk is full or failing ({error}). Make room \
             there (`df -h {dir}` shows it), or name another folder with --data DIR."
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "The data folder {dir} cannot be written ({error}). Make it writable for this user, or name another folder \
             with --data DIR."
        ),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => format!(
            "The database {DATABASE} in the data folder {dir} is damaged ({error}). Restore it from a backup. Or move it \
             away, which makes new rooms, and send new invite links."
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("Another program is using the database in the data folder {dir}. Stop it, or try again.")
        }
        _ => format!("The database in the data folder {dir} does not work: {error}."),
    }
}

impl OperatorError for StoreError {}
