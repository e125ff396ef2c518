//! Checks the data folder's disk.

use super::Finding;
use crate::data_dir;
use crate::platform::free_disk_space;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PART: &str = "disk";

/// The free space below which there is a warning. Rooms, secrets, seats and years of records take a few MiB.
const LOW_SPACE_MIB: u64 = 100;

/// The duration of a write above which there is a warning. A join waits for one write, audio for none.
const SLOW_WRITE: Duration = Duration::from_millis(100);

/// Checks whether the data folder can be written, and how fast.
pub(super) fn disk(data: &Path) -> Finding {
    let is_new = !data.exists();
    let measured = write(data, is_new);
    match measured {
        Ok(took) => judge(data, took, free_disk_space(&nearest_existing(data)).map(|bytes| bytes >> 20)),
        Err(e) => Finding::bad(
            PART,
            format!("the data folder {} cannot be used", data.display()),
            data_dir::not_writable(data, e).to_string(),
        ),
    }
}

fn judge(data: &Path, took: Duration, free_mib: Option<u64>) -> Finding {
    let free = free_mib.map_or_else(String::new, |mib| format!(", {mib} MiB free"));
    let seen = format!("a write to {} takes {:.1} ms{free}", data.display(), took.as_secs_f64() * 1000.0);
    if let Some(mib) = free_mib.filter(|mib| *mib < LOW_SPACE_MIB) {
        return Finding::warn(
            PART,
            seen,
            format!("{mib} MiB may not be enough. Make room, or name another folder with --data DIR."),
        );
    }
    if took > SLOW_WRITE {
        return Finding::warn(PART, seen, "Each join takes that much longer; audio is not affected. Use a local disk.");
    }
    Finding::good(PART, seen)
}

/// The median duration of a few small writes to the disk. Leaves no file behind.
fn write(data: &Path, is_new: bool) -> io::Result<Duration> {
    // A folder that the check creates is removed again.
    fs::create_dir_all(data)?;
    let path = data.join(format!(".check-{}", std::process::id()));
    let result = measure(&path);
    let _ = fs::remove_file(&path);
    if is_new {
        // Parent folders that were created stay.
        let _ = fs::remove_dir(data);
    }
    result
}

fn measure(path: &Path) -> io::Result<Duration> {
    let mut file = File::create(path)?;
    let mut took = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

/// The folder itself, or its nearest ancestor that exists.
fn nearest_existing(path: &Path) -> PathBuf {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::TempDir;
    use rtjam_check::Verdict;

    /// The check writes to the real folder and leaves it as it was.
    #[test]
    fn check_leaves_the_folder_unchanged() {
        let dir = TempDir::new();
        let finding = disk(&dir.0);
        assert!(finding.verdict != Verdict::Bad && finding.seen.contains("a write to"), "{finding}");
        assert!(!dir.0.exists());
        fs::create_dir(&dir.0).expect("made");
        disk(&dir.0);
        assert_eq!(fs::read_dir(&dir.0).expect("still there").count(), 0);
        fs::remove_dir(&dir.0).expect("empty");
        fs::write(&dir.0, "in the way").expect("a file");
        let bad = disk(&dir.0);
        fs::remove_file(&dir.0).expect("removed");
        assert!(bad.verdict == Verdict::Bad && bad.advice.is_some_and(|a| a.contains("--data DIR")));
    }

    #[test]
    fn slow_and_full_disks_are_warned_about() {
        let verdict = |ms, mib| judge(Path::new("/d"), Duration::from_millis(ms), mib).verdict;
        assert_eq!((verdict(5, Some(5000)), verdict(5, None)), (Verdict::Good, Verdict::Good));
        assert_eq!((verdict(5, Some(99)), verdict(200, None)), (Verdict::Warn, Verdict::Warn));
    }
}
