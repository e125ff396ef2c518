//! The roster of a room, as the server announces it.

use crate::control::{RosterEntry, tidy_name};
use crate::ids::SourceId;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// The most entries. No room has more; further ones are ignored.
const MAX_ENTRIES: usize = 1024;

/// The roster of one room.
#[derive(Default)]
pub(super) struct Roster {
    musicians: BTreeMap<SourceId, RosterEntry>,
    listeners: u16,
}

impl Roster {
    /// Replaces the whole roster.
    pub(super) fn replace(&mut self, musicians: Vec<RosterEntry>, listeners: u16) {
        self.musicians.clear();
        self.take(musicians, listeners);
    }

    /// Applies changes. Returns slots and names of those who left.
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

    /// All musicians, sorted by slot.
    pub(super) fn musicians(&self) -> Vec<RosterEntry> {
        self.musicians.values().cloned().collect()
    }

    pub(super) fn listeners(&self) -> u16 {
        self.listeners
    }

    fn take(&mut self, musicians: Vec<RosterEntry>, listeners: u16) {
        self.listeners = listeners;
        for entry in musicians {
            if self.musicians.len() < MAX_ENTRIES || self.musicians.contains_key(&entry.source) {
                // Names appear on screens and in terminals, and not every server cleans them.
                let name = tidy_name(&entry.name);
                self.musicians.insert(entry.source, RosterEntry { name, ..entry });
            }
        }
    }
}
