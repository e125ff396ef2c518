//! The key pair in the config folder.

use rtjam_client::{Identity, IdentityError};
use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;

/// A folder of the test's own; its parent exists, it does not.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("rtjam-identity-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn programs_that_start_together_are_the_same_musician() {
    let folder = folder("race");
    let together = Barrier::new(8);
    for _ in 0..20 {
        let ids: Vec<_> = std::thread::scope(|scope| {
            let load = || {
                together.wait();
                Identity::load_or_create(&folder.join("new")).expect("an identity").musician()
            };
            let programs: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            programs.into_iter().map(|p| p.join().expect("no panic")).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let files: Vec<_> = fs::read_dir(folder.join("new")).expect("a folder").flatten().collect();
        assert_eq!(files.len(), 1, "drafts were left behind: {files:?}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}

#[test]
fn it_is_the_same_one_next_time_and_nobody_else_may_read_it() {
    let folder = folder("again");
    let first = Identity::load_or_create(&folder).expect("an identity");
    let second = Identity::load_or_create(&folder).expect("an identity");
    assert_eq!(first.musician(), second.musician());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.join("identity.p8")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_damaged_file_is_told_and_left_alone() {
    let folder = folder("damaged");
    fs::create_dir_all(&folder).expect("a folder");
    for content in [&b"not a key"[..], b""] {
        fs::write(folder.join("identity.p8"), content).expect("written");
        let error = Identity::load_or_create(&folder).expect_err("no identity");
        assert!(matches!(error, IdentityError::Damaged(_)), "{error:?}");
        assert!(error.to_string().contains("identity.p8"), "{error}");
        assert_eq!(fs::read(folder.join("identity.p8")).expect("still there"), content);
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let folder = folder("blocked");
    fs::write(&folder, "a file where the folder should be").expect("written");
    let error = Identity::load_or_create(&folder).expect_err("no identity");
    assert!(matches!(error, IdentityError::Io(..)) && error.to_string().contains("Make that folder writable"));
    fs::remove_file(&folder).expect("removed");
}
