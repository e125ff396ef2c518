//! The editor's edits on their way to the host.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_ui::params::Param;
use std::sync::{Mutex, PoisonError};

/// The most edits between two calls of the host.
const CAPACITY: usize = 1024;

/// A step of an edit in the editor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gesture {
    /// The user takes hold of a control.
    Begin(Param),
    /// The parameter is set.
    Set(Param, f64),
    /// The user releases the control.
    End(Param),
}

/// The queue. If a host never fetches, it drops the newest gestures; the host can still read the values.
pub(super) struct Gestures {
    writer: Mutex<HeapProd<Gesture>>,
    /// Only tried: two threads of the host may fetch at once, and neither may wait.
    reader: Mutex<HeapCons<Gesture>>,
}

impl Default for Gestures {
    fn default() -> Gestures {
        let (writer, reader) = HeapRb::new(CAPACITY).split();
        Gestures { writer: Mutex::new(writer), reader: Mutex::new(reader) }
    }
}

impl Gestures {
    /// Appends a gesture. Not the audio thread.
    pub(super) fn put(&self, gesture: Gesture) {
        let _ = self.writer.lock().unwrap_or_else(PoisonError::into_inner).try_push(gesture);
    }

    /// Passes each gesture to `take` until that returns false. Any thread, including the audio thread.
    pub(super) fn fetch(&self, mut take: impl FnMut(Gesture) -> bool) {
        let Ok(mut reader) = self.reader.try_lock() else { return };
        while let Some(gesture) = reader.try_peek().copied() {
            if !take(gesture) {
                break;
            }
            reader.skip(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_gestures_wait_in_order() {
        let gestures = Gestures::default();
        gestures.put(Gesture::Begin(Param::Room));
        gestures.put(Gesture::Set(Param::Room, -3.0));
        gestures.put(Gesture::End(Param::Room));
        let mut taken = Vec::new();
        gestures.fetch(|g| {
            taken.push(g);
            taken.len() < 2
        });
        let mut rest = Vec::new();
        gestures.fetch(|g| {
            rest.push(g);
            true
        });
        assert_eq!(taken, [Gesture::Begin(Param::Room), Gesture::Set(Param::Room, -3.0)]);
        assert_eq!(rest, [Gesture::Set(Param::Room, -3.0), Gesture::End(Param::Room)]);
    }
}
