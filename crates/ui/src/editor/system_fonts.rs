//! Fonts of the system for names in scripts that the built-in fonts lack: Chinese, Japanese, Korean, Arabic, Hebrew and
//! others.
//!
//! No font folder is read until such a letter is drawn. Then only the character maps of the fonts are read, and the file of
//! the first suitable font is loaded whole: below 1 MB for most scripts, about 20 MB for Noto Sans CJK. All windows of the
//! process share it, and it is freed with the last of them. Without a suitable font such letters stay boxes.

use crate::platform::font_folders;
use egui::epaint::text::Blob;
use egui::{Context, FallbackRequest, FontData, FontInsert, FontPriority, FontProvider, InsertFontFamily};
use skrifa::raw::tables::cmap::Cmap;
use skrifa::raw::{self, FontRead};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// Font files above this size are not loaded.
const MAX_LEN: u64 = 64 << 20;

/// Character maps above this size are not read; that of Noto Sans CJK has 200 KB.
const MAX_CMAP: usize = 4 << 20;

/// Folders are searched this deep.
const MAX_DEPTH: u32 = 5;

/// Has egui look for missing letters in the system's fonts.
pub(super) fn install(ctx: &Context) {
    ctx.add_font_provider(Arc::new(SystemFonts::default()));
}

/// Finds fonts in the system's font folders.
#[derive(Default)]
struct SystemFonts {
    /// Blocks of 256 characters without a suitable font.
    missing: Mutex<HashSet<u32>>,
}

impl FontProvider for SystemFonts {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let letter = request.cluster.chars().next().filter(|c| c.is_alphabetic())?;
        let block = u32::from(letter) >> 8;
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.contains(&block) {
            return None;
        }
        let families = vec![InsertFontFamily { family: request.family.clone(), priority: FontPriority::Lowest }];
        let found = files().iter().find_map(|path| {
            let index = face_with(path, letter)?;
            let data = FontData::from_blob(load(path)?, index);
            Some(FontInsert::new(&path.to_string_lossy(), data, families.clone()))
        });
        if found.is_none() {
            missing.insert(block);
        }
        found
    }
}

/// All font files of the system, plain sans-serif fonts first. Listed once per process.
fn files() -> &'static [PathBuf] {
    static FILES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        font_folders().iter().for_each(|folder| list(folder, MAX_DEPTH, &mut files));
        files.sort_by_cached_key(|path| (rank(path), path.clone()));
        files
    })
}

fn list(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        if extension.is_some_and(|extension| ["ttf", "otf", "ttc", "otc"].iter().any(|known| extension == *known)) {
            files.push(path);
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&path, depth - 1, files);
        }
    }
}

/// How far a font is from a plain sans-serif one, by its file's name.
fn rank(path: &Path) -> usize {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let unwanted = ["bold", "italic", "oblique", "light", "thin", "black", "mono", "serif", "condensed"];
    let preferred = ["sans", "regular"];
    2 * unwanted.iter().filter(|word| name.contains(*word)).count()
        + preferred.iter().filter(|word| !name.contains(*word)).count()
}

/// The index of the first face in the file that has the letter.
fn face_with(path: &Path, letter: char) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    (0..faces(&mut file).ok()?).find(|index| {
        let cmap = read_cmap(&mut file, *index).ok().flatten().unwrap_or_default();
        Cmap::read(raw::FontData::new(&cmap)).is_ok_and(|cmap| cmap.map_codepoint(letter).is_some())
    })
}

/// The tag of font collections.
const COLLECTION: [u8; 4] = *b"ttcf";

/// The number of faces in a font file.
fn faces(file: &mut File) -> io::Result<u32> {
    let [tag, _, count] = read_words(file, 0)?;
    Ok(if tag.to_be_bytes() == COLLECTION { count.min(64) } else { 1 })
}

