//! The SQLite database in the data folder. It has a write-ahead log, so `invite` works beside a running server, and a server
//! that is killed loses nothing that it has committed.
//!
//! `database` opens it; each other module adds one kind of data to [`Store`].

mod database;
mod health;
mod moderation;
mod rooms;
mod schema;
mod server;
mod sessions;

pub use database::{Store, StoreError};
pub use health::{StoreAccess, StoreHealth};
pub use moderation::BanRecord;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data_dir::{self, DATABASE};
    use rtjam_platform::private::{self, Readers};
    use std::path::PathBuf;
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

    #[test]
    fn other_users_lose_access() {
        let dir = TempDir::new();
        let first = Store::open(&dir.0).expect("opens");
        let files = || std::fs::read_dir(&dir.0).expect("readable").map(|file| file.expect("an entry").path());
        files().chain([dir.0.clone()]).for_each(|path| private::share_with_all(&path).expect("ours"));
        let _second = Store::open(&dir.0).expect("opens");
        let is_private = |path: PathBuf| private::readers(&path).expect("is there") == Readers::OwnerOnly;
        assert!(is_private(dir.0.clone()) && files().count() >= 3 && files().all(is_private));
        drop(first);
    }

    #[test]
    fn only_the_owner_has_access() {
        let dir = TempDir::new();
        let _store = Store::open(&dir.0).expect("opens");
        assert_eq!(private::readers(&dir.0).expect("is there"), Readers::OwnerOnly);
        for file in std::fs::read_dir(&dir.0).expect("readable") {
            let file = file.expect("an entry").path();
            assert_eq!(private::readers(&file).expect("is there"), Readers::OwnerOnly, "{file:?}");
        }
    }
}
