//! What is said on the control connection: JSON texts on a WebSocket over TLS.
//!
//! Each text is one object with a `type`. Unknown fields are ignored, and so is an unknown `type`, so
//! that either end can be newer. The server begins with `welcome`; the client answers `hello` and `seat`.

mod b64;
mod features;
mod message;
mod mix;
mod name;

pub use features::Features;

pub use message::{
    ClientMessage, Hello, Joined, MAX_PINNED, MediaEndpoint, MemberAccess, Refusal, Refused, Retry, RosterEntry, Seat,
    SeatRole, ServerMessage, SessionKeys, Token, TransportKind, Welcome,
};

pub use mix::{MixBalance, MixChoice, MixState, MixWish};
pub use name::{Look, MAX_MARKS, MAX_NAME, MAX_NAME_BYTES, numbered_name, tidy_name};

use crate::link::Pin;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of the control messages that this crate speaks.
pub const VERSION: u16 = 1;

/// ALPN of a native client.
pub const ALPN: &[u8] = b"rtjam/1";

/// Path of the WebSocket on the server.
pub const PATH: &str = "/control";

/// The longest text that either end accepts, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// A text that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMessage;

/// Reads a message.
///
/// # Errors
/// When the text is too long, no JSON, or lacks what its `type` needs.
pub fn read<M: DeserializeOwned>(text: &str) -> Result<M, BadMessage> {
    if text.len() > MAX_TEXT {
        return Err(BadMessage);
    }
    serde_json::from_str(text).map_err(|_| BadMessage)
}

/// Writes a message.
pub fn write<M: Serialize>(message: &M) -> String {
    // Our messages have string keys and no failing serializers.
    serde_json::to_string(message).unwrap_or_default()
}

/// The bytes that a musician signs to show that an identity is theirs: bound to this server by its nonce and pin.
pub fn signed_text(nonce: &[u8; 32], server: &Pin) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    text.extend_from_slice(b"rtjam/1 join\0");
    text.extend_from_slice(nonce);
    text.extend_from_slice(&server.0);
    text
}
