//! Checks that the tests that the threat model names exist.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the repository that contain tests.
const TEST_FOLDERS: [&str; 6] = ["crates", "plugin", "server", "tests", "tools", "xtask"];

/// Every row of the threat table in docs/SECURITY.md names tests that exist.
#[test]
fn threat_rows_name_existing_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/SECURITY.md")).expect("docs/SECURITY.md exists");
    let mut existing = HashSet::new();
    for folder in TEST_FOLDERS {
        collect(&root.join(folder), &mut existing);
    }
    let rows = page.lines().skip_while(|line| !line.starts_with("| threat |")).skip(2);
    let mut count = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let names: Vec<&str> = row.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in: {row}");
        for name in names {
            assert!(existing.contains(name), "there is no test {name}: {row}");
        }
        count += 1;
    }
    assert!(count > 20, "only {count} rows were found");
}

/// Adds the names of all tests in the Rust files below `folder`.
fn collect(folder: &Path, names: &mut HashSet<String>) {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    folders.iter().for_each(|folder| collect(folder, names));
    for file in files.iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            let is_test = line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let named = is_test.then(|| lines.find(|line| line.contains("fn "))).flatten();
            let name = named.and_then(|line| line.split("fn ").nth(1)).and_then(|rest| rest.split(['(', '<']).next());
            names.extend(name.map(str::to_owned));
        }
    }
}
