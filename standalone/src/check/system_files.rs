//! Reads the text files in which Linux describes itself.

use std::fs;
use std::path::PathBuf;

/// `/proc`, `/sys`, `/boot` and `/etc` below a root folder: that of this machine, or a test's own.
pub(super) struct SystemFiles {
    root: PathBuf,
}

impl SystemFiles {
    pub(super) fn of_this_machine() -> SystemFiles {
        SystemFiles { root: PathBuf::from("/") }
    }

    /// The file's text without white space at its ends. `None`: it does not exist or cannot be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        Some(fs::read_to_string(self.root.join(path)).ok()?.trim().to_owned())
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The names in a folder, sorted. Empty: it does not exist or cannot be read.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    /// Whether this is Linux.
    pub(super) fn is_linux(&self) -> bool {
        self.exists("proc/version")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A folder with the files of an imagined system. Dropping it removes it.
    pub(in crate::check) struct FakeSystem(PathBuf);

    impl FakeSystem {
        pub(in crate::check) fn new() -> FakeSystem {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("rtjam-check-{}-{n}", std::process::id()));
            fs::create_dir_all(&root).expect("the temporary folder can be written");
            FakeSystem(root)
        }

        /// Adds or replaces a file.
        pub(in crate::check) fn with(self, path: &str, text: &str) -> FakeSystem {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("own folder");
            fs::write(path, text).expect("own folder");
            self
        }

        pub(in crate::check) fn files(&self) -> SystemFiles {
            SystemFiles { root: self.0.clone() }
        }
    }

    impl Drop for FakeSystem {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn missing_files_are_unknown() {
        let system = FakeSystem::new().with("proc/version", " Linux \n").with("sys/b", "").with("sys/a", "");
        let files = system.files();
        assert_eq!((files.read("proc/version").as_deref(), files.read("proc/none")), (Some("Linux"), None));
        assert_eq!((files.names("sys"), files.names("none")), (vec!["a".to_owned(), "b".to_owned()], Vec::new()));
        assert!(files.is_linux());
    }
}
