//! What outlives the process: a SQLite database in the data folder, with a write-ahead log, so that `invite` works
//! beside a running server and a killed one loses nothing that it had committed.

mod bans;
mod health;
mod identity;
mod orders;
mod rooms;
mod schema;
mod sessions;
mod settings;
mod slots;

pub use bans::BanRecord;
pub use health::{StoreHealth, Work};
pub use settings::Reachable;

use crate::Failure;
use crate::data_dir;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use schema::Unfit;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = data_dir::DATABASE;

/// How long one program waits for the other's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// The database. Its functions block; no async thread calls them while the server runs.
pub struct Store {
    db: Connection,
    dir: PathBuf,
}

impl Store {
    /// Opens the database in a data folder; makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be opened, made, or read.
    pub fn open(dir: &Path) -> Result<Store, Failure> {
        data_dir::create(dir)?;
        let path = dir.join(FILE);
        // SQLite gives its other files the mode of this one; those of before have theirs.
        data_dir::private_file(&path).map_err(|e| data_dir::not_writable(dir, &e))?;
        for of_sqlite in ["", "-wal", "-shm"] {
            data_dir::close_file(&dir.join(format!("{FILE}{of_sqlite}")))?;
        }
        let deadline = Instant::now() + BUSY;
        loop {
            match connect(&path) {
                Ok(db) => return Ok(Store { db, dir: dir.to_owned() }),
                // Turning the write-ahead log on does not wait for another program that does the same.
                Err(Unfit::Sqlite(e)) if is_busy(&e) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(Unfit::Newer) => {
                    return Err(Failure::new(format!(
                        "The data folder {} was last used by a newer rtjam-server. Update this one, or name another \
                         folder with --data DIR.",
                        dir.display()
                    )));
                }
                Err(Unfit::Sqlite(e)) => return Err(failure(dir, &e)),
            }
        }
    }

    /// From now on a commit outlives the process at once, but a power cut only from the next checkpoint on: enough
    /// for seats, which are taken while musicians wait.
    ///
    /// # Errors
    /// When the database fails.
    pub fn prefer_speed(&self) -> Result<(), Failure> {
        self.db.pragma_update(None, "synchronous", "NORMAL").map_err(|e| self.failed(&e))
    }

    /// A number that changes whenever another program has changed the database.
    ///
    /// # Errors
    /// When the database fails.
    pub fn version(&self) -> Result<i64, Failure> {
        self.db.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &rusqlite::Error) -> Failure {
        failure(&self.dir, error)
    }
}

fn connect(path: &Path) -> Result<Connection, Unfit> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // Keys and secrets that were handed out must not be forgotten, nor may revoked ones come back.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // Negative: KiB.
    db.pragma_update(None, "cache_size", -256)?;
    schema::migrate(&mut db)?;
    Ok(db)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn failure(dir: &Path, error: &rusqlite::Error) -> Failure {
    let dir = dir.display();
    Failure::new(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => format!(
            "The database in the data folder {dir} cannot be written: the disk is full or failing ({error}). Make \
             room there (`df -h {dir}` shows it), or name another folder with --data DIR."
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "The data folder {dir} cannot be written ({error}). Make it writable for this user, or name another with \
             --data DIR."
        ),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => format!(
            "The database {FILE} in the data folder {dir} is damaged ({error}). Put a backup in its place; or move it \
             away, which makes new rooms, and send new invite links."
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("Another program holds the database in the data folder {dir}. End it, or try again.")
        }
        _ => format!("The database in the data folder {dir} does not work: {error}."),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A folder that goes away with its owner.
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
    fn a_database_of_a_later_version_is_left_alone() {
        let dir = TempDir::new();
        Store::open(&dir.0).expect("a new one").db.pragma_update(None, "user_version", 99).expect("written");
        let error = Store::open(&dir.0).err().expect("refused").to_string();
        assert!(error.contains("newer rtjam-server"), "{error}");
    }

    #[test]
    fn a_damaged_database_is_named_with_what_to_do() {
        let dir = TempDir::new();
        data_dir::create(&dir.0).expect("a folder");
        std::fs::write(dir.0.join(FILE), vec![b'x'; 4096]).expect("written");
        let error = Store::open(&dir.0).err().expect("refused").to_string();
        assert!(error.contains("damaged") && error.contains("backup"), "{error}");
    }

    #[test]
    fn programs_that_start_at_the_same_time_agree() {
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
    fn others_lose_access_to_an_open_database() {
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
    fn only_the_owner_may_read_it() {
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
