//! Who is in the room, as the server has said: the whole roster at first, then what changes.

use crate::control::{RosterEntry, tidy_name};
use crate::ids::SourceId;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// No room of ours has more musicians; a server that names more is not listened to any further.
const MAX_ENTRIES: usize = 1024;

/// The roster of one room.
#[derive(Default)]
pub(super) struct Roster {
    musicians: BTreeMap<SourceId, RosterEntry>,
    listeners: u16,
}

impl Roster {
    /// The server says who all are.
    pub(super) fn replace(&mut self, musicians: Vec<RosterEntry>, listeners: u16) {
        self.musicians.clear();
        self.take(musicians, listeners);
    }

    /// The server says what has changed. Returns who left: their slots and names.
    pub(super) fn change(
        &mut self,
        left: &[SourceId],
        musicians: Vec<RosterEntry>,
        listeners: u16,
    ) -> Vec<(SourceId, String)> {
        let gone = left.iter().filter_map(|source| self.musicians.remove(source)).map(|gone| (gone.source, gone.name));
        let gone = gone.collect();
        self.take(musicians, listeners);
        gone
    }

    /// Everyone, in order of their slots.
    pub(super) fn musicians(&self) -> Vec<RosterEntry> {
        self.musicians.values().cloned().collect()
    }

    /// How many listen besides.
    pub(super) fn listeners(&self) -> u16 {
        self.listeners
    }

    fn take(&mut self, musicians: Vec<RosterEntry>, listeners: u16) {
        self.listeners = listeners;
        for entry in musicians {
            if self.musicians.len() < MAX_ENTRIES || self.musicians.contains_key(&entry.source) {
                // Servers differ in what they let through; names end up on screens and terminals.
                let name = tidy_name(&entry.name);
                self.musicians.insert(entry.source, RosterEntry { name, ..entry });
            }
        }
    }
}
