//! The editor: what a musician sees of RTJam and sets there, in a host's window or in the program's own.
//!
//! | module | what it does |
//! |---|---|
//! | [`scene`], [`words`], [`delay`], [`ballistics`], [`losses`] | what is to be seen at a moment; no egui |
//! | `hand`, [`history`] | edits, and taking them back |
//! | [`measure`], [`scale`], [`theme`] | where it lies, and how it looks |
//! | `widgets`, `parts` | the controls, and the window's parts made of them |
//! | [`window`] | windows: in a host's, and the program's own |
//!
//! It knows a [`Board`], never a plugin format. It sets parameters as gestures of the hand and draws what the board
//! says, so that a host's automation and the hand agree.

pub mod ballistics;
pub mod delay;
mod hand;
pub mod history;
pub mod losses;
pub mod measure;
mod parts;
pub mod scale;
pub mod scene;
pub mod theme;
mod widgets;
pub mod window;
pub mod words;

use crate::board::{Board, Look, NotJoining};
use crate::params::Slot;
use egui::{Key, Modifiers, Ui};
use hand::{Hand, Wish, replay};
use history::History;
use measure::Parts;
use scene::Scene;
use std::collections::HashSet;
use words::{Message, Remedy, Weight};

/// Reads the clipboard.
pub type Clipboard = Box<dyn FnMut() -> Option<String> + Send>;

/// What the editor itself remembers between two frames.
pub struct Editor {
    clipboard: Clipboard,
    link: Draft,
    name: Draft,
    /// What came of the last attempt to join.
    answer: Option<Message>,
    /// Messages that were taken away.
    dismissed: HashSet<String>,
    /// Slots whose two channels have a fader each.
    split: HashSet<Slot>,
    look: Option<Look>,
    history: History,
    /// A value that is being typed.
    entry: Option<widgets::Entry>,
    /// The question for the name was shown.
    welcomed: bool,
}

/// A text that is written here and kept elsewhere.
#[derive(Debug, Default)]
struct Draft {
    text: String,
    /// What was kept when it was last looked at.
    seen: String,
}

impl Draft {
    /// Takes over what was changed elsewhere.
    fn follow(&mut self, kept: &str) {
        if self.seen != kept {
            kept.clone_into(&mut self.seen);
            kept.clone_into(&mut self.text);
        }
    }
}

impl Editor {
    /// Before the first frame.
    pub fn new(clipboard: Clipboard) -> Editor {
        Editor {
            clipboard,
            link: Draft::default(),
            name: Draft::default(),
            answer: None,
            dismissed: HashSet::new(),
            split: HashSet::new(),
            look: None,
            history: History::default(),
            entry: None,
            welcomed: false,
        }
    }

