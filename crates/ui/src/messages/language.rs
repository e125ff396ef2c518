//! The languages of the user interface, and which one the system asks for.
//!
//! The English catalogue defines the keys. Another catalogue is a table of the same keys; without a text for each it does not
//! compile. The tests below find keys that no code uses and placeholders that differ between languages.

use super::en::MessageKey;
use super::{de, en};
use crate::platform::system_locale;
use std::fmt::{Display, Write};
use std::sync::OnceLock;

/// A language with a complete catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `de`
    German,
}

impl Language {
    /// All languages, the default first.
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// Two-letter code (ISO 639-1).
    pub const fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// The system's language: on Windows the user's display language, elsewhere `LC_ALL`, `LC_MESSAGES` or `LANG`.
    /// English if there is no catalogue for it. Read once per process.
    pub fn of_system() -> Language {
        static SYSTEM: OnceLock<Language> = OnceLock::new();
        *SYSTEM.get_or_init(|| system_locale().map_or(Language::default(), |locale| Language::of_locale(&locale)))
    }

    /// The language to use: the user's choice, else the system's.
    pub fn chosen(choice: Option<Language>) -> Language {
        choice.unwrap_or_else(Language::of_system)
    }

    /// The language of a locale name such as `de_DE.UTF-8`.
    fn of_locale(locale: &str) -> Language {
        let code = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        Language::ALL.into_iter().find(|language| code.eq_ignore_ascii_case(language.code())).unwrap_or_default()
    }

    /// The text of a key without placeholders.
    pub fn text(self, key: MessageKey) -> &'static str {
        match self {
            Language::English => en::text(key),
            Language::German => de::text(key),
        }
    }

    /// The text of a key, with its placeholders filled in.
    pub fn fill(self, key: MessageKey, values: &[(&str, &dyn Display)]) -> String {
        fill(self.text(key), values)
    }
}

/// Replaces each `{name}` by its value. Values are taken as they are, even if they contain braces.
pub(super) fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            let _ = write!(filled, "{value}");
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}
#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// Locale names select a language; unknown ones are English.
    #[test]
    fn locales_select_languages() {
        for (locale, language) in [
            ("de", Language::German),
            ("de_AT.UTF-8", Language::German),
            ("DE-ch", Language::German),
            ("en_GB.UTF-8", Language::English),
            ("C.UTF-8", Language::English),
            ("deu", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
    }

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|part| part.split_once('}').expect("a closing brace").0).collect()
    }

    /// All Rust sources below `folder` except the catalogues.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                all.push_str(&sources(&path));
            } else if !["en.rs", "de.rs"].iter().any(|catalogue| name == *catalogue) {
                all.push_str(&fs::read_to_string(&path).expect("a file"));
            }
        }
        all
    }

    /// Every language uses the same placeholders in each text.
    #[test]
    fn placeholders_agree_between_languages() {
        for key in MessageKey::ALL {
            let [english, others @ ..] = Language::ALL.map(|language| placeholders(language.text(*key)));
            assert!(others.iter().all(|other| *other == english), "{key:?}");
        }
    }

    /// Every key has a text in every language, and some code uses it.
    #[test]
    fn no_key_is_unused_or_empty() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = sources(&here.join("src")) + &sources(&here.join("../../standalone/src"));
        let used: BTreeSet<&str> = sources
            .split("MessageKey::")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
            .collect();
        for key in MessageKey::ALL {
            assert!(used.contains(format!("{key:?}").as_str()), "{key:?} is unused");
            assert!(Language::ALL.iter().all(|language| !language.text(*key).is_empty()), "{key:?} has no text");
        }
    }

    /// Values are inserted once and never parsed as templates.
    #[test]
    fn values_are_inserted_verbatim() {
        let name = "{ms} {";
        assert_eq!(fill("{name}: {ms} ms", &[("name", &name), ("ms", &3)]), "{ms} {: 3 ms");
    }
}
