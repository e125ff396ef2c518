//! Settings: what a musician chooses beside the parameters.
//!
//! | module | what it holds |
//! |---|---|
//! | `schema` | the table of all settings of the program: keys, values, defaults, help texts |
//! | `values`, `audio_values` | the types of values: text form and range |
//! | `choices` | the settings that the editor edits, in the plugin and in the program |
//! | `audio_choices` | the settings of the audio system, which the program's audio page edits |
//! | `rooms` | `rooms.json`: the rooms that the user has joined |
//!
//! ```
//! use rtjam_ui::settings::{GivenSettings, Setting};
//!
//! let mut file = GivenSettings::default();
//! file.set("packet", "64").expect("a valid value");
//! let mut line = GivenSettings::default();
//! line.set("name", "Anna").expect("a valid value");
//! assert_eq!(line.over(file).get("packet").as_deref(), Some("64"));
//! assert!(Setting::find("packet").is_some_and(|setting| setting.check("8").is_err()));
//! ```

mod audio_choices;
mod audio_values;
mod choices;
mod rooms;
mod schema;
mod values;

pub use audio_choices::AudioChoices;
pub use audio_values::{InputChannels, PeriodChoice, RateChoice};
pub use choices::{Change, Choices, DEFAULT_WINDOW, Look, MAX_WINDOW, MIN_WINDOW, RecentRoom, Settings, clamp_window};
pub use rooms::{InviteError, RecentRooms};
pub use schema::{GivenSettings, SETTINGS, SetError, Setting, markdown_table, toml_template};
pub use values::{
    BackendChoice, Decibels, InvalidValue, JackName, MonitorLevel, SettingValue, SourceChoice, as_text, default_name,
    packet_frames, playout_ms,
};

use std::path::PathBuf;

/// The config folder: `given`, else the platform's (`$XDG_CONFIG_HOME/rtjam` on Linux). Creates nothing.
///
/// # Errors
/// The user has no home folder.
pub fn config_folder(given: Option<PathBuf>) -> Result<PathBuf, NoHomeFolder> {
    let default = || directories::ProjectDirs::from("", "", "rtjam").map(|dirs| dirs.config_dir().to_owned());
    given.or_else(default).ok_or(NoHomeFolder)
}

/// There is no home folder for the config folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There is no home folder for the settings. Set HOME, and start again.")]
pub struct NoHomeFolder;
