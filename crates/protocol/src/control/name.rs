//! Names as others see them: what may be in one, and which two look alike.
//!
//! | in a name | what becomes of it |
//! |---|---|
//! | control characters, format characters (bidirectional marks and U+061C among them), private and unassigned characters | removed |
//! | default-ignorable characters: zero-width joiners, variation selectors, tags, fillers | removed |
//! | white space, line separators, the blank Braille pattern | one space; none at the ends |
//! | combining marks | at most [`MAX_MARKS`] after a base, none without one |
//! | everything else | kept, in normalization form C |
//!
//! An emoji sequence that is held together by joiners, variation selectors or tags therefore shows as its single emoji: a
//! family as its members, the flag of Wales as a black flag. Skin tones and national flags stay as they are.

use alloc::string::String;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// The longest name of a musician, in characters.
pub const MAX_NAME: usize = 40;

/// The longest name of a musician, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 160;

/// Combining marks that a base character keeps.
pub const MAX_MARKS: usize = 3;

/// Characters of a name that are looked at; a valid name has far fewer.
const MAX_READ: usize = 1024;

/// What somebody without a usable name is called.
const NAMELESS: &str = "Musician";

/// A name as others may see it: see the module's table. At most [`MAX_NAME`] characters and [`MAX_NAME_BYTES`] bytes;
/// an empty name becomes "Musician". A tidy name stays as it is.
pub fn tidy_name(name: &str) -> String {
    tidy_within(name, MAX_NAME, MAX_NAME_BYTES)
}

/// The tidy name with a number after it, " 2" for example. The name is shortened so that both fit together.
pub fn numbered_name(name: &str, number: u16) -> String {
    let suffix = alloc::format!(" {number}");
    tidy_within(name, MAX_NAME - suffix.len(), MAX_NAME_BYTES - suffix.len()) + &suffix
}

/// What a name looks like to a reader. Two names look alike when they are equal but for letter case, or confusable by
/// Unicode Technical Standard 39.
#[derive(Clone, Debug)]
pub struct Look {
    as_written: String,
    in_lowercase: String,
}

impl Look {
    /// The look of a name.
    pub fn of(name: &str) -> Look {
        Look { as_written: skeleton(name).collect(), in_lowercase: skeleton(&name.to_lowercase()).collect() }
    }

    /// Whether a reader could take one name for the other.
    pub fn is_like(&self, other: &Look) -> bool {
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
            // A mark after a space would be drawn on nothing.
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
    // A skeleton leaves out what is default-ignorable, and nothing else.
    let is_ignorable = || skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
    // The musical null notehead is a symbol that is drawn as nothing.
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

    /// A name shows nothing invisible and nothing that reorders the text around it.
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

    /// A base keeps three marks, a mark without a base goes, and what is composed is written so.
    #[test]
    fn stacked_marks_are_limited_to_three() {
        let zalgo = "Z\u{335}\u{321}\u{322}\u{327}\u{328}\u{344}oe\u{301}\u{316}";
        assert_eq!(tidy_name(zalgo), "Z\u{335}\u{321}\u{322}o\u{E9}\u{316}");
        assert_eq!(tidy_name("\u{301}\u{301}Ann \u{301}"), "Ann");
        assert_eq!(tidy_name("A\u{30A}sa"), "\u{C5}sa");
    }

    /// Emoji stay; sequences fall apart into the emoji that they are made of.
    #[test]
    fn emoji_sequences_show_their_parts() {
        assert_eq!(tidy_name("👩\u{200D}🎤 Ann"), "👩🎤 Ann");
        assert_eq!(tidy_name("👍🏽 🇳🇴 ☺\u{FE0F}"), "👍🏽 🇳🇴 ☺");
    }

    /// Neither characters nor bytes exceed their bound, with a number either.
    #[test]
    fn names_keep_both_length_bounds() {
        assert_eq!(tidy_name(&"é".repeat(99)), "é".repeat(40));
        assert_eq!(tidy_name(&"🎸".repeat(99)).len(), 160);
        assert_eq!(numbered_name(&"é".repeat(99), 12), "é".repeat(37) + " 12");
        assert_eq!(numbered_name(&"🎸".repeat(99), 2).len(), 38 * 4 + 2);
        assert_eq!(numbered_name("Ann", 2), "Ann 2");
    }

    /// Letters of another script, another case, or digits for letters do not make another name.
    #[test]
    fn confusable_names_look_alike() {
        for (a, b) in [("Ann", "Аnn"), ("Ann", "ANN"), ("Paul", "Pau1"), ("modern", "modem"), ("Ann", "Ann")] {
            assert!(Look::of(a).is_like(&Look::of(b)), "{a} {b}");
        }
        for (a, b) in [("Ann", "Anna"), ("Ann", "Ann 2"), ("Ben", "Bob")] {
            assert!(!Look::of(a).is_like(&Look::of(b)), "{a} {b}");
        }
    }

    proptest! {
        /// Whatever is typed, the result is tidy, bounded and in normalization form C.
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