    /// Draws a frame, and does what the hand asked for.
    pub fn show(&mut self, ui: &mut Ui, board: &(dyn Board + 'static), scene: &Scene) {
        if self.look != Some(scene.settings.choices.look) {
            self.look = Some(scene.settings.choices.look);
            theme::apply(ui.ctx(), scene.settings.choices.look);
            *ui.visuals_mut() = ui.ctx().style_of(ui.ctx().theme()).visuals.clone();
        }
        self.link.follow(scene.settings.link.as_deref().unwrap_or_default());
        self.name.follow(&scene.settings.choices.name);
        self.take_back_by_keys(ui, board);
        let window = ui.max_rect();
        let parts = Parts::of(window);
        let mut history = std::mem::take(&mut self.history);
        let hand = Hand::new(board, &mut history);
        parts::ground(ui, window, &parts);
        // In the order in which the tab key leads through them.
        parts::top(ui, parts.top, self, &hand, scene);
        parts::message(ui, parts.message, self, &hand, scene);
        parts::own(ui, parts.own, &hand, scene);
        if parts::welcome_is_due(scene) {
            parts::welcome(ui, parts.strips, self, &hand, scene);
        } else {
            parts::strips(ui, parts.strips, &mut self.split, &hand, scene);
        }
        parts::bottom(ui, parts.bottom, &hand, scene);
        self.entry = self.entry.take().and_then(|mut entry| entry.show(ui, &hand).then_some(entry));
        let mut wishes = hand.into_wishes();
        // What is pasted is an edit of this frame.
        for wish in &wishes {
            if let Wish::Paste(target) = wish
                && let Some(text) = (self.clipboard)()
                && !target.set(&Hand::new(board, &mut history), &text)
            {
                let sentence =
                    "The clipboard holds no value for this control. Copy one, as \"−6 dB\", and paste again.";
                self.answer = Some(Message::new(Weight::Note, sentence).with(Remedy::Dismiss));
            }
        }
        self.history = history;
        if self.history.close(ui.input(|i| i.time)) {
            // What was told of an earlier edit could not be taken back by its button any more.
            self.answer.take_if(|told| told.remedy == Some(Remedy::Undo));
        }
        wishes.drain(..).for_each(|wish| self.grant(board, wish));
    }

    /// Whether there are edits that keys take back: they are the editor's then, and not the host's.
    pub fn has_steps(&self) -> bool {
        self.history.has_done() || self.history.has_undone()
    }

    fn take_back_by_keys(&mut self, ui: &Ui, board: &(dyn Board + 'static)) {
        let writes =
            ui.memory(egui::Memory::focused).is_some_and(|id| egui::TextEdit::load_state(ui.ctx(), id).is_some());
        if writes {
            return;
        }
        let command = Modifiers::COMMAND;
        let pressed = |modifiers, key| ui.input_mut(|i| i.consume_key(modifiers, key));
        if pressed(command | Modifiers::SHIFT, Key::Z) || pressed(command, Key::Y) {
            self.grant(board, Wish::Redo);
        } else if pressed(command, Key::Z) {
            self.grant(board, Wish::Undo);
        }
    }

    /// Does what a widget wished.
    fn grant(&mut self, board: &(dyn Board + 'static), wish: Wish) {
        match wish {
            Wish::Type(target, at) => self.entry = Some(widgets::Entry::new(board, target, at)),
            Wish::Paste(_) => {}
            Wish::Undo => self.step(board, History::undo),
            Wish::Redo => self.step(board, History::redo),
            Wish::Tell(sentence) => self.answer = Some(Message::new(Weight::Note, sentence).with(Remedy::Undo)),
        }
    }

    fn step(&mut self, board: &(dyn Board + 'static), step: fn(&mut History) -> Option<history::Step>) {
        if let Some(step) = step(&mut self.history) {
            replay(board, step);
            self.answer.take_if(|told| told.remedy == Some(Remedy::Undo));
        }
    }

    fn join(&mut self, hand: &Hand<'_>, scene: &Scene, anyway: bool) {
        if !scene.settings.choices.named {
            parts::take_name(self, hand, scene);
        }
        let link = self.link.text.trim().to_owned();
        self.answer = match hand.join(&link, anyway) {
            Ok(()) => None,
            Err(NotJoining::Wrong(sentence)) => Some(Message::new(Weight::Bad, sentence).with(Remedy::Dismiss)),
            Err(NotJoining::Ask(question)) => Some(Message::new(Weight::Warn, question).with(Remedy::JoinAnyway(link))),
        };
    }

    /// What is told at the moment, the most urgent first.
    fn messages(&self, scene: &Scene) -> Vec<Message> {
        let told = scene.messages.iter().filter(|m| !self.dismissed.contains(&m.text));
        self.answer.iter().chain(told).cloned().collect()
    }

    fn remedy(&mut self, ui: &Ui, hand: &Hand<'_>, scene: &Scene, message: &Message) {
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
            Some(Remedy::Dismiss) if self.answer.as_ref() == Some(message) => self.answer = None,
            Some(Remedy::Dismiss) => {
                self.dismissed.insert(message.text.clone());
            }
        }
    }
}
