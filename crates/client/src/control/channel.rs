//! The channel between `jam-send` and `jam-control`.

use super::error::ConnectionError;
use crate::slots::{SlotFileError, SlotMap};
use crate::threads::Wake;
use crossbeam_channel::Sender;
use rtjam_protocol::client::DialId;
use rtjam_protocol::control::{ClientMessage, ServerMessage};
use rtjam_protocol::link::{Host, Pin, Trust};
use std::net::SocketAddr;

/// A control connection: the number of the jam, and the dial within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JamConnection {
    pub(crate) jam: u32,
    pub(crate) dial: DialId,
}

/// The server of a control connection.
#[derive(Clone, Debug)]
pub(crate) struct ServerTarget {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) trust: Trust,
}

/// A command for `jam-control`.
pub(crate) enum ControlCommand {
    /// Opens a connection; answered by `Opened` or `Closed`.
    Dial(JamConnection, ServerTarget),
    /// Sends a message.
    Send(JamConnection, ClientMessage),
    /// Closes a connection once everything is sent. Only reports that are already on their way still arrive.
    HangUp(JamConnection),
    /// Resolves the host of a media endpoint.
    Resolve { jam: u32, endpoint: usize, host: Host },
    /// Writes the slot map to disk.
    SaveSlots(SlotMap),
    /// Ends the thread; pending messages are sent if that is quick.
    Stop,
}

/// A report for `jam-send`.
pub(crate) enum ControlReport {
    /// The slot map from disk: the first report of all, if there is a file.
    Slots(SlotMap),
    /// The slot map cannot be read or written.
    SlotsNotSaved(SlotFileError),
    /// A connection is open. `server` is the pin of the key that the server showed.
    Opened { connection: JamConnection, server: Pin, address: SocketAddr },
    /// The server sent a message.
    Received(JamConnection, ServerMessage),
    /// A connection could not be opened, or has ended.
    Closed(JamConnection, ConnectionError),
    /// The address of a media endpoint, without its port.
    Resolved { jam: u32, endpoint: usize, address: SocketAddr },
    /// The host of a media endpoint has no address, or no name server answers.
    NotResolved { jam: u32 },
}

/// The sending end of the reports.
#[derive(Clone)]
pub(crate) struct ControlReports {
    pub(crate) channel: Sender<ControlReport>,
    pub(crate) wake: Wake,
}

impl ControlReports {
    pub(super) fn send(&self, report: ControlReport) {
        // Without a receiver the client is ending.
        let _ = self.channel.send(report);
        self.wake.wake();
    }
}
