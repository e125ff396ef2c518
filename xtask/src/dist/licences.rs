//! The licence texts of all crates, which their licences want to be part of every archive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::dependencies::{Crate, Dependencies};

/// Each text once, below the names of the crates that have it.
pub(super) fn render(dependencies: &Dependencies) -> Result<String, String> {
    let mut crates_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without = String::new();
    for one in &dependencies.crates {
        let texts = texts(&one.folder).map_err(|e| format!("cannot read {}: {e}.", one.folder.display()))?;
        if texts.is_empty() {
            let _ = writeln!(without, "{} ({})", name(one), one.authors.join(", "));
        }
        for text in texts {
            crates_of.entry(text).or_default().push(name(one));
        }
    }
    let mut all = String::from("RTJam contains these Rust crates under their own licences.\n");
    let mut by_name: Vec<(String, String)> =
        crates_of.into_iter().map(|(text, names)| (names.join("\n"), text)).collect();
    by_name.sort();
    for (names, text) in by_name {
        let _ = write!(all, "\n{}\n{names}\n\n{text}\n", "=".repeat(80));
    }
    let _ = write!(
        all,
        "\n{}\nCrates that name their licence and contain no text of it, with their authors:\n{without}",
        "=".repeat(80)
    );
    Ok(all)
}

fn name(one: &Crate) -> String {
    format!("{} {}: {}", one.id.name, one.id.version, one.licence.as_deref().unwrap_or("see below"))
}

/// Texts of the files in a crate's folder that are named for a licence, with line ends of Unix.
fn texts(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let is_licence = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"];
        if path.is_file() && is_licence.iter().any(|start| name.starts_with(start)) {
            texts.push(String::from_utf8_lossy(&fs::read(&path)?).replace("\r\n", "\n").trim_end().to_owned());
        }
    }
    Ok(texts)
}
