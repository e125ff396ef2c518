//! Undo and redo of the edits in this editor. No egui.

use crate::params::Param;
use crate::settings::Change;

/// At most this many steps can be undone.
const MAX_STEPS: usize = 100;
/// Edits of the same parameters within this many seconds are one step, such as turns of the mouse wheel.
const JOIN_WITHIN: f64 = 0.5;

/// One edit with the values before and after it.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// An edit of a parameter.
    Param {
        /// The parameter.
        param: Param,
        /// Its value before.
        before: f64,
        /// Its value after.
        after: f64,
    },
    /// An edit of a setting.
    Choice {
        /// The change that restores it.
        before: Change,
        /// The change that was made.
        after: Change,
    },
}

/// Edits that are undone together.
pub type Step = Vec<Edit>;

/// The steps. A step lasts from the begin of a gesture to the end of the frame in which the gesture ends.
#[derive(Debug, Default)]
pub struct UndoHistory {
    done: Vec<Step>,
    undone: Vec<Step>,
    current: Step,
    /// Number of gestures in progress.
    held: usize,
    /// When the last step ended, in seconds.
    closed: Option<f64>,
}

impl UndoHistory {
    /// A gesture begins.
    pub fn begin(&mut self) {
        self.held += 1;
    }

    /// A gesture ends.
    pub fn end(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// A parameter was set.
    pub fn note_param(&mut self, param: Param, before: f64, after: f64) {
        for edit in &mut self.current {
            if let Edit::Param { param: edited, after: last, .. } = edit
                && *edited == param
            {
                *last = after;
                return;
            }
        }
        self.current.push(Edit::Param { param, before, after });
    }

    /// A choice was changed.
    pub fn note_choice(&mut self, before: Change, after: Change) {
        self.current.push(Edit::Choice { before, after });
    }

    /// Ends a frame at `now`, in seconds. Returns whether a step was added.
    pub fn close(&mut self, now: f64) -> bool {
        if self.held > 0 {
            return false;
        }
        let mut step = std::mem::take(&mut self.current);
        step.retain(|edit| match edit {
            Edit::Param { before, after, .. } => before != after,
            Edit::Choice { before, after } => before != after,
        });
        if step.is_empty() {
            return false;
        }
        let soon = self.closed.is_some_and(|closed| now - closed < JOIN_WITHIN);
        self.closed = Some(now);
        self.undone.clear();
        match self.done.last_mut().filter(|last| soon && is_of_the_same_parameters(last, &step)) {
            Some(last) => last.iter_mut().zip(step).for_each(|(last, edit)| {
                if let (Edit::Param { after: to, .. }, Edit::Param { after, .. }) = (last, edit) {
                    *to = after;
                }
            }),
            None => self.done.push(step),
        }
        if self.done.len() > MAX_STEPS {
            self.done.remove(0);
        }
        true
    }

    /// Undoes the last step; returns the edits to apply.
    pub fn undo(&mut self) -> Option<Step> {
        let step = self.done.pop()?;
        self.closed = None;
        let back = step.iter().rev().cloned().map(reversed).collect();
        self.undone.push(step);
        Some(back)
    }

    /// Redoes the last step that was undone; returns the edits to apply.
    pub fn redo(&mut self) -> Option<Step> {
        let step = self.undone.pop()?;
        self.closed = None;
        self.done.push(step.clone());
        Some(step)
    }

    /// Whether there is a step to undo.
    pub fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether there is a step to redo.
    pub fn has_undone(&self) -> bool {
        !self.undone.is_empty()
    }
}

fn is_of_the_same_parameters(one: &Step, other: &Step) -> bool {
    let params = |step: &Step| {
        step.iter()
            .map(|edit| if let Edit::Param { param, .. } = edit { Some(*param) } else { None })
            .collect::<Vec<_>>()
    };
    let ours = params(one);
    ours.iter().all(Option::is_some) && ours == params(other)
}

fn reversed(edit: Edit) -> Edit {
    match edit {
        Edit::Param { param, before, after } => Edit::Param { param, before: after, after: before },
        Edit::Choice { before, after } => Edit::Choice { before: after, after: before },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(history: &mut UndoHistory, param: Param, before: f64, after: f64, now: f64) {
        history.begin();
        history.note_param(param, before, (before + after) / 2.0);
        assert!(!history.close(now), "the gesture is still in progress");
        history.note_param(param, 99.0, after);
        history.end();
        assert!(history.close(now));
    }

    fn back(param: Param, before: f64, after: f64) -> Option<Step> {
        Some(vec![Edit::Param { param, before, after }])
    }

    /// A gesture is one step of undo and redo.
    #[test]
    fn gestures_are_steps() {
        let mut history = UndoHistory::default();
        edit(&mut history, Param::Room, 0.0, -6.0, 1.0);
        edit(&mut history, Param::Monitor, 0.0, -3.0, 5.0);
        assert_eq!(history.undo(), back(Param::Monitor, -3.0, 0.0));
        assert_eq!(history.undo(), back(Param::Room, -6.0, 0.0));
        assert_eq!((history.undo(), history.has_done(), history.has_undone()), (None, false, true));
        assert_eq!(history.redo(), back(Param::Room, 0.0, -6.0));
        // A new edit discards the steps to redo.
        edit(&mut history, Param::Room, -6.0, -9.0, 9.0);
        assert_eq!((history.redo(), history.has_undone()), (None, false));
    }

    /// Turns of the wheel in quick succession are one step.
    #[test]
    fn quick_wheel_turns_join() {
        let mut history = UndoHistory::default();
        for turn in 0..5 {
            let gain = -f64::from(turn);
            edit(&mut history, Param::Room, gain, gain - 1.0, 1.0 + 0.1 * f64::from(turn));
        }
        edit(&mut history, Param::Room, -5.0, -6.0, 3.0);
        assert_eq!(history.undo(), back(Param::Room, -6.0, -5.0));
        assert_eq!(history.undo(), back(Param::Room, -5.0, 0.0));
    }

    /// Settings are undone too; an edit without effect is not a step.
    #[test]
    fn settings_are_undone() {
        let mut history = UndoHistory::default();
        history.note_choice(Change::Rejoin(false), Change::Rejoin(true));
        assert!(history.close(0.0));
        let step = vec![Edit::Choice { before: Change::Rejoin(true), after: Change::Rejoin(false) }];
        assert_eq!(history.undo(), Some(step));
        history.begin();
        history.note_param(Param::Room, -3.0, -3.0);
        history.end();
        assert!(!history.close(1.0) && !history.has_done());
        for i in 0..300 {
            edit(&mut history, Param::Room, f64::from(i), f64::from(i + 1), 10.0 * f64::from(i));
        }
        assert_eq!(std::iter::from_fn(|| history.undo()).count(), MAX_STEPS);
    }
}
