//! Byte arrays as base64url texts in JSON. They may be secret, so what is made on the way is overwritten.

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

pub(super) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u8; N], D::Error> {
    let text = Zeroizing::new(String::deserialize(d)?);
    let bytes: Vec<u8> = URL_SAFE_NO_PAD.decode(&*text).map_err(|_| serde::de::Error::custom("not base64url"))?;
    let bytes = Zeroizing::new(bytes);
    (&bytes[..]).try_into().map_err(|_| serde::de::Error::custom("wrong length"))
}

/// Gives a newtype around `[u8; N]` its JSON form.
macro_rules! as_base64 {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                $crate::control::b64::serialize(&self.0, s)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::control::b64::deserialize(d).map(Self)
            }
        }
    };
}
pub(super) use as_base64;
