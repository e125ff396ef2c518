//! Who of those present plays on which strip.

use super::{SlotMap, Who};
use rtjam_engine::{SLOTS, STRIPS};
use std::collections::BTreeMap;

/// The map, and those who are in the room. Whoever stays keeps their strip.
#[derive(Debug, Default)]
pub(crate) struct Seating {
    map: SlotMap,
    present: BTreeMap<Who, Option<usize>>,
}

impl Seating {
    /// Takes the map of last time. What was learned since is kept.
    pub(crate) fn remember(&mut self, mut map: SlotMap) {
        map.merge(&self.map);
        self.map = map;
    }

    /// What to keep for next time.
    pub(crate) fn map(&self) -> &SlotMap {
        &self.map
    }

    /// Everyone who is in the room now, with their names. Returns whether the map has changed.
    pub(crate) fn update<'a>(&mut self, room: impl Iterator<Item = (Who, &'a str)> + Clone) -> bool {
        self.present.retain(|who, _| room.clone().any(|(here, _)| here == *who));
        let mut newcomers: Vec<_> = room.filter(|(who, _)| !self.present.contains_key(who)).collect();
        // Strangers last, so that they do not sit down on the slot of somebody who comes in with them.
        newcomers.sort_by_key(|(who, _)| !self.map.knows(*who));
        let mut changed = false;
        for (who, name) in newcomers {
            let slot = self.slot(who, name);
            changed |= slot.is_some();
            let strip = slot.or_else(|| (SLOTS..STRIPS).find(|strip| self.is_free(*strip)));
            self.present.insert(who, strip);
        }
        changed
    }

    /// The strip of somebody present; `None` where all strips are taken.
    pub(crate) fn strip(&self, who: Who) -> Option<usize> {
        self.present.get(&who).copied().flatten()
    }

    fn slot(&mut self, who: Who, name: &str) -> Option<usize> {
        let present = &self.present;
        self.map.take(who, name, |slot| !present.values().any(|taken| *taken == Some(slot)))
    }

    fn is_free(&self, strip: usize) -> bool {
        !self.present.values().any(|taken| *taken == Some(strip))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::who;
    use super::*;

    fn update(seating: &mut Seating, room: impl Iterator<Item = u8> + Clone) -> bool {
        seating.update(room.map(|n| (who(n), "somebody")))
    }

    #[test]
    fn twelve_have_slots_twenty_have_strips_and_the_rest_is_heard_all_the_same() {
        let mut seating = Seating::default();
        assert!(update(&mut seating, 0..40));
        for n in 0..32 {
            assert_eq!(seating.strip(who(n)), Some(usize::from(n)));
        }
        assert_eq!(seating.strip(who(33)), None);
    }

    #[test]
    fn nobody_is_moved_by_the_coming_and_going_of_others() {
        let mut seating = Seating::default();
        update(&mut seating, 0..14);
        update(&mut seating, 5..14);
        assert_eq!((seating.strip(who(5)), seating.strip(who(13))), (Some(5), Some(13)));
        assert_eq!(seating.strip(who(0)), None);
        // Met before those who stayed on, so the empty slots are theirs or the longest unused.
        update(&mut seating, [3, 50].into_iter().chain(5..14));
        assert_eq!((seating.strip(who(3)), seating.strip(who(50))), (Some(3), Some(0)));
        assert!(!update(&mut seating, 5..14));
    }

    #[test]
    fn the_map_of_last_time_counts_also_when_it_comes_late() {
        let mut last_time = Seating::default();
        update(&mut last_time, [9, 1].into_iter());
        let mut seating = Seating::default();
        seating.remember(last_time.map().clone());
        update(&mut seating, [1].into_iter());
        assert_eq!(seating.strip(who(1)), Some(1));
    }
}
