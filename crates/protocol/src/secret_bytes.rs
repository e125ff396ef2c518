//! Secrets as byte arrays: their base64url form in JSON, without padding, and their comparison.
//!
//! All intermediate copies are zeroized.

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u8; N], D::Error> {
    let text = Zeroizing::new(String::deserialize(d)?);
    let bytes: Vec<u8> = URL_SAFE_NO_PAD.decode(&*text).map_err(|_| serde::de::Error::custom("not base64url"))?;
    let bytes = Zeroizing::new(bytes);
    (&bytes[..]).try_into().map_err(|_| serde::de::Error::custom("wrong length"))
}

/// Whether two secrets are equal. The time taken does not depend on where they differ.
pub(crate) fn constant_time_eq<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// Implements serde's traits for a newtype around `[u8; N]`.
macro_rules! as_base64url {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                $crate::secret_bytes::serialize(&self.0, s)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::secret_bytes::deserialize(d).map(Self)
            }
        }
    };
}
pub(crate) use as_base64url;

/// Makes a newtype around `[u8; N]` a secret: zeroized on drop, hidden by `Debug`, and base64url in JSON.
macro_rules! secret {
    ($type:ident) => {
        $crate::secret_bytes::as_base64url!($type);
        impl $type {
            /// Whether both are equal. The time taken does not depend on where they differ.
            pub fn matches(&self, other: &$type) -> bool {
                $crate::secret_bytes::constant_time_eq(&self.0, &other.0)
            }
        }
        impl Drop for $type {
            fn drop(&mut self) {
                zeroize::Zeroize::zeroize(&mut self.0);
            }
        }
        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}
pub(crate) use secret;
