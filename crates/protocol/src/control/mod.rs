//! Messages of the control connection: JSON texts on a WebSocket over TLS.
//!
//! Each text is one object with a `type`. Unknown types and unknown fields are ignored, so either end may be newer. The
//! server begins with `welcome`; the client replies with `hello` and `seat`.

mod downstream;
mod message;
mod name;
mod refusal;
mod release;
mod stalls;

pub use crate::features::Features;
pub use crate::seal::SessionKeys;
pub use downstream::{DownstreamMode, MixBalance, MixRequest, MixState};
pub use message::{
    ClientMessage, Hello, Joined, MAX_PINNED, MediaEndpoint, MemberAccess, ResumeToken, RosterEntry, SeatRequest,
    SeatRole, ServerMessage, TransportKind, Welcome,
};
pub use name::{MAX_MARKS, MAX_NAME, MAX_NAME_BYTES, NameSkeleton, numbered_name, tidy_name};
pub use refusal::{DOWNLOADS, Refusal, Refused, Retry};
pub use release::{Outdated, Release};
pub use stalls::{StallReport, StallingMusician};

use crate::link::Pin;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Version of the control messages.
pub const VERSION: u16 = 1;

/// ALPN protocol name of native clients.
pub const ALPN: &[u8] = b"rtjam/1";

/// Path of the WebSocket on the server.
pub const PATH: &str = "/control";

/// Maximum length of a text in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// The text is not a valid message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMessage;

/// Parses a message.
///
/// # Errors
/// When the text is too long, is not JSON, or lacks a required field.
pub fn read<M: DeserializeOwned>(text: &str) -> Result<M, BadMessage> {
    if text.len() > MAX_TEXT {
        return Err(BadMessage);
    }
    serde_json::from_str(text).map_err(|_| BadMessage)
}

/// Serializes a message.
pub fn write<M: Serialize>(message: &M) -> String {
    // Cannot fail: the messages have string keys, and their serializers do not fail.
    serde_json::to_string(message).unwrap_or_default()
}

/// The bytes that a client signs to prove its identity. Nonce and pin bind the signature to one connection to one server.
pub fn signed_text(nonce: &[u8; 32], server: &Pin) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    text.extend_from_slice(b"rtjam/1 join\0");
    text.extend_from_slice(nonce);
    text.extend_from_slice(&server.0);
    text
}
