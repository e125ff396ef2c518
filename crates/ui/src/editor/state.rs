//! What the editor remembers of its fields and messages between two frames.

use super::hand::{Hand, Wish};
use super::message_list::{Message, Remedy, Weight};
use super::scene::Scene;
use crate::editor_model::JoinError;
use crate::messages;
use crate::settings::Change;
use egui::Ui;
use std::collections::HashSet;

/// Reads the clipboard.
pub type Clipboard = Box<dyn FnMut() -> Option<String> + Send>;

/// The fields for link and name, and the messages of the editor's own.
pub(super) struct EditorState {
    pub(super) clipboard: Clipboard,
    pub(super) link: Draft,
    pub(super) name: Draft,
    /// The answer to the last attempt to join, or to another action.
    pub(super) answer: Option<Message>,
    /// Texts of the messages that were dismissed.
    dismissed: HashSet<String>,
    /// The question for the name was shown.
    pub(super) welcomed: bool,
    /// The user has opened the audio page.
    pub(super) audio_is_open: bool,
    /// The devices were listed since the audio page opened.
    pub(super) devices_are_listed: bool,
}

/// A text that is edited here and stored elsewhere.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    /// The stored text as it was last seen.
    pub(super) stored: String,
}

impl Draft {
    /// Takes over a stored text that has changed elsewhere.
    pub(super) fn follow(&mut self, stored: &str) {
        if self.stored != stored {
            stored.clone_into(&mut self.stored);
            stored.clone_into(&mut self.text);
        }
    }
}

impl EditorState {
    pub(super) fn new(clipboard: Clipboard) -> EditorState {
        EditorState {
            clipboard,
            link: Draft::default(),
            name: Draft::default(),
            answer: None,
            dismissed: HashSet::new(),
            welcomed: false,
            audio_is_open: false,
            devices_are_listed: false,
        }
    }

    pub(super) fn join(&mut self, hand: &Hand<'_>, scene: &Scene, anyway: bool) {
        if !scene.settings.choices.named {
            self.take_name(hand, scene);
        }
        let link = self.link.text.trim().to_owned();
        self.answer = hand.join(&link, anyway).err().map(|error| {
            let text = messages::join_error(&error, scene.language);
            match error {
                JoinError::AlreadyInRoom { .. } => Message::new(Weight::Warn, text).with(Remedy::JoinAnyway(link)),
                _ => Message::new(Weight::Bad, text).with(Remedy::Dismiss),
            }
        });
    }

    /// Sets the name as it is in the field; an empty field takes the current name.
    pub(super) fn take_name(&mut self, hand: &Hand<'_>, scene: &Scene) {
        if self.name.text.trim().is_empty() {
            self.name.text.clone_from(&scene.settings.choices.name);
        }
        hand.change(Change::Name(self.name.text.trim().to_owned()));
    }

    /// The current messages, the most urgent first.
    pub(super) fn messages(&self, scene: &Scene) -> Vec<Message> {
        let shown = scene.messages.iter().filter(|m| !self.dismissed.contains(&m.text));
        self.answer.iter().chain(shown).cloned().collect()
    }

    /// Drops the answer that offers to undo an edit.
    pub(super) fn drop_undo_offer(&mut self) {
        self.answer.take_if(|answer| answer.remedy == Some(Remedy::Undo));
    }

    /// Does what the button of a message says.
    pub(super) fn apply_remedy(&mut self, ui: &Ui, hand: &Hand<'_>, scene: &Scene, message: &Message) {
        match message.remedy.clone() {
            None => {}
            Some(Remedy::Copy(link)) => ui.ctx().copy_text(link),
            Some(Remedy::Resume) => hand.resume_sending(),
            Some(Remedy::Restart) => hand.restart(),
            Some(Remedy::JoinAnyway(link)) => {
                self.link.text = link;
                self.join(hand, scene, true);
            }
            Some(Remedy::Undo) => hand.wish(Wish::Undo),
            Some(Remedy::OpenAudio) => hand.wish(Wish::OpenAudio),
            Some(Remedy::Dismiss) if self.answer.as_ref() == Some(message) => self.answer = None,
            Some(Remedy::Dismiss) => {
                self.dismissed.insert(message.text.clone());
            }
        }
    }
}
