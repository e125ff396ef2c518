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

/// Texts of the files in a crate's folder that are named for a licence, and of those beside its fonts, with line ends of Unix.
fn texts(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for (folder, is_fonts) in [(folder.to_owned(), false), (folder.join("fonts"), true)] {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_text = path.extension().is_some_and(|e| e == "txt");
            if path.is_file() && (is_named_for_licence(&path) || is_fonts && is_text) {
                texts.push(String::from_utf8_lossy(&fs::read(&path)?).replace("\r\n", "\n").trim_end().to_owned());
            }
        }
    }
    Ok(texts)
}

fn is_named_for_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    let starts = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"];
    starts.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    /// The licences that ask for their text are among the texts: of a crate, and of the editor's fonts.
    #[test]
    fn texts_of_crates_and_fonts_are_there() {
        let dependencies = Dependencies::of_products(&Workspace::find()).expect("cargo resolves them");
        let all = render(&dependencies).expect("all crates can be read");
        let ring = dependencies.crates.iter().find(|one| one.id.name == "ring").expect("ring is linked");
        assert!(all.contains(&name(ring)));
        for text in ["Permission is hereby granted, free of charge", "SIL OPEN FONT LICENSE", "UBUNTU FONT LICENCE"] {
            assert!(all.contains(text), "{text}");
        }
    }
}
