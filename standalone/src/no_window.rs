//! Replaces `window` in builds without the feature `window`: no window ever opens.
//!
//! The types have no values, or no content, so the compiler removes all code that would use a window.

use super::audio_supervisor::{AudioError, AudioSupervisor};
use super::config::Config;
use super::session::ProgramSession;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use rtjam_protocol::link::Link;
use rtjam_ui::settings::GivenSettings;
use std::fmt;
use std::path::Path;

pub(super) fn has_display() -> bool {
    false
}

/// Never called, since there is no display.
pub(super) fn run<T>(_program: impl FnOnce(WindowRequest) -> T) -> Result<T, WindowError> {
    Err(WindowError)
}

/// This build has no window.
#[derive(Debug)]
pub(super) struct WindowError;

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("This rtjam was built without a window.")
    }
}

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
        _config: &Config,
        _state: &WindowState,
        _folder: &SettingsFolder,
        _signals: &Signals,
    ) -> Result<Window, WindowError> {
        match self {}
    }
}

/// Has no values.
pub(super) enum Window {}

impl Window {
    pub(super) fn follow(&self, _config: &Config) {
        match *self {}
    }

    pub(super) fn link(&self) -> Option<Link> {
        match *self {}
    }

    pub(super) fn note_joined(&self) -> Option<Link> {
        match *self {}
    }

    pub(super) fn show_mute(&self, _mute: bool) {
        match *self {}
    }

    pub(super) fn show_audio_error(&mut self, _error: &AudioError) {
        match *self {}
    }

    pub(super) fn show_audio_loss(&mut self, _sentence: String) {
        match *self {}
    }

    pub(super) fn serve_audio(&mut self, _audio: &mut AudioSupervisor, _config: &mut Config) -> Option<String> {
        match *self {}
    }

    pub(super) fn save(&self) {
        match *self {}
    }

    pub(super) fn close(&self) {
        match *self {}
    }
}
