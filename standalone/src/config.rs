//! The configuration: the given settings with their defaults filled in and the link resolved.

use super::backends::AudioRequest;
use super::settings_file::SettingsFolder;
use super::terminal;
use rtjam_protocol::link::Link;
use rtjam_ui::messages::{self, Language, MessageKey};
use rtjam_ui::settings::{
    AudioChoices, Choices, Decibels, GivenSettings, InviteError, MonitorLevel, RecentRooms, SourceChoice,
};
use std::io;

/// The configuration of the program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProgramConfig {
    /// The room to join; `None` with a window: none yet.
    pub(crate) link: Option<Link>,
    pub(crate) choices: Choices,
    pub(crate) audio: AudioRequest,
    /// `None`: not given.
    pub(crate) source: Option<SourceChoice>,
    pub(crate) monitor: MonitorLevel,
    pub(crate) room: Decibels,
    pub(crate) mute: bool,
    pub(crate) json: bool,
    /// Whether to open a window if there is a display.
    pub(crate) window: bool,
}

impl ProgramConfig {
    /// Fills in the defaults.
    pub(crate) fn new(settings: GivenSettings, link: Option<Link>) -> ProgramConfig {
        ProgramConfig {
            link,
            choices: Choices::from_given(&settings),
            audio: AudioRequest {
                choices: AudioChoices::from_given(&settings),
                jack_name: settings.jack_name.unwrap_or_default().0,
                connect: !settings.no_connect.unwrap_or(false),
            },
            source: settings.source,
            monitor: settings.monitor.unwrap_or_default(),
            room: settings.room.unwrap_or_default(),
            mute: settings.mute.unwrap_or(false),
            json: settings.status_json.unwrap_or(false),
            window: !settings.headless.unwrap_or(false),
        }
    }

    /// The language of what the terminal shows.
    pub(crate) fn language(&self) -> Language {
        Language::chosen(self.choices.language)
    }
}

/// Why `--join` leads to no room.
#[derive(Debug)]
pub(crate) enum FindLinkError {
    /// Standard input cannot be read.
    Stdin(io::Error),
    /// `last`, but no room was joined before.
    NoLastRoom,
    /// The link is invalid.
    Invite(InviteError),
}

impl FindLinkError {
    /// What happened, and what to do.
    pub(crate) fn text(&self, language: Language) -> String {
        match self {
            FindLinkError::Stdin(why) => language.fill(MessageKey::LinkNotRead, &[("reason", why)]),
            FindLinkError::NoLastRoom => language.text(MessageKey::NoLastRoom).to_owned(),
            FindLinkError::Invite(why) => messages::invite_error(why, language),
        }
    }
}

/// Resolves the value of `--join`.
///
/// # Errors
/// It leads to no room.
pub(crate) fn find_link(join: Option<&str>, folder: &SettingsFolder) -> Result<Option<Link>, FindLinkError> {
    let text = match join {
        Some("-") => terminal::read_link().map_err(FindLinkError::Stdin)?,
        Some("last") => folder.last_room().ok_or(FindLinkError::NoLastRoom)?,
        Some(link) => link.to_owned(),
        None => return Ok(None),
    };
    RecentRooms::in_folder(folder.path()).resolve(&text).map(Some).map_err(FindLinkError::Invite)
}
