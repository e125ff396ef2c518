//! The editor: what a musician sees of RTJam and sets there, in a host's window or in the program's own.
//!
//! | module | what it does |
//! |---|---|
//! | [`scene`], [`words`], [`delay`], [`ballistics`], [`losses`] | what is to be seen at a moment; no egui |
//! | [`measure`], [`scale`], [`theme`] | where it lies, and how it looks |
//! | `widgets`, `parts` | the controls, and the window's parts made of them |
//! | [`window`] | windows: in a host's, and the program's own |
//!
//! It knows a [`Board`], never a plugin format. It sets parameters as gestures of the hand and draws what the board
//! says, so that a host's automation and the hand agree.

pub mod ballistics;
pub mod delay;
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
use egui::Ui;
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
        }
    }

    /// Draws a frame, and does what the hand asked for.
    pub fn show(&mut self, ui: &mut Ui, board: &dyn Board, scene: &Scene) {
        if self.look != Some(scene.settings.choices.look) {
            self.look = Some(scene.settings.choices.look);
            theme::apply(ui.ctx(), scene.settings.choices.look);
            *ui.visuals_mut() = ui.ctx().style_of(ui.ctx().theme()).visuals.clone();
        }
        self.link.follow(scene.settings.link.as_deref().unwrap_or_default());
        self.name.follow(&scene.settings.choices.name);
        let window = ui.max_rect();
        let parts = Parts::of(window);
        parts::ground(ui, window, &parts);
        // In the order in which the tab key leads through them.
        parts::top(ui, parts.top, self, board, scene);
        parts::message(ui, parts.message, self, board, scene);
        parts::own(ui, parts.own, board, scene);
        parts::strips(ui, parts.strips, &mut self.split, board, scene);
        parts::bottom(ui, parts.bottom, board, scene);
    }

    fn join(&mut self, board: &dyn Board, anyway: bool) {
        let link = self.link.text.trim().to_owned();
        self.answer = match board.join(&link, anyway) {
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

    fn remedy(&mut self, ui: &Ui, board: &dyn Board, message: &Message) {
        match message.remedy.clone() {
            None => {}
            Some(Remedy::Copy(link)) => ui.ctx().copy_text(link),
            Some(Remedy::Resume) => board.resume_sending(),
            Some(Remedy::Restart) => board.restart(),
            Some(Remedy::JoinAnyway(link)) => {
                self.link.text = link;
                self.join(board, true);
            }
            Some(Remedy::Dismiss) if self.answer.as_ref() == Some(message) => self.answer = None,
            Some(Remedy::Dismiss) => {
                self.dismissed.insert(message.text.clone());
            }
        }
    }
}
