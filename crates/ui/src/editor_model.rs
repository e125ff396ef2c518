//! The interface between the editor and what it edits: a plugin instance or the standalone program. It knows no plugin
//! format and no window.

use crate::audio::{AudioAction, AudioState};
use crate::params::Param;
use crate::settings::{Change, InviteError, NoHomeFolder, Settings};
use rtjam_client::Status;
use rtjam_engine::Console;
use rtjam_protocol::link::BadLink;
use std::path::PathBuf;

/// What the editor shows and edits. Any thread except the audio thread may use it; no method waits for a network.
pub trait EditorModel: Send + Sync + 'static {
    /// What is being edited.
    fn kind(&self) -> Kind;

    /// Status of the session. Cheap enough for 30 calls a second.
    fn status(&self) -> Status;

    /// Meters and readings.
    fn console(&self) -> Console;

    /// Condition of the instance itself.
    fn condition(&self) -> InstanceCondition;

    /// Current value of a parameter.
    fn value(&self, param: Param) -> f64;

    /// Begins a gesture: the user takes hold of a control.
    fn begin(&self, param: Param);

    /// Sets a parameter, between [`EditorModel::begin`] and [`EditorModel::end`], so that a host can record it.
    fn set(&self, param: Param, value: f64);

    /// Ends a gesture.
    fn end(&self, param: Param);

    /// Leaves the current room and joins that of an invite link. `anyway` joins even if another instance in this process
    /// is in that room.
    ///
    /// # Errors
    /// Joining does not begin. [`JoinError::AlreadyInRoom`] is a question: on "yes" the editor calls again with `anyway`.
    fn join(&self, link: &str, anyway: bool) -> Result<(), JoinError>;

    /// Leaves the room.
    fn leave(&self);

    /// Resumes sending after the loop guard has muted.
    fn resume_sending(&self);

    /// The current settings.
    fn settings(&self) -> Settings;

    /// Changes one of the settings.
    fn change(&self, change: Change);

    /// Makes a new engine after [`InstanceCondition::Failed`].
    fn restart(&self);

    /// The audio system; `None` in a plugin, whose host has it. Cheap enough for 30 calls a second.
    fn audio(&self) -> Option<AudioState> {
        None
    }

    /// Begins what the audio page asks for; [`EditorModel::audio`] shows the result.
    fn ask_audio(&self, _action: AudioAction) {}
}

/// What an [`EditorModel`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The plugin with one stereo output.
    Plugin,
    /// The plugin with an additional output for each slot.
    Multi,
    /// The program.
    Standalone,
}

/// Why [`EditorModel::join`] does not begin. `messages::join_error` has the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The text is not a link.
    BadLink(BadLink),
    /// The link has no key, and none is known for its room.
    NoKey,
    /// Another instance in this process is in the room.
    AlreadyInRoom {
        /// The room's name.
        room: String,
    },
    /// The user has no home folder to keep an identity in.
    NoHomeFolder,
}

impl std::error::Error for JoinError {}

impl From<InviteError> for JoinError {
    fn from(error: InviteError) -> JoinError {
        match error {
            InviteError::NotALink(error) => JoinError::BadLink(error),
            InviteError::NoKey => JoinError::NoKey,
        }
    }
}

impl From<NoHomeFolder> for JoinError {
    fn from(_: NoHomeFolder) -> JoinError {
        JoinError::NoHomeFolder
    }
}

/// Why the editor's window does not open. `messages::window_error` has the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// The host's window cannot contain another one.
    BadParent,
    /// There is no display or no OpenGL 2.1, for this reason.
    NotOpened(String),
}

impl std::error::Error for WindowError {}

/// Condition of an instance, apart from its session. `messages::instance_condition` has the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InstanceCondition {
    /// Everything works.
    #[default]
    Fine,
    /// The host renders offline, without the room.
    Offline,
    /// The host does not call: the plugin is switched off, or the host's audio does not run.
    Paused,
    /// The bypass parameter is on.
    Bypassed,
    /// It has rejoined its room with the project, muted.
    CameBackMuted,
    /// The host processes ahead of time or in bursts.
    RunsAhead,
    /// The host does not play this plugin because some of its outputs are not connected.
    NotPlayed,
    /// RTJam has panicked, and is silent until [`EditorModel::restart`].
    Failed {
        /// The log file, if it could be written.
        log: Option<PathBuf>,
    },
}
