//! What musicians of large rooms are told of whom they are not sent. See [`crate::media::Choice`].

use crate::media::{Choice, Sources};
use rtjam_protocol::{RoomName, SessionId, SourceId};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// One who is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// Their session.
    pub session: SessionId,
    /// Their number in the room.
    pub source: SourceId,
    /// Whether they play; else they listen.
    pub plays: bool,
}

/// The crowded rooms, as the lobby knows them.
#[derive(Debug, Default)]
pub struct Crowds {
    choices: HashMap<RoomName, Arc<Choice>>,
    pinned: HashMap<SessionId, Vec<SourceId>>,
    told: HashMap<SessionId, Vec<SourceId>>,
    /// Rooms in which something has changed.
    due: BTreeSet<RoomName>,
}

impl Crowds {
    /// A room's musicians are sent others from now on.
    pub fn take(&mut self, choice: Arc<Choice>) {
        self.due.insert(choice.room.clone());
        self.choices.insert(choice.room.clone(), choice);
    }

    /// Somebody is sent these in any case.
    pub fn pin(&mut self, session: SessionId, room: &RoomName, pinned: Vec<SourceId>) {
        self.pinned.insert(session, pinned);
        self.look_at(room);
    }

    /// Somebody is in a room, or again, and knows nothing.
    pub fn greet(&mut self, session: SessionId, room: &RoomName) {
        self.told.remove(&session);
        self.look_at(room);
    }

    /// Somebody has left.
    pub fn forget(&mut self, session: SessionId, room: &RoomName) {
        self.told.remove(&session);
        self.pinned.remove(&session);
        self.look_at(room);
    }

    /// A room in which there may be something to tell.
    pub fn poll(&mut self) -> Option<RoomName> {
        self.due.pop_first()
    }

    /// What to tell whom in a room, of which `crowded` says whether there are more musicians than one is sent.
    pub fn tell(&mut self, room: &RoomName, crowded: bool, present: &[Present]) -> Vec<(SessionId, Vec<SourceId>)> {
        if !crowded {
            self.choices.remove(room);
        }
        let mut playing: Vec<SourceId> = present.iter().filter(|p| p.plays).map(|p| p.source).collect();
        playing.sort_unstable_by_key(|source| source.0);
        let mut words = Vec::new();
        for one in present.iter().filter(|p| p.plays) {
            let pinned = self.pinned.get(&one.session).map_or(&[][..], Vec::as_slice);
            let heard = |choice: &Arc<Choice>| Sources::heard(one.source, pinned, &choice.order);
            let heard = self.choices.get(room).map_or(Sources::ALL, heard);
            let unheard: Vec<SourceId> =
                playing.iter().copied().filter(|source| *source != one.source && !heard.has(*source)).collect();
            let told = self.told.entry(one.session).or_default();
            if *told != unheard {
                told.clone_from(&unheard);
                words.push((one.session, unheard));
            }
        }
        words
    }

    fn look_at(&mut self, room: &RoomName) {
        if self.choices.contains_key(room) {
            self.due.insert(room.clone());
        }
    }
}
