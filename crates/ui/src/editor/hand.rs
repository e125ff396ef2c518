//! Edits by the user's hand: passed on to the model, and recorded for undo.

use super::history::{Edit, Step, UndoHistory};
use super::pairs;
use crate::editor_model::EditorModel;
use crate::messages::{self, Language, MessageKey};
use crate::params::Param;
use crate::settings::Change;
use egui::Rect;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Deref;

/// Edits of one frame. Everything else that a model does is called on it directly.
pub(super) struct Hand<'a> {
    model: &'a (dyn EditorModel + 'static),
    language: Language,
    inner: RefCell<Inner<'a>>,
}

struct Inner<'a> {
    history: &'a mut UndoHistory,
    wishes: Vec<Wish>,
}

/// What a widget requests of the editor at the end of the frame.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// Opens a field beside a control to type its value.
    Type(Target, Rect),
    /// Pastes the clipboard's text as a value.
    Paste(Target),
    /// Undoes the last step.
    Undo,
    /// Redoes the last step that was undone.
    Redo,
    /// Shows what was changed besides the control that was touched.
    Tell(String),
    /// Opens the audio page.
    OpenAudio,
}

impl Deref for Hand<'_> {
    type Target = dyn EditorModel;

    fn deref(&self) -> &(dyn EditorModel + 'static) {
        self.model
    }
}

impl<'a> Hand<'a> {
    pub(super) fn new(
        model: &'a (dyn EditorModel + 'static),
        history: &'a mut UndoHistory,
        language: Language,
    ) -> Hand<'a> {
        Hand { model, language, inner: RefCell::new(Inner { history, wishes: Vec::new() }) }
    }

    /// The language of this frame.
    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// The text of a key without placeholders.
    pub(super) fn text(&self, key: MessageKey) -> &'static str {
        self.language.text(key)
    }

    /// The text of a key, with its placeholders filled in.
    pub(super) fn fill(&self, key: MessageKey, values: &[(&str, &dyn Display)]) -> String {
        self.language.fill(key, values)
    }

    /// The current value of a parameter with its unit.
    pub(super) fn value_text(&self, param: Param) -> String {
        messages::param_text(param, self.model.value(param), self.language)
    }

    /// See [`EditorModel::begin`].
    pub(super) fn begin(&self, param: Param) {
        self.inner.borrow_mut().history.begin();
        self.model.begin(param);
    }

    /// See [`EditorModel::set`].
    pub(super) fn set(&self, param: Param, value: f64) {
        let before = self.model.value(param);
        self.model.set(param, value);
        self.inner.borrow_mut().history.note_param(param, before, self.model.value(param));
    }

    /// See [`EditorModel::end`].
    pub(super) fn end(&self, param: Param) {
        self.model.end(param);
        self.inner.borrow_mut().history.end();
    }

    /// Sets parameters in one gesture: hosts record what lies between its begin and its end.
    pub(super) fn set_once(&self, sets: &[(Param, f64)]) {
        sets.iter().for_each(|(param, _)| self.begin(*param));
        sets.iter().for_each(|(param, value)| self.set(*param, *value));
        sets.iter().for_each(|(param, _)| self.end(*param));
    }

    /// See [`EditorModel::change`].
    pub(super) fn change(&self, change: Change) {
        let before = self.model.settings().choices.restoring(&change);
        self.model.change(change.clone());
        self.inner.borrow_mut().history.note_choice(before, change);
    }

    pub(super) fn wish(&self, wish: Wish) {
        self.inner.borrow_mut().wishes.push(wish);
    }

    /// Whether there are steps to undo, and to redo.
    pub(super) fn steps(&self) -> (bool, bool) {
        let inner = self.inner.borrow();
        (inner.history.has_done(), inner.history.has_undone())
    }

    /// Ends the frame and returns the wishes of its widgets.
    pub(super) fn into_wishes(self) -> Vec<Wish> {
        self.inner.into_inner().wishes
    }
}

/// The parameters that one control sets.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// All of them to the same value.
    Same(Vec<Param>),
    /// The pan of one channel or of a pair.
    Pan(Vec<Param>),
}

impl Target {
    fn first(&self) -> Option<Param> {
        match self {
            Target::Same(params) | Target::Pan(params) => params.first().copied(),
        }
    }

    /// The current value as it is shown.
    pub(super) fn text(&self, model: &dyn EditorModel, language: Language) -> String {
        let shown = |param: &Param| messages::param_text(*param, model.value(*param), language);
        match self {
            Target::Same(params) => params.first().map_or(String::new(), shown),
            Target::Pan(params) => messages::pan_place(pairs::place(model, params).flatten(), language),
        }
    }

    /// The default value as it is shown.
    pub(super) fn default_text(&self, language: Language) -> String {
        match self {
            Target::Same(_) => {
                self.first().map_or(String::new(), |param| messages::param_text(param, param.default(), language))
            }
            Target::Pan(_) => messages::pan_place(None, language),
        }
    }

    /// Sets all parameters to their defaults.
    pub(super) fn reset(&self, hand: &Hand<'_>) {
        match self {
            Target::Same(params) => {
                hand.set_once(&params.iter().map(|param| (*param, param.default())).collect::<Vec<_>>());
            }
            Target::Pan(params) => hand.set_once(&pairs::targets(params, None).collect::<Vec<_>>()),
        }
    }

    /// Sets all parameters to a typed value. Returns whether the text was a value.
    pub(super) fn set(&self, hand: &Hand<'_>, text: &str) -> bool {
        let sets = self.parse(text, hand.language);
        sets.iter().for_each(|sets| hand.set_once(sets));
        sets.is_some()
    }

    fn parse(&self, text: &str, language: Language) -> Option<Vec<(Param, f64)>> {
        let value = messages::parse_param(self.first()?, text, language)?;
        Some(match self {
            Target::Same(params) => params.iter().map(|param| (*param, value)).collect(),
            Target::Pan(params) => pairs::targets(params, (value >= -1.0).then_some(value)).collect(),
        })
    }
}

/// Applies the edits of a step from the history, without recording them.
pub(super) fn replay(model: &dyn EditorModel, step: Step) {
    for edit in step {
        match edit {
            Edit::Param { param, after, .. } => {
                model.begin(param);
                model.set(param, after);
                model.end(param);
            }
            Edit::Choice { after, .. } => model.change(after),
        }
    }
}
