//! Why a server refuses a client.

use core::fmt;
use serde::{Deserialize, Serialize};

/// The server's refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The reason.
    pub reason: Refusal,
    /// Whether a later attempt can succeed.
    pub retry: Retry,
    /// Seconds until the next attempt; `None` if the server does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

impl Refused {
    /// A refusal with the retry advice of its reason.
    pub fn new(reason: Refusal) -> Refused {
        Refused { reason, retry: reason.retry(), after: None }
    }

    /// A refusal that names the seconds until the next attempt.
    pub fn after(reason: Refusal, seconds: u32) -> Refused {
        Refused { after: Some(seconds), ..Refused::new(reason) }
    }
}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Refused {
        Refused::new(reason)
    }
}

impl fmt::Display for Refused {
    /// Tells the musician what happened and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.retry, self.after, self.reason.while_waiting()) {
            (Retry::Later, Some(seconds), Some((why, _))) => write!(f, "{why} RTJam tries again in {seconds} s."),
            _ => self.reason.fmt(f),
        }
    }
}

/// Whether a later attempt can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// Not with the same link and program.
    Never,
    /// After a while.
    Later,
    /// Unknown advice. Clients treat it like [`Retry::Never`].
    #[serde(other)]
    Unknown,
}

/// Reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Both ends have no version or no cipher suite in common.
    Version,
    /// A text was not a message, or a message came out of order.
    BadMessage,
    /// The signature does not match the identity.
    BadSignature,
    /// The secret is wrong or has been renewed, or the room does not exist.
    WrongSecret,
    /// The secret does not allow the role.
    RoleNotAllowed,
    /// The room does not exist. Only earlier servers send this; others send [`Refusal::WrongSecret`], which does not reveal
    /// which rooms exist.
    UnknownRoom,
    /// The room has no free seat.
    RoomFull,
    /// The server shuts down, or its store fails.
    ServerUnable,
    /// The server has no free seat or no memory left.
    ServerFull,
    /// The client's address has reached its number of sessions.
    TooManySessions,
    /// The client's address joins too often.
    TooManyJoins,
    /// The identity has reached its number of seats in the room.
    TooManyInstances,
    /// The client's address has reached its number of seats in the room, or brings too many new identities.
    TooManyFromNetwork,
    /// The secret that admitted the session has been renewed.
    SecretRenewed,
    /// A moderator ended the session.
    Kicked,
    /// The identity or the address is banned from the room.
    Banned,
    /// An unknown reason.
    #[serde(other)]
    Unknown,
}

impl Refusal {
    /// The retry advice of this reason.
    pub const fn retry(self) -> Retry {
        if self.while_waiting().is_some() { Retry::Later } else { Retry::Never }
    }

    /// The reason's name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::Version => "version",
            Refusal::BadMessage => "bad_message",
            Refusal::BadSignature => "bad_signature",
            Refusal::WrongSecret => "wrong_secret",
            Refusal::RoleNotAllowed => "role_not_allowed",
            Refusal::UnknownRoom => "unknown_room",
            Refusal::RoomFull => "room_full",
            Refusal::ServerUnable => "server_unable",
            Refusal::ServerFull => "server_full",
            Refusal::TooManySessions => "too_many_sessions",
            Refusal::TooManyJoins => "too_many_joins",
            Refusal::TooManyInstances => "too_many_instances",
            Refusal::TooManyFromNetwork => "too_many_from_network",
            Refusal::SecretRenewed => "secret_renewed",
            Refusal::Kicked => "kicked",
            Refusal::Banned => "banned",
            Refusal::Unknown => "unknown",
        }
    }

    /// For temporary reasons: what happened, and what RTJam does until it is over.
    const fn while_waiting(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Refusal::RoomFull => ("The room is full.", "RTJam joins as soon as a seat is free."),
            Refusal::ServerUnable => ("The server cannot accept anyone just now.", "RTJam keeps trying."),
            Refusal::ServerFull => ("All seats of this server are taken.", "RTJam joins as soon as one is free."),
            Refusal::TooManySessions => (
                "Your network already has as many seats on this server as it is allowed.",
                "RTJam joins as soon as one is free.",
            ),
            Refusal::TooManyJoins => ("Too many joins from your network within a short time.", "RTJam keeps trying."),
            Refusal::TooManyInstances => (
                "You have already joined this room as often as allowed. Leave it in another window or on another computer.",
                "RTJam joins as soon as a seat is free for you.",
            ),
            Refusal::TooManyFromNetwork => {
                ("Too many people from your network are in this room, or are joining it.", "RTJam keeps trying.")
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Refusal {
    /// Tells the musician what happened and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((why, meanwhile)) = self.while_waiting() {
            return write!(f, "{why} {meanwhile}");
        }
        f.write_str(match self {
            Refusal::Version => "The server runs an incompatible version of RTJam. Update the older of the two.",
            Refusal::BadMessage => "The server did not understand a message of RTJam. Update RTJam on both ends.",
            Refusal::BadSignature => "The server did not accept this identity. Try again.",
            Refusal::WrongSecret => "This invite link is not valid. Ask whoever runs the room for a new one.",
            Refusal::RoleNotAllowed => {
                "This invite link is for listening only. Ask whoever runs the room for a musician's link."
            }
            Refusal::SecretRenewed => {
                "The invite links of this room have been renewed. Ask whoever runs the room for a new one."
            }
            Refusal::Kicked => {
                "Whoever runs the room has removed you from it. Talk to them; after that you can join again."
            }
            Refusal::Banned => "You are banned from this room. Talk to whoever runs it.",
            Refusal::UnknownRoom => "This room does not exist on the server. Ask for a new invite link.",
            _ => "The server refused for a reason that this version of RTJam does not know. Update RTJam.",
        })
    }
}