/// The character map (table `cmap`) of a face; `None` if it has none.
fn read_cmap(file: &mut File, index: u32) -> io::Result<Option<Vec<u8>>> {
    let [tag] = read_words(file, 0)?;
    let start = if tag.to_be_bytes() == COLLECTION {
        let [offset] = read_words(file, 12 + 4 * u64::from(index))?;
        u64::from(offset)
    } else {
        0
    };
    let [_, tables] = read_words(file, start)?;
    for table in 0..u64::from(tables >> 16) {
        let [tag, _, offset, length] = read_words(file, start + 12 + 16 * table)?;
        if tag.to_be_bytes() == *b"cmap" {
            let mut bytes = vec![0; (length as usize).min(MAX_CMAP)];
            file.seek(SeekFrom::Start(offset.into()))?;
            file.read_exact(&mut bytes)?;
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Big-endian words of 32 bits.
fn read_words<const N: usize>(file: &mut File, at: u64) -> io::Result<[u32; N]> {
    file.seek(SeekFrom::Start(at))?;
    let mut words = [0; N];
    for word in &mut words {
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes)?;
        *word = u32::from_be_bytes(bytes);
    }
    Ok(words)
}

/// The content of a font file, which all windows of the process share.
fn load(path: &Path) -> Option<Blob> {
    static LOADED: Mutex<Option<HashMap<PathBuf, Weak<Vec<u8>>>>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded.get_or_insert_default();
    if let Some(bytes) = loaded.get(path).and_then(Weak::upgrade) {
        return Some(bytes);
    }
    if fs::metadata(path).ok()?.len() > MAX_LEN {
        return None;
    }
    let bytes = Arc::new(fs::read(path).ok()?);
    loaded.insert(path.to_owned(), Arc::downgrade(&bytes));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::FontId;

    /// Scripts that the built-in fonts lack, each as a name.
    const NAMES: [&str; 5] = ["דוד", "أحمد", "山田太郎", "김민준", "王伟"];

    fn shows(ctx: &Context, name: &str) -> bool {
        ctx.fonts_mut(|fonts| name.chars().all(|c| fonts.has_glyph(&FontId::proportional(13.0), c)))
    }

    /// A name is shown if and only if some font of the system has its letters.
    #[test]
    fn names_use_system_fonts() {
        let (plain, ctx) = (Context::default(), Context::default());
        install(&ctx);
        for ctx in [&plain, &ctx] {
            ctx.run_ui(egui::RawInput::default(), |_| {}).textures_delta.clear();
        }
        for name in NAMES {
            assert!(!shows(&plain, name), "{name} is in the built-in fonts: choose another name");
            let installed = name.chars().all(|c| files().iter().any(|path| face_with(path, c).is_some()));
            if !installed {
                eprintln!("skipped {name}: no font on this system has its letters");
            }
            assert_eq!(shows(&ctx, name), installed, "{name}");
        }
    }

    /// Windows share a loaded font, which is freed with the last of them.
    #[test]
    fn loaded_fonts_are_shared() {
        let Some(path) = files().first() else {
            eprintln!("skipped: this system has no fonts");
            return;
        };
        let (one, two) = (load(path).expect("a font"), load(path).expect("a font"));
        assert!(std::ptr::eq((*one).as_ref(), (*two).as_ref()));
        let weak = Arc::downgrade(&one);
        drop((one, two));
        assert!(weak.upgrade().is_none());
    }

    /// Plain sans-serif fonts come first.
    #[test]
    fn plain_fonts_come_first() {
        let mut names = ["DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf", "NotoSansHebrew-Regular.ttf", "Other.ttf"];
        names.sort_by_key(|name| rank(Path::new(name)));
        assert_eq!(names[0], "NotoSansHebrew-Regular.ttf");
        assert_eq!(names[3], "DejaVuSerif-Bold.ttf");
    }

    /// Files that are not fonts have no letters and do no harm.
    #[test]
    fn broken_files_are_skipped() {
        let path = std::env::temp_dir().join(format!("rtjam-font-{}.ttf", std::process::id()));
        for content in [&b""[..], b"ttcf", b"ttcf\0\0\0\0\xff\xff\xff\xff", b"\0\x01\0\0\xff\xff\0\0\0\0\0\0cmap"] {
            fs::write(&path, content).expect("written");
            assert_eq!(face_with(&path, 'a'), None);
        }
        fs::remove_file(&path).expect("removed");
    }
}
