//! The identity key in the config folder.

use rtjam_client::{Identity, IdentityError};
use rtjam_platform::private::{self, Readers};
use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;

/// A path for the test's own folder, which does not exist yet.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("rtjam-identity-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// Programs that start together get the same identity.
#[test]
fn simultaneous_starts_share_an_identity() {
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
        assert_eq!(files.len(), 1, "temporary files were left behind: {files:?}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}

/// The identity persists, in a file that only its owner may read.
#[test]
fn identity_persists_privately() {
    let folder = folder("again");
    let first = Identity::load_or_create(&folder).expect("an identity");
    let second = Identity::load_or_create(&folder).expect("an identity");
    assert_eq!(first.musician(), second.musician());
    assert_eq!(private::readers(&folder.join("identity.p8")).expect("a file"), Readers::OwnerOnly);
    fs::remove_dir_all(&folder).expect("removed");
}

/// A damaged file is an error and stays as it is.
#[test]
fn damaged_file_is_kept() {
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

/// A folder that cannot be created is an error with advice.
#[test]
fn blocked_folder_is_an_error() {
    let folder = folder("blocked");
    fs::write(&folder, "a file where the folder should be").expect("written");
    let error = Identity::load_or_create(&folder).expect_err("no identity");
    assert!(matches!(error, IdentityError::Io(..)) && error.to_string().contains("Make that folder writable"));
    fs::remove_file(&folder).expect("removed");
}
