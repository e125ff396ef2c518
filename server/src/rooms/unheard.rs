//! Tells each musician of a crowded room whose audio they do not receive. See
//! [`speaker_selection`](crate::media::speaker_selection).

use crate::media::speaker_selection::SourceSet;
use rtjam_protocol::{RoomName, SessionId, SourceId};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The selections of crowded rooms, and what each session was last told.
#[derive(Debug, Default)]
pub(super) struct UnheardReports {
    selected: HashMap<RoomName, Arc<[SourceId]>>,
    pinned: HashMap<SessionId, Vec<SourceId>>,
    told: HashMap<SessionId, Vec<SourceId>>,
    /// Rooms in which something has changed.
    due: BTreeSet<RoomName>,
}

impl UnheardReports {
    /// A room's selection has changed.
    pub(super) fn set_selected(&mut self, room: RoomName, speakers: Arc<[SourceId]>) {
        self.due.insert(room.clone());
        self.selected.insert(room, speakers);
    }

    /// A session receives these sources in any case.
    pub(super) fn set_pinned(&mut self, session: SessionId, room: &RoomName, pinned: Vec<SourceId>) {
        self.pinned.insert(session, pinned);
        self.mark_due(room);
    }

    /// A client has joined or rejoined and has not been told anything.
    pub(super) fn handle_joined(&mut self, session: SessionId, room: &RoomName) {
        self.told.remove(&session);
        self.mark_due(room);
    }

    /// A session has ended.
    pub(super) fn forget(&mut self, session: SessionId, room: &RoomName) {
        self.told.remove(&session);
        self.pinned.remove(&session);
        self.mark_due(room);
    }

    /// The next room for which [`UnheardReports::reports`] must be called.
    pub(super) fn poll_room(&mut self) -> Option<RoomName> {
        self.due.pop_first()
    }

    /// The reports that are due in a room: a session, and the sources that it does not receive. `crowded` says whether the
    /// room has more musicians than one musician receives; `musicians` are their sessions and sources.
    pub(super) fn reports(
        &mut self,
        room: &RoomName,
        crowded: bool,
        musicians: &[(SessionId, SourceId)],
    ) -> Vec<(SessionId, Vec<SourceId>)> {
        if !crowded {
            self.selected.remove(room);
        }
        let mut playing: Vec<SourceId> = musicians.iter().map(|(_, source)| *source).collect();
        playing.sort_unstable_by_key(|source| source.0);
        let mut reports = Vec::new();
        for (session, own) in musicians {
            let pinned = self.pinned.get(session).map_or(&[][..], Vec::as_slice);
            let heard = |speakers: &Arc<[SourceId]>| SourceSet::received_by(*own, pinned, speakers);
            let heard = self.selected.get(room).map_or(SourceSet::ALL, heard);
            let others = playing.iter().copied().filter(|source| source != own);
            let unheard: Vec<SourceId> = others.filter(|source| !heard.contains(*source)).collect();
            let told = self.told.entry(*session).or_default();
            if *told != unheard {
                told.clone_from(&unheard);
                reports.push((*session, unheard));
            }
        }
        reports
    }

    fn mark_due(&mut self, room: &RoomName) {
        if self.selected.contains_key(room) {
            self.due.insert(room.clone());
        }
    }
}
