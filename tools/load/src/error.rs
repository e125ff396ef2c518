//! Why a load cannot be run.

use rtjam_protocol::control::Refusal;
use rtjam_protocol::link::BadLink;
use std::fmt;
use std::io;

/// What is wrong with the flags, the server or this machine.
#[derive(Debug)]
pub enum LoadError {
    /// A legacy packet cannot hold so many frames; the most that it can.
    PacketTooLong(usize),
    /// A legacy server has only one room.
    OneRoomOnly,
    /// The host or address of the server is not known.
    UnknownHost(String, io::Error),
    /// The host of the server has no address.
    NoAddress(String),
    /// A link is not valid.
    Link(String, BadLink),
    /// A link has no key.
    LinkWithoutKey,
    /// A link does not pin the server's key.
    LinkWithoutPin,
    /// There are fewer links than rooms; the number of rooms.
    TooFewLinks(usize),
    /// The server's process cannot be inspected or run.
    Process(u32, io::Error),
    /// The server's program made no link to a room; what it printed.
    NoInvitation(String, String),
    /// The system gives no socket.
    Socket(io::Error),
    /// The system gives no random numbers for an identity.
    Identity(String),
    /// The server refuses a musician.
    Refused(Refusal),
    /// A musician has lost the session.
    SessionLost,
    /// Too few musicians have joined in time.
    Incomplete {
        /// How many have joined.
        joined: usize,
        /// How many should have.
        wanted: usize,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::PacketTooLong(most) => write!(f, "A legacy packet holds at most {most} frames."),
            LoadError::OneRoomOnly => f.write_str("A legacy server has one room: leave out --rooms."),
            LoadError::UnknownHost(host, e) => write!(f, "{host} is not a known HOST:PORT ({e})."),
            LoadError::NoAddress(host) => write!(f, "{host} has no address."),
            LoadError::Link(link, e) => write!(f, "{link}: {e}"),
            LoadError::LinkWithoutKey => {
                f.write_str("A link without the part after # opens no room. Give the complete link.")
            }
            LoadError::LinkWithoutPin => {
                f.write_str("The link does not pin the server's key; use a link that this server made.")
            }
            LoadError::TooFewLinks(rooms) => {
                write!(f, "{rooms} rooms need as many --join LINK, or --pid SERVER to make more links.")
            }
            LoadError::Process(pid, e) => write!(f, "Process {pid} is not a room server that can be used ({e})."),
            LoadError::NoInvitation(room, said) => write!(f, "The server's program made no link to {room}: {said}"),
            LoadError::Socket(e) => write!(f, "This machine gives no socket ({e})."),
            LoadError::Identity(e) => f.write_str(e),
            LoadError::Refused(reason) => write!(f, "The server refuses a musician: {reason:?}."),
            LoadError::SessionLost => f.write_str("A musician has lost the session."),
            LoadError::Incomplete { joined, wanted } => {
                write!(f, "Only {joined} of {wanted} musicians have joined. Is the server running?")
            }
        }
    }
}

impl std::error::Error for LoadError {}
