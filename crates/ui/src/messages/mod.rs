//! The texts of the user interface, in the user's language: the one place where conditions, notices and errors become
//! sentences. Editor, terminal and log render them here.
//!
//! | file | what it has |
//! |---|---|
//! | `language` | the languages, the system's choice, and how placeholders are filled in |
//! | `en`, `de` | the catalogues; `en` defines the keys |
//! | `de_errors` | German texts of errors whose English is their `Display` |
//! | `session` | what the client reports: conditions and notices |
//! | `instance` | what the editor reports besides (feature `editor`) |
//!
//! Every message says what happened, then what to do. Another language is another catalogue, a variant of
//! [`Language`], and its texts for the errors whose English is their `Display`.

/// Defines a language's function `text` from its table of texts.
macro_rules! texts {
    ($($key:ident => $text:literal,)*) => {
        /// The text of a key.
        pub(super) fn text(key: MessageKey) -> &'static str {
            match key { $(MessageKey::$key => $text,)* }
        }
    };
}

mod de;
mod de_errors;
mod en;
#[cfg(feature = "editor")]
mod instance;
mod language;
mod session;

pub use en::MessageKey;
#[cfg(feature = "editor")]
pub use instance::{audio_problem, instance_condition, join_error, window_error};
#[cfg(feature = "editor")]
pub(crate) use instance::{delay, pan_place, param_name, param_text, parse_param};
pub use language::Language;
pub use session::{condition, invite_error, notice};
