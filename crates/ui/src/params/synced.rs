//! The values that an instance and its host share, and which of them the host does not know yet.

use super::{Param, ParamSet, Values};

/// The value of every parameter, and the set of those that the host has yet to be told. Any thread, the audio thread too.
///
/// The host is told the value of that moment, so an edit that was replaced meanwhile never reaches it. Once it has been told
/// all, it knows every value: `tests/models/tests/parameters.rs` checks that in every order of calls.
#[derive(Debug, Default)]
pub struct SyncedValues {
    values: Values,
    untold: ParamSet,
}

impl SyncedValues {
    /// What a parameter is set to.
    pub fn get(&self, param: Param) -> f64 {
        self.values.get(param)
    }

    /// Sets it as the host says, which then need not be told. Returns the value that it then has.
    pub fn set_from_host(&self, param: Param, value: f64) -> f64 {
        // In this order: an edit of ours that comes between is told. After the store, its mark would be lost.
        self.untold.remove(param);
        self.values.set(param, value)
    }

    /// Sets it, and marks it to be told. Returns the value that it then has.
    pub fn set_and_tell(&self, param: Param, value: f64) -> f64 {
        let value = self.values.set(param, value);
        self.untold.insert(param);
        value
    }

    /// Sets it by an edit of which the host hears in another way. Returns the value that it then has.
    pub fn set(&self, param: Param, value: f64) -> f64 {
        self.values.set(param, value)
    }

    /// Marks a parameter to be told, as if it had just been set.
    pub fn tell_again(&self, param: Param) {
        self.untold.insert(param);
    }

    /// Gives `take` each parameter that the host has yet to be told, with its value of now, until it takes no more.
    pub fn drain_untold(&self, mut take: impl FnMut(Param, f64) -> bool) {
        self.untold.drain(|param| take(param, self.values.get(param)));
    }
}
