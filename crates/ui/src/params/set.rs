//! A set of parameters that threads share.

use super::{COUNT, Param};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};

/// A set of parameters: one atomic bit for each. Any thread, including the audio thread.
#[derive(Debug, Default)]
pub struct ParamSet {
    words: [AtomicU64; COUNT.div_ceil(64)],
}

impl ParamSet {
    /// Adds a parameter.
    pub fn insert(&self, param: Param) {
        self.word(param).fetch_or(bit(param), AcqRel);
    }

    /// Removes a parameter.
    pub fn remove(&self, param: Param) {
        self.word(param).fetch_and(!bit(param), AcqRel);
    }

    /// Whether a parameter is in the set.
    pub fn contains(&self, param: Param) -> bool {
        self.word(param).load(Acquire) & bit(param) != 0
    }

    /// Removes the parameters one by one and passes each to `take`. Stops when `take` returns false, and keeps that
    /// parameter and the rest.
    pub fn drain(&self, mut take: impl FnMut(Param) -> bool) {
        for (index, word) in self.words.iter().enumerate() {
            let mut bits = word.swap(0, AcqRel);
            while bits != 0 {
                let lowest = bits.trailing_zeros() as usize;
                if Param::at(index * 64 + lowest).is_some_and(|param| !take(param)) {
                    word.fetch_or(bits, AcqRel);
                    return;
                }
                bits &= bits - 1;
            }
        }
    }

    fn word(&self, param: Param) -> &AtomicU64 {
        &self.words[param.index() / 64]
    }
}

fn bit(param: Param) -> u64 {
    1 << (param.index() % 64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The first and the last parameter are in different words of bits.
    #[test]
    fn drain_keeps_refused_parameters() {
        let set = ParamSet::default();
        let last = Param::all().last().expect("there are parameters");
        [Param::Room, Param::SendMute, last].into_iter().for_each(|param| set.insert(param));
        set.remove(Param::Room);
        assert!(!set.contains(Param::Room) && set.contains(Param::SendMute) && set.contains(last));
        let mut refused = Vec::new();
        set.drain(|param| {
            refused.push(param);
            false
        });
        let mut taken = Vec::new();
        set.drain(|param| {
            taken.push(param);
            true
        });
        set.drain(|param| panic!("{param:?} is drained twice"));
        assert_eq!((refused, taken), (vec![Param::SendMute], vec![Param::SendMute, last]));
    }
}
