//! Replaces `window` in builds without the feature `window`: no window ever opens.
//!
//! The types have no values, or no content, so the compiler removes all code that would use a window.

use super::audio_supervisor::{AudioError, AudioSupervisor};
use super::config::ProgramConfig;
use super::session::ProgramSession;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use rtjam_protocol::link::Link;
use rtjam_ui::messages::Language;
use rtjam_ui::settings::GivenSettings;
use std::path::Path;

pub(super) fn has_display() -> bool {
    false
}

/// Never called, since there is no display.
pub(super) fn run<T>(_program: impl FnOnce(WindowRequest) -> T) -> Result<T, ProgramWindowError> {
    Err(ProgramWindowError)
}

/// This build has no window.
#[derive(Debug, thiserror::Error)]
#[error("This rtjam was built without a window.")]
pub(super) struct ProgramWindowError;

/// The settings that a window remembers: none.
pub(super) struct WindowState;

impl WindowState {
    pub(super) fn read(_folder: &Path) -> WindowState {
        WindowState
    }

    pub(super) fn settings(&self) -> GivenSettings {
        GivenSettings::default()
    }
}

/// Has no values.
pub(super) enum WindowRequest {}

impl WindowRequest {
    pub(super) fn open(
        self,
        _session: &ProgramSession,
        _config: &ProgramConfig,
        _state: &WindowState,
        _folder: &SettingsFolder,
        _signals: &Signals,
    ) -> Result<Window, ProgramWindowError> {
        match self {}
    }
}

/// Has no values.
pub(super) enum Window {}

macro_rules! never_called {
    ($($name:ident($($argument:ty)?) $(-> $result:ty)?;)*) => {
        impl Window {$(
            pub(super) fn $name(&self $(, _: $argument)?) $(-> $result)? {
                match *self {}
            }
        )*}
    };
}

never_called! {
    follow(&ProgramConfig);
    link() -> Option<Link>;
    note_joined() -> Option<Link>;
    show_mute(bool);
    show_audio_loss(String);
    save();
    close();
}

impl Window {
    pub(super) fn show_audio_error(&self, _: &AudioError, _: Language) {
        match *self {}
    }

    pub(super) fn serve_audio(&self, _: &mut AudioSupervisor, _: &mut ProgramConfig) -> Option<String> {
        match *self {}
    }
}
