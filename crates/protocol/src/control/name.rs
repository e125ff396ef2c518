//! Display names: which characters they contain, and which names look alike.
//!
//! | in a name | result |
//! |---|---|
//! | control characters, format characters (including bidirectional marks and U+061C), private and unassigned characters | removed |
//! | default-ignorable characters: zero-width joiners, variation selectors, tags, fillers | removed |
//! | white space, line separators, the blank Braille pattern | one space; none at either end |
//! | combining marks | at most [`MAX_MARKS`] after a base character, none without one |
//! | everything else | kept, in normalization form C |
//!
//! An emoji sequence with joiners, variation selectors or tags therefore appears as its single emoji: a family as its
//! members, the flag of Wales as a black flag. Skin tones and national flags are kept.

use alloc::string::String;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// Maximum length of a name in characters.
pub const MAX_NAME: usize = 40;

/// Maximum length of a name in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 160;

/// The most combining marks after one base character.
pub const MAX_MARKS: usize = 3;

/// The most characters of the input that are examined.
const MAX_READ: usize = 1024;

/// Replaces an empty name.
const NAMELESS: &str = "Musician";

/// Cleans a name as the module's table says. The result has at most [`MAX_NAME`] characters and [`MAX_NAME_BYTES`] bytes;
/// an empty name becomes "Musician". Cleaning a clean name changes nothing.
pub fn tidy_name(name: &str) -> String {
    tidy_within(name, MAX_NAME, MAX_NAME_BYTES)
}

/// The cleaned name followed by a number, for example "Ann 2". The name is shortened so that both fit.
pub fn numbered_name(name: &str, number: u16) -> String {
    let suffix = alloc::format!(" {number}");
    tidy_within(name, MAX_NAME - suffix.len(), MAX_NAME_BYTES - suffix.len()) + &suffix
}

/// A form of a name in which confusable names are equal: names that differ only in letter case, or that Unicode Technical
/// Standard 39 calls confusable.
#[derive(Clone, Debug)]
pub struct NameSkeleton {
    as_written: String,
    in_lowercase: String,
}

impl NameSkeleton {
    /// The skeleton of a name.
    pub fn of(name: &str) -> NameSkeleton {
        NameSkeleton { as_written: skeleton(name).collect(), in_lowercase: skeleton(&name.to_lowercase()).collect() }
    }

    /// Whether a reader could mistake one name for the other.
    pub fn is_confusable_with(&self, other: &NameSkeleton) -> bool {
        self.as_written == other.as_written || self.in_lowercase == other.in_lowercase
    }
}

