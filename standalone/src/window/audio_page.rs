//! The program's side of the audio page: carries out what the user asks there, and shows what runs.
//!
//! The editor leaves [`AudioAction`]s in the model. The main loop, which owns the audio supervisor, takes them a few times a
//! second. Looking for devices can take a second, so a thread does it.

use super::program_model::ProgramModel;
use crate::audio_supervisor::{AudioError, AudioSupervisor};
use crate::backends::list;
use crate::config::ProgramConfig;
use rtjam_ui::audio::{AudioAction, AudioDevice, AudioProblem, AudioState};
use rtjam_ui::messages::Language;
use rtjam_ui::settings::AudioChoices;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What the main loop remembers of the page.
pub(super) struct AudioPage {
    /// Why nothing runs.
    problem: Option<AudioProblem>,
    system: String,
    devices: Option<Arc<[AudioDevice]>>,
    /// A list that is being made.
    listing: Option<Receiver<Vec<AudioDevice>>>,
}

impl AudioPage {
    pub(super) fn new() -> AudioPage {
        AudioPage { problem: None, system: list::system_name(), devices: None, listing: None }
    }

    pub(super) fn show_problem(&mut self, problem: AudioProblem) {
        self.problem = Some(problem);
    }

    /// Does what the user has asked for since the last call, and shows the result. Returns a message for the terminal.
    pub(super) fn serve(
        &mut self,
        model: &ProgramModel,
        audio: &mut AudioSupervisor,
        config: &mut ProgramConfig,
    ) -> Option<String> {
        let mut message = None;
        for action in model.take_audio_actions() {
            match action {
                AudioAction::Choose(choices) => {
                    model.remember_audio(&config.audio.choices, &choices);
                    message = self.choose(choices, audio, config).or(message);
                }
                AudioAction::ToggleTone => audio.tone().press(),
                AudioAction::ListDevices => self.list_devices(),
                AudioAction::Done => model.close_audio_page(),
            }
        }
        if let Some(devices) = self.listing.as_ref().and_then(|listing| listing.try_recv().ok()) {
            (self.devices, self.listing) = (Some(devices.into()), None);
        }
        if audio.is_running() {
            self.problem = None;
        }
        model.show_audio(AudioState {
            choices: config.audio.choices.clone(),
            running: audio.running(),
            problem: self.problem.clone(),
            system: self.system.clone(),
            devices: self.devices.clone(),
            tone: audio.tone().plays(),
            is_due: false,
        });
        message
    }

    fn choose(
        &mut self,
        choices: AudioChoices,
        audio: &mut AudioSupervisor,
        config: &mut ProgramConfig,
    ) -> Option<String> {
        config.audio.choices = choices;
        let language = config.language();
        match audio.change(config.audio.clone(), config.source.clone(), language) {
            Ok(message) => message,
            Err(why) => {
                self.problem = Some(problem(&why, language));
                Some(why.text(language))
            }
        }
    }

    fn list_devices(&mut self) {
        let (sender, listing) = channel();
        let list = move || drop(sender.send(list::offered()));
        // Without the thread, the page offers the default devices only.
        if thread::Builder::new().name("device-list".to_owned()).spawn(list).is_ok() {
            self.listing = Some(listing);
        }
    }
}

/// An error of the audio supervisor, as the page tells it.
pub(super) fn problem(error: &AudioError, language: Language) -> AudioProblem {
    match error {
        AudioError::Backend(why) => why.problem(),
        AudioError::Source(_) | AudioError::ProcessorLost => AudioProblem::Other(error.text(language)),
    }
}
