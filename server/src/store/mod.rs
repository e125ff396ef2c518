//! The SQLite database in the data folder. It has a write-ahead log, so `invite` works beside a running server, and a server
//! that is killed loses nothing that it has committed.

mod bans;
mod commands;
mod health;
mod rooms;
mod schema;
mod server;
mod sessions;
mod slots;

pub use bans::BanRecord;
pub use health::{StoreAccess, StoreHealth};

use crate::data_dir::{self, DATABASE, DataDirError};
use crate::failure::OperatorError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use schema::MigrationError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one program waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database. Its functions block; no async thread calls them while the server runs.
pub struct Store {
    db: Connection,
    dir: PathBuf,
}

/// Why the database cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The data folder cannot be used.
    DataDir(DataDirError),
    /// A newer version of the program made the database.
    Newer(PathBuf),
    /// The database failed.
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
        data_dir::create(dir).map_err(StoreError::DataDir)?;
        let path = dir.join(DATABASE);
        // SQLite gives its other files the mode of this one, but does not change files that exist.
        data_dir::private_file(&path).map_err(|e| StoreError::DataDir(data_dir::not_writable(dir, e)))?;
        for suffix in ["", "-wal", "-shm"] {
            data_dir::make_file_private(&dir.join(format!("{DATABASE}{suffix}"))).map_err(StoreError::DataDir)?;
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
    ///
    /// # Errors
    /// When the database fails.
    pub fn relax_durability(&self) -> Result<(), StoreError> {
        self.db.pragma_update(None, "synchronous", "NORMAL").map_err(|e| self.failed(e))
    }

    /// A number that changes whenever another program has changed the database.
    ///
    /// # Errors
    /// When the database fails.
    pub fn version(&self) -> Result<i64, StoreError> {
        self.db.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(|e| self.failed(e))
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
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

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, error) = match self {
            StoreError::DataDir(e) => return e.fmt(f),
            StoreError::Newer(dir) => {
                return write!(
                    f,
                    "A newer rtjam-server has used the data folder {}. Update this one, or name another folder with --data \
                     DIR.",
                    dir.display()
                );
            }
            StoreError::Database { dir, error } => (dir.display(), error),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => write!(
                f,
                "The database in the data folder {dir} cannot be written: the disk is full or failing ({error}). Make \
                 room there (`df -h {dir}` shows it), or name another folder with --data DIR."
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => write!(
                f,
                "The data folder {dir} cannot be written ({error}). Make it writable for this user, or name another \
                 folder with --data DIR."
            ),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => write!(
                f,
                "The database {DATABASE} in the data folder {dir} is damaged ({error}). Restore it from a backup. Or move \
                 it away, which makes new rooms, and send new invite links."
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                write!(f, "Another program is using the database in the data folder {dir}. Stop it, or try again.")
            }
            _ => write!(f, "The database in the data folder {dir} does not work: {error}."),
        }
    }
}

impl std::error::Error for StoreError {}

impl OperatorError for StoreError {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A path that is removed when this is dropped.
    pub(crate) struct TempDir(pub(crate) PathBuf);

    impl TempDir {
        pub(crate) fn new() -> TempDir {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            TempDir(std::env::temp_dir().join(format!("rtjam-server-test-{}-{number}", std::process::id())))
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn newer_databases_are_left_alone() {
        let dir = TempDir::new();
        Store::open(&dir.0).expect("a new one").db.pragma_update(None, "user_version", 99).expect("written");
        let error = Store::open(&dir.0).err().expect("refused").to_string();
        assert!(error.contains("newer rtjam-server"), "{error}");
    }

    #[test]
    fn error_names_a_damaged_database() {
        let dir = TempDir::new();
        data_dir::create(&dir.0).expect("a folder");
        std::fs::write(dir.0.join(DATABASE), vec![b'x'; 4096]).expect("written");
        let error = Store::open(&dir.0).err().expect("refused").to_string();
        assert!(error.contains("damaged") && error.contains("backup"), "{error}");
    }

    #[test]
    fn simultaneous_starts_share_one_identity() {
        let dir = TempDir::new();
        let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let open = || {
                let mut store = Store::open(&dir.0).expect("opens");
                store.identity(|| vec![1, 2, 3]).expect("an identity")
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|k| *k == keys[0]));
    }

    #[cfg(unix)]
    #[test]
    fn other_users_lose_access() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        let open_to_all = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
        };
        let first = Store::open(&dir.0).expect("opens");
        let files = || std::fs::read_dir(&dir.0).expect("readable").map(|file| file.expect("an entry").path());
        files().for_each(|file| open_to_all(&file, 0o644));
        open_to_all(&dir.0, 0o755);
        let _second = Store::open(&dir.0).expect("opens");
        assert_eq!(mode(&dir.0), 0o700);
        assert!(files().count() >= 3 && files().all(|file| mode(&file) == 0o600));
        drop(first);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_has_access() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        let _store = Store::open(&dir.0).expect("opens");
        assert_eq!(std::fs::metadata(&dir.0).expect("is there").permissions().mode() & 0o777, 0o700);
        for file in std::fs::read_dir(&dir.0).expect("readable") {
            let file = file.expect("an entry");
            assert_eq!(file.metadata().expect("is there").permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
}