fn tidy_within(name: &str, max_chars: usize, max_bytes: usize) -> String {
    let shown = name.chars().take(MAX_READ).map(|c| if is_blank(c) { ' ' } else { c }).filter(|c| is_visible(*c));
    let mut tidy = String::new();
    let (mut chars, mut marks) = (0, MAX_MARKS);
    for c in shown.nfc() {
        if is_mark(c) {
            if marks == MAX_MARKS {
                continue;
            }
            marks += 1;
        } else if c == ' ' {
            // A mark must not follow a space.
            marks = MAX_MARKS;
            if tidy.is_empty() || tidy.ends_with(' ') {
                continue;
            }
        } else {
            marks = 0;
        }
        if chars == max_chars || tidy.len() + c.len_utf8() > max_bytes {
            break;
        }
        chars += 1;
        tidy.push(c);
    }
    tidy.truncate(tidy.trim_end().len());
    if tidy.is_empty() { String::from(NAMELESS) } else { tidy }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

fn is_visible(c: char) -> bool {
    // A skeleton omits exactly the default-ignorable characters.
    let is_ignorable = || skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
    // U+1D159, the musical null notehead, is drawn as nothing.
    c == ' ' || (c.general_category_group() != GeneralCategoryGroup::Other && c != '\u{1D159}' && !is_ignorable())
}

fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    matches!(c.general_category(), EnclosingMark | NonspacingMark | SpacingMark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Invisible characters and characters that reorder text are removed.
    #[test]
    fn invisible_characters_leave_the_name() {
        for (name, shown) in [
            ("A\u{202E}nn\u{2066}\u{0}", "Ann"),
            ("Ann\u{61C}\u{200E}\u{200F}", "Ann"),
            ("A\u{200B}n\u{200D}n\u{200C}\u{FEFF}\u{AD}", "Ann"),
            ("Ann\u{E0041}\u{FE0F}\u{3164}\u{115F}\u{FFA0}", "Ann"),
            ("An\u{E000}n\u{FFFF}\u{FFF9}", "Ann"),
            ("\u{2800}Ann \u{A0}\u{2028}\u{2800} Lee\u{1D159}", "Ann Lee"),
            (" \u{200F} \u{3164}", "Musician"),
            ("", "Musician"),
        ] {
            assert_eq!(tidy_name(name), shown, "{name:?}");
        }
    }

    /// A base character keeps three marks, a mark without a base is removed, and the result is composed.
    #[test]
    fn stacked_marks_are_limited_to_three() {
        let zalgo = "Z\u{335}\u{321}\u{322}\u{327}\u{328}\u{344}oe\u{301}\u{316}";
        assert_eq!(tidy_name(zalgo), "Z\u{335}\u{321}\u{322}o\u{E9}\u{316}");
        assert_eq!(tidy_name("\u{301}\u{301}Ann \u{301}"), "Ann");
        assert_eq!(tidy_name("A\u{30A}sa"), "\u{C5}sa");
    }

    /// Emoji are kept, and emoji sequences become their parts.
    #[test]
    fn emoji_sequences_show_their_parts() {
        assert_eq!(tidy_name("👩\u{200D}🎤 Ann"), "👩🎤 Ann");
        assert_eq!(tidy_name("👍🏽 🇳🇴 ☺\u{FE0F}"), "👍🏽 🇳🇴 ☺");
    }

    /// Names respect both limits, with a number as well.
    #[test]
    fn names_respect_length_limits() {
        assert_eq!(tidy_name(&"é".repeat(99)), "é".repeat(40));
        assert_eq!(tidy_name(&"🎸".repeat(99)).len(), 160);
        assert_eq!(numbered_name(&"é".repeat(99), 12), "é".repeat(37) + " 12");
        assert_eq!(numbered_name(&"🎸".repeat(99), 2).len(), 38 * 4 + 2);
        assert_eq!(numbered_name("Ann", 2), "Ann 2");
    }

    /// Names in other scripts, in other case, or with digits for letters are confusable.
    #[test]
    fn confusable_names_look_alike() {
        for (a, b) in [("Ann", "Аnn"), ("Ann", "ANN"), ("Paul", "Pau1"), ("modern", "modem"), ("Ann", "Ann")] {
            assert!(NameSkeleton::of(a).is_confusable_with(&NameSkeleton::of(b)), "{a} {b}");
        }
        for (a, b) in [("Ann", "Anna"), ("Ann", "Ann 2"), ("Ben", "Bob")] {
            assert!(!NameSkeleton::of(a).is_confusable_with(&NameSkeleton::of(b)), "{a} {b}");
        }
    }

    proptest! {
        /// The result of any input is clean, within the limits and in normalization form C.
        #[test]
        fn any_text_becomes_a_tidy_name(text in "\\PC{0,60}|.{0,60}|[a\u{301}\u{9C7}\u{9BE}\u{200D}\u{1100}\u{1161} ]{0,60}") {
            let name = tidy_name(&text);
            prop_assert!(!name.is_empty() && name.chars().count() <= MAX_NAME && name.len() <= MAX_NAME_BYTES);
            prop_assert_eq!(tidy_name(&name), name.clone());
            prop_assert_eq!(name.nfc().collect::<String>(), name.clone());
            let numbered = numbered_name(&text, 240);
            prop_assert_eq!(tidy_name(&numbered), numbered.clone());
        }
    }
}
