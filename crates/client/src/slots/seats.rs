//! What a project keeps of a room.

use super::{Record, SlotMap};
use serde::{Deserialize, Serialize};

/// More musicians than that are not kept in a project; those met the longest ago are left out.
const MOST: usize = 48;

/// Who sat on which slot in a room, and as which of this user's sessions this one was there. Its JSON is a contract: fields
/// are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seats {
    /// Several programs or plugins of one user keep their places among each other by this number.
    pub(crate) instance: Option<u8>,
    slots: Vec<Record>,
}

impl Seats {
    /// Those of `here`, and those of `kept` who were not here.
    pub(super) fn new(instance: Option<u8>, here: &SlotMap, kept: &SlotMap) -> Seats {
        let absent = kept.records.iter().filter(|r| here.own(r.who).is_none());
        let slots = here.records.iter().chain(absent).take(MOST).cloned().collect();
        Seats { instance, slots }
    }

    pub(crate) fn map(&self) -> SlotMap {
        let mut map = SlotMap { records: self.slots.clone() };
        map.records.truncate(MOST);
        map
    }
}
