//! Optional features of the protocol: `hello` offers them, `joined` lists those that are in use.

use alloc::string::String;
use alloc::vec::Vec;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of optional features. On the wire it is a list of names; names that this version does not know are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `rekey`: each lane moves on to keys derived from the session's keys, see [`crate::seal`].
    pub rekey: bool,
    /// `roster-changes`: the server sends what changes in the roster in place of the whole roster.
    pub roster_changes: bool,
}

impl Features {
    /// What this crate implements.
    pub const SUPPORTED: Features = Features { rekey: true, roster_changes: true };

    /// The features of both sets.
    pub const fn and(self, other: Features) -> Features {
        Features { rekey: self.rekey && other.rekey, roster_changes: self.roster_changes && other.roster_changes }
    }

    /// Whether the set is empty; then the field is left out.
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
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Offered {
            Name(String),
            Unknown(serde::de::IgnoredAny),
        }
        let mut features = Features::default();
        for offered in Vec::<Offered>::deserialize(d)? {
            let Offered::Name(offered) = offered else { continue };
            for (name, present) in features.by_name() {
                *present |= name == offered;
            }
        }
        Ok(features)
    }
}
