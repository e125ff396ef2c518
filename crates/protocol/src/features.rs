//! Optional features of the protocol. `hello` offers them, and `joined` lists the ones in use.

use alloc::string::String;
use alloc::vec::Vec;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of optional features. In JSON it is a list of names; unknown names are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `rekey`: each lane changes its key periodically, see [`crate::seal`].
    pub rekey: bool,
    /// `roster-changes`: the server sends roster changes instead of whole rosters.
    pub roster_changes: bool,
}

impl Features {
    /// All features that this crate implements.
    pub const SUPPORTED: Features = Features { rekey: true, roster_changes: true };

    /// The intersection of both sets.
    pub const fn and(self, other: Features) -> Features {
        Features { rekey: self.rekey && other.rekey, roster_changes: self.roster_changes && other.roster_changes }
    }

    /// Whether the set is empty. An empty set is left out of messages.
    pub fn is_empty(&self) -> bool {
        *self == Features::default()
    }

    fn by_name(&mut self) -> [(&'static str, &mut bool); 2] {
        [("rekey", &mut self.rekey), ("roster-changes", &mut self.roster_changes)]
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut features = *self;
        let mut list = s.serialize_seq(None)?;
        for (name, present) in features.by_name() {
            if *present {
                list.serialize_element(name)?;
            }
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Features, D::Error> {
        let mut features = Features::default();
        for offered in known_only::<String, D>(d)? {
            for (name, present) in features.by_name() {
                *present |= name == offered;
            }
        }
        Ok(features)
    }
}

/// The elements of a list that this version understands.
pub(crate) fn known_only<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Offered<T> {
        Known(T),
        Unknown(serde::de::IgnoredAny),
    }
    let offered = Vec::<Offered<T>>::deserialize(d)?;
    Ok(offered.into_iter().filter_map(|o| if let Offered::Known(known) = o { Some(known) } else { None }).collect())
}
