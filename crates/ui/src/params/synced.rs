//! Parameter values that an instance and its host share, and which of them the host does not know yet.

use super::{Param, ParamSet, Values};

/// The value of every parameter, and the set of parameters that the host has yet to be told of. Any thread, including the
/// audio thread.
///
/// The host is told the latest value, so an edit that was overwritten meanwhile never reaches it. Once the set is empty, the
/// host knows every value: `tests/models/tests/parameters.rs` checks this for every interleaving of calls.
#[derive(Debug, Default)]
pub struct SyncedValues {
    values: Values,
    unsent: ParamSet,
}

impl SyncedValues {
    /// The value of a parameter.
    pub fn get(&self, param: Param) -> f64 {
        self.values.get(param)
    }

    /// Sets a parameter to the host's value. Returns the new value.
    pub fn set_from_host(&self, param: Param, value: f64) -> f64 {
        // In this order, so that an edit of ours in between is told to the host.
        self.unsent.remove(param);
        self.values.set(param, value)
    }

    /// Sets a parameter and marks it for the host. Returns the new value.
    pub fn set_and_mark(&self, param: Param, value: f64) -> f64 {
        let value = self.values.set(param, value);
        self.unsent.insert(param);
        value
    }

    /// Sets a parameter by an edit that reaches the host in another way. Returns the new value.
    pub fn set(&self, param: Param, value: f64) -> f64 {
        self.values.set(param, value)
    }

    /// Marks a parameter for the host.
    pub fn mark_unsent(&self, param: Param) {
        self.unsent.insert(param);
    }

    /// Passes each marked parameter, with its present value, to `take` until that returns false.
    pub fn drain_unsent(&self, mut take: impl FnMut(Param, f64) -> bool) {
        self.unsent.drain(|param| take(param, self.values.get(param)));
    }
}
