//! Edits of the editor on their way to the host.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_ui::params::Param;
use std::sync::{Mutex, PoisonError};

/// Edits between two calls of the host.
const ROOM: usize = 1024;

/// A step of an edit by hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gesture {
    /// The hand takes hold.
    Begin(Param),
    /// The parameter is set.
    Set(Param, f64),
    /// The hand lets go.
    End(Param),
}

/// The queue. When a host never fetches, the newest are dropped: the host reads values themselves, too.
pub(super) struct Gestures {
    writer: Mutex<HeapProd<Gesture>>,
    /// Only ever tried: two of the host's threads may come at once, and neither may wait.
    reader: Mutex<HeapCons<Gesture>>,
}

impl Default for Gestures {
    fn default() -> Gestures {
        let (writer, reader) = HeapRb::new(ROOM).split();
        Gestures { writer: Mutex::new(writer), reader: Mutex::new(reader) }
    }
}

impl Gestures {
    /// Not the audio thread.
    pub(super) fn put(&self, gesture: Gesture) {
        let _ = self.writer.lock().unwrap_or_else(PoisonError::into_inner).try_push(gesture);
    }

    /// Any thread, the audio thread too.
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
    fn what_the_host_did_not_take_waits_in_its_order() {
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
