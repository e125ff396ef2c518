//! What stands in for the window in a build without the feature `window`: there is never one to open.
//!
//! The types have no values, or nothing in them, so the compiler removes all that would use a window.

use super::config::Config;
use super::run::{Ended, Plan};
use super::session::Session;
use super::settings::Settings;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use rtjam_protocol::link::Link;

pub(super) fn has_display() -> bool {
    false
}

/// Never called, since there is no display.
pub(super) fn run(_plan: Plan) -> Ended {
    Ended::Failed
}

/// Settings that the window keeps: none.
pub(super) struct Kept;

impl Kept {
    pub(super) fn read(_folder: &SettingsFolder) -> Kept {
        Kept
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::default()
    }
}

/// Opens windows: there is none.
pub(super) enum Counter {}

impl Counter {
    pub(super) fn open(
        &self,
        _session: &Session,
        _config: &Config,
        _kept: &Kept,
        _folder: &SettingsFolder,
        _signals: &Signals,
    ) -> Result<Window, String> {
        match *self {}
    }
}

/// A window: there is none.
pub(super) enum Window {}

impl Window {
    pub(super) fn follow(&self, _config: &Config) {
        match *self {}
    }

    pub(super) fn link(&self) -> Option<Link> {
        match *self {}
    }

    pub(super) fn reached(&self) -> Option<Link> {
        match *self {}
    }

    pub(super) fn show_mute(&self, _mute: bool) {
        match *self {}
    }

    pub(super) fn show_audio(&self, _sentence: Option<String>) {
        match *self {}
    }

    pub(super) fn keep(&self, _folder: &SettingsFolder) {
        match *self {}
    }

    pub(super) fn close(&self, _folder: &SettingsFolder) {
        match *self {}
    }
}
