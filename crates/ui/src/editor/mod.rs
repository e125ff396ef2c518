//! The editor: what a musician sees and sets, in a host's window or in the program's own.
//!
//! | module | what it does |
//! |---|---|
//! | [`scene`], [`message_list`], [`delay_and_loss`], [`ballistics`] | what is visible at a moment; no egui |
//! | `state`, `hand`, [`history`] | fields and messages, edits, undo |
//! | [`measure`], [`scale`], [`theme`], `system_fonts` | layout and appearance |
//! | `widgets`, `parts`, `pairs` | the controls, and the parts of the window made of them |
//! | [`window`] | windows: in a host's window, and the program's own |
//!
//! The editor knows an [`EditorModel`] and no plugin format. It sets parameters as gestures and draws what the model says,
//! so a host's automation and the user's hand agree.

pub mod ballistics;
pub mod delay_and_loss;
mod hand;
pub mod history;
pub mod measure;
pub mod message_list;
mod pairs;
mod parts;
pub mod scale;
pub mod scene;
mod state;
mod system_fonts;
pub mod theme;
mod widgets;
pub mod window;

pub use state::Clipboard;

use crate::editor_model::EditorModel;
use crate::messages::{Language, MessageKey};
use crate::params::Slot;
use crate::settings::Look;
use egui::{Key, Modifiers, Ui};
use hand::{Hand, Wish, replay};
use history::UndoHistory;
use measure::Parts;
use message_list::{Message, Remedy, Weight};
use scene::Scene;
use state::EditorState;
use std::collections::HashSet;

/// The editor's state between two frames.
pub struct Editor {
    state: EditorState,
    /// Slots whose two channels have a fader each.
    split: HashSet<Slot>,
    look: Option<Look>,
    history: UndoHistory,
    /// The value that is being typed.
    entry: Option<widgets::Entry>,
}

impl Editor {
    /// An editor before its first frame.
    pub fn new(clipboard: Clipboard) -> Editor {
        Editor {
            state: EditorState::new(clipboard),
            split: HashSet::new(),
            look: None,
            history: UndoHistory::default(),
            entry: None,
        }
    }

    /// Draws a frame and carries out what the user does in it.
    pub fn show(&mut self, ui: &mut Ui, model: &(dyn EditorModel + 'static), scene: &Scene) {
        if self.look != Some(scene.settings.choices.look) {
            self.look = Some(scene.settings.choices.look);
            theme::apply(ui.ctx(), scene.settings.choices.look);
            *ui.visuals_mut() = ui.ctx().style_of(ui.ctx().theme()).visuals.clone();
        }
        self.state.link.follow(scene.settings.link.as_deref().unwrap_or_default());
        self.state.name.follow(&scene.settings.choices.name);
        self.undo_by_keys(ui, model, scene.language);
        let window = ui.max_rect();
        let parts = Parts::of(window);
        let mut history = std::mem::take(&mut self.history);
        let hand = Hand::new(model, &mut history, scene.language);
        parts::ground(ui, window, &parts);
        // In the order of the tab key.
        parts::top(ui, parts.top, &mut self.state, &hand, scene);
        parts::message(ui, parts.message, &mut self.state, &hand, scene);
        parts::own(ui, parts.own, &hand, scene);
        if parts::welcome_is_due(scene) {
            parts::welcome(ui, parts.strips, &mut self.state, &hand, scene);
        } else if let Some(audio) = scene.audio.as_ref().filter(|audio| audio.is_due || self.state.audio_is_open) {
            parts::audio(ui, parts.strips, &mut self.state, &hand, audio);
        } else {
            parts::strips(ui, parts.strips, &mut self.split, &hand, scene);
        }
        parts::bottom(ui, parts.bottom, &hand, scene);
        self.entry = self.entry.take().and_then(|mut entry| entry.show(ui, &hand).then_some(entry));
        let mut wishes = hand.into_wishes();
        // A pasted value is an edit of this frame.
        for wish in &wishes {
            if let Wish::Paste(target) = wish
                && let Some(text) = (self.state.clipboard)()
                && !target.set(&Hand::new(model, &mut history, scene.language), &text)
            {
                let text = scene.language.text(MessageKey::ClipboardHasNoValue);
                self.state.answer = Some(Message::new(Weight::Note, text).with(Remedy::Dismiss));
            }
        }
        self.history = history;
        if self.history.close(ui.input(|i| i.time)) {
            // The button would now undo a later edit.
            self.state.drop_undo_offer();
        }
        wishes.drain(..).for_each(|wish| self.grant(model, scene.language, wish));
    }

    /// Whether there are edits to undo or redo, so that their keys belong to the editor and not to the host.
    pub fn has_steps(&self) -> bool {
        self.history.has_done() || self.history.has_undone()
    }

    fn undo_by_keys(&mut self, ui: &Ui, model: &(dyn EditorModel + 'static), language: Language) {
        let typing =
            ui.memory(egui::Memory::focused).is_some_and(|id| egui::TextEdit::load_state(ui.ctx(), id).is_some());
        if typing {
            return;
        }
        let command = Modifiers::COMMAND;
        let pressed = |modifiers, key| ui.input_mut(|i| i.consume_key(modifiers, key));
        if pressed(command | Modifiers::SHIFT, Key::Z) || pressed(command, Key::Y) {
            self.grant(model, language, Wish::Redo);
        } else if pressed(command, Key::Z) {
            self.grant(model, language, Wish::Undo);
        }
    }

    /// Carries out what a widget has requested.
    fn grant(&mut self, model: &(dyn EditorModel + 'static), language: Language, wish: Wish) {
        match wish {
            Wish::Type(target, at) => self.entry = Some(widgets::Entry::new(model, language, target, at)),
            Wish::Paste(_) => {}
            Wish::Undo => self.step(model, UndoHistory::undo),
            Wish::Redo => self.step(model, UndoHistory::redo),
            Wish::OpenAudio => self.state.audio_is_open = true,
            Wish::Tell(text) => self.state.answer = Some(Message::new(Weight::Note, text).with(Remedy::Undo)),
        }
    }

    fn step(&mut self, model: &(dyn EditorModel + 'static), step: fn(&mut UndoHistory) -> Option<history::Step>) {
        if let Some(step) = step(&mut self.history) {
            replay(model, step);
            self.state.drop_undo_offer();
        }
    }
}
