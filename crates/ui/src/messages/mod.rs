//! The texts of the user interface, in the user's language: the one place where conditions, notices and errors become
//! sentences. Editor, terminal and log render them here.
//!
//! | file | what it has |
//! |---|---|
//! | `language` | the languages, the system's choice, and how placeholders are filled in |
//! | `en`, `de` | the catalogues; `en` defines the keys |
//! | `de_errors` | German texts of errors whose English is their `Display` |
//! | `session` | what the client reports: conditions and notices |
//! | `audio` | problems of the program's audio system (feature `editor`) |
//! | `instance` | what the editor reports besides (feature `editor`) |
//!
//! Every message says what happened, then what to do. Another language is another catalogue, a variant of
//! [`Language`], and its texts for the errors whose English is their `Display`.

/// Defines a language's function `text` from its table of texts.
macro_rules! texts {
    ($($key:ident => $text:literal,)*) => {
        /// The text of a key.
        pub(super) fn text(key: Key) -> &'static str {
            match key { $(Key::$key => $text,)* }
        }
    };
}

#[cfg(feature = "editor")]
mod audio;
mod de;
mod de_errors;
mod en;
#[cfg(feature = "editor")]
mod instance;
mod language;
mod session;

#[cfg(feature = "editor")]
pub use audio::audio_problem;
pub use en::Key;
#[cfg(feature = "editor")]
pub(crate) use instance::{delay, pan_place, param_name, param_text, parse_param};
#[cfg(feature = "editor")]
pub use instance::{instance_condition, join_error, window_error};
pub use language::Language;
pub use session::{condition, invite_error, notice};
