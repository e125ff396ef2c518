//! The types of settings, as flags and the config file give them.

use crate::data_dir::{self, DataDirError};
use crate::platform::interface_index;
use clap::Args;
use serde::{Deserialize, Deserializer};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::net::{SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::str::FromStr;

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<T, const MIN: u64, const MAX: u64>(pub(super) T);

/// A number that is not in its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a whole number from {min} to {max}")]
pub struct OutOfRange {
    given: String,
    min: u64,
    max: u64,
}

impl<T: TryFrom<u64>, const MIN: u64, const MAX: u64> Number<T, MIN, MAX> {
    fn new(number: Option<u64>, given: impl Display) -> Result<Number<T, MIN, MAX>, OutOfRange> {
        let in_range = number.filter(|n| (MIN..=MAX).contains(n)).and_then(|n| T::try_from(n).ok());
        in_range.map(Number).ok_or_else(|| OutOfRange { given: given.to_string(), min: MIN, max: MAX })
    }
}

impl<T: TryFrom<u64>, const MIN: u64, const MAX: u64> FromStr for Number<T, MIN, MAX> {
    type Err = OutOfRange;

    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        Number::new(text.parse().ok(), text)
    }
}

impl<'de, T: TryFrom<u64>, const MIN: u64, const MAX: u64> Deserialize<'de> for Number<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(d)?;
        Number::new(u64::try_from(number).ok(), number).map_err(serde::de::Error::custom)
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub SocketAddr);

/// Text that is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not IP:PORT; for example, write 0.0.0.0:7891 for all IPv4 addresses, [::]:7891 for IPv6, or \
     [fe80::1%eth0]:7891 for an address of one interface"
)]
pub struct BadListenAddress(String);

impl FromStr for ListenAddress {
    type Err = BadListenAddress;

    fn from_str(text: &str) -> Result<ListenAddress, BadListenAddress> {
        let parsed = text.parse().ok().or_else(|| with_interface(text));
        parsed.map(ListenAddress).ok_or_else(|| BadListenAddress(text.to_owned()))
    }
}

/// Reads `[IP%INTERFACE]:PORT`, where the interface is the name of one of this machine's.
fn with_interface(text: &str) -> Option<SocketAddr> {
    let (before, rest) = text.split_once('%')?;
    let (interface, after) = rest.split_once(']')?;
    let mut address: SocketAddrV6 = format!("{before}]{after}").parse().ok()?;
    address.set_scope_id(interface_index(interface)?);
    Some(address.into())
}

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub tracing::Level);

/// Text that is not a log level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of error, warn, info, debug, trace")]
pub struct BadLogLevel(String);

impl FromStr for LogLevel {
    type Err = BadLogLevel;

    fn from_str(text: &str) -> Result<LogLevel, BadLogLevel> {
        text.parse().map(LogLevel).map_err(|_| BadLogLevel(text.to_owned()))
    }
}

/// The help text of `--data`, the same for every command.
pub const DATA_HELP: &str =
    "The folder for the server's key, rooms and slots [default: $STATE_DIRECTORY, else the user's data folder]";

/// The data folder of a command that works beside the server.
#[derive(Args, Clone, Debug)]
pub struct DataDirArg {
    #[arg(long, value_name = "DIR", help = DATA_HELP)]
    data: Option<PathBuf>,
}

impl DataDirArg {
    /// The folder that was given, or the default one.
    ///
    /// # Errors
    /// When none was given and the user has no home folder.
    pub fn path(self) -> Result<PathBuf, DataDirError> {
        self.data.map_or_else(data_dir::default_path, Ok)
    }
}

struct FromText<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for FromText<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map(FromText).map_err(serde::de::Error::custom)
    }
}

pub(super) fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(d: D) -> Result<Option<T>, D::Error> {
    FromText::deserialize(d).map(|t| Some(t.0))
}

/// Reads a list of texts, or one text as a list of one.
pub(super) fn one_or_many<'de, D, T>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    struct Visitor<T>(PhantomData<T>);
    impl<'de, T: FromStr<Err: Display>> serde::de::Visitor<'de> for Visitor<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse().map(|value| vec![value]).map_err(E::custom)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(FromText(item)) = seq.next_element()? {
                all.push(item);
            }
            Ok(all)
        }
    }
    d.deserialize_any(Visitor(PhantomData)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_address_keeps_its_interface() {
        let address = |text: &str| text.parse::<ListenAddress>().map(|a| a.0.to_string());
        // Elsewhere the loopback interface has another name, or none.
        if let Some(index) = interface_index("lo") {
            assert_eq!(address("[fe80::1%lo]:7891"), Ok(format!("[fe80::1%{index}]:7891")));
        }
        assert_eq!(address("[fe80::1%1]:7891").as_deref(), Ok("[fe80::1%1]:7891"));
        for wrong in ["[fe80::1%nowhere]:7891", "fe80::1%lo:7891", "[127.0.0.1%lo]:7891", "%]", "[::1%lo]"] {
            assert!(address(wrong).is_err_and(|e| e.to_string().contains("eth0")), "{wrong}");
        }
    }
}
