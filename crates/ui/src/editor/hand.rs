//! The hand on the controls: passes edits on to the board, and remembers them so that they can be taken back.

use super::history::{Edit, History, Step};
use super::widgets::Target;
use crate::board::{Board, Change};
use crate::params::Param;
use egui::Rect;
use std::cell::RefCell;
use std::ops::Deref;

/// What widgets edit by, for one frame. What else a board can do is done on it directly.
pub(super) struct Hand<'a> {
    board: &'a (dyn Board + 'static),
    inner: RefCell<Inner<'a>>,
}

struct Inner<'a> {
    history: &'a mut History,
    wishes: Vec<Wish>,
}

/// What a widget wants of the editor, at the end of the frame.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// A field beside a control, to type its value.
    Type(Target, Rect),
    /// The clipboard's text as a value.
    Paste(Target),
    /// To take the last step back.
    Undo,
    /// To do the last step again that was taken back.
    Redo,
    /// To tell that more was changed than the hand touched.
    Tell(String),
}

impl Deref for Hand<'_> {
    type Target = dyn Board;

    fn deref(&self) -> &(dyn Board + 'static) {
        self.board
    }
}

impl<'a> Hand<'a> {
    pub(super) fn new(board: &'a (dyn Board + 'static), history: &'a mut History) -> Hand<'a> {
        Hand { board, inner: RefCell::new(Inner { history, wishes: Vec::new() }) }
    }

    /// See [`Board::begin`].
    pub(super) fn begin(&self, param: Param) {
        self.inner.borrow_mut().history.begin();
        self.board.begin(param);
    }

    /// See [`Board::set`].
    pub(super) fn set(&self, param: Param, value: f64) {
        let before = self.board.value(param);
        self.board.set(param, value);
        self.inner.borrow_mut().history.note_param(param, before, self.board.value(param));
    }

    /// See [`Board::end`].
    pub(super) fn end(&self, param: Param) {
        self.board.end(param);
        self.inner.borrow_mut().history.end();
    }

    /// Sets parameters as one gesture: hosts record what lies between its begin and its end.
    pub(super) fn set_once(&self, sets: &[(Param, f64)]) {
        sets.iter().for_each(|(param, _)| self.begin(*param));
        sets.iter().for_each(|(param, value)| self.set(*param, *value));
        sets.iter().for_each(|(param, _)| self.end(*param));
    }

    /// See [`Board::change`].
    pub(super) fn change(&self, change: Change) {
        let before = self.board.settings().choices.restoring(&change);
        self.board.change(change.clone());
        self.inner.borrow_mut().history.note_choice(before, change);
    }

    pub(super) fn wish(&self, wish: Wish) {
        self.inner.borrow_mut().wishes.push(wish);
    }

    /// Whether there are steps to take back, and to do again.
    pub(super) fn steps(&self) -> (bool, bool) {
        let inner = self.inner.borrow();
        (inner.history.has_done(), inner.history.has_undone())
    }

    /// Ends the frame: what widgets wished in it.
    pub(super) fn into_wishes(self) -> Vec<Wish> {
        self.inner.into_inner().wishes
    }
}

/// Does the edits of a step that comes from the history, without remembering them.
pub(super) fn replay(board: &dyn Board, step: Step) {
    for edit in step {
        match edit {
            Edit::Param { param, after, .. } => {
                board.begin(param);
                board.set(param, after);
                board.end(param);
            }
            Edit::Choice { after, .. } => board.change(after),
        }
    }
}
