//! The languages of the user interface, and which one the system asks for.

use super::catalogue::{Key, fill};
use super::{de, en};
use crate::platform::system_locale;
use std::fmt::Display;
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

    /// The language of a locale name such as `de_DE.UTF-8`.
    fn of_locale(locale: &str) -> Language {
        let code = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        Language::ALL.into_iter().find(|language| code.eq_ignore_ascii_case(language.code())).unwrap_or_default()
    }
}

impl Language {
    /// The text of a key without placeholders.
    pub(crate) fn text(self, key: Key) -> &'static str {
        match self {
            Language::English => en::text(key),
            Language::German => de::text(key),
        }
    }

    /// The text of a key, with its placeholders filled in.
    pub(crate) fn fill(self, key: Key, values: &[(&str, &dyn Display)]) -> String {
        fill(self.text(key), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
