//! What a jam in a room and one on a legacy server have in common.

use super::encoder::EncodedPacket;
use super::roster::StripRoster;
use crate::control::{ControlCommand, ControlReport};
use crate::media::{Path, RecvCommand, RecvEvent};
use crate::shared::ClientShared;
use crate::snapshot::{SendCounts, Snapshot};
use crossbeam_channel::Sender;
use rtjam_engine::Console;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::InviteLink;
use tokio::sync::mpsc::UnboundedSender;

/// The command channels from `jam-send` to the other threads.
#[derive(Clone)]
pub(crate) struct JamChannels {
    pub(crate) recv: Sender<RecvCommand>,
    pub(crate) control: UnboundedSender<ControlCommand>,
}

impl JamChannels {
    pub(super) fn send_recv(&self, command: RecvCommand) {
        // Without a receiver the client is ending.
        let _ = self.recv.send(command);
    }

    pub(super) fn send_control(&self, command: ControlCommand) {
        let _ = self.control.send(command);
    }
}

/// One jam, from `join` to `leave`.
pub(super) trait Jam {
    /// When [`Jam::handle_timeout`] is next needed.
    fn poll_timeout(&self) -> Option<Micros>;

    fn handle_timeout(&mut self, now: Micros);

    /// A report of `jam-control`.
    fn handle_report(&mut self, now: Micros, report: ControlReport);

    /// An event of `jam-recv`.
    fn handle_recv_event(&mut self, _event: &RecvEvent) {}

    /// Sends a packet of this musician. Returns the datagrams that were sent and dropped: none of either while no
    /// session can send.
    fn send_audio(&mut self, now: Micros, packet: EncodedPacket<'_>) -> SendCounts;

    /// Carries out pending events and transmissions. Returns whether the snapshot has changed.
    fn drain(&mut self, now: Micros) -> bool;

    fn roster(&mut self) -> &mut StripRoster;

    fn path(&self) -> &Path;

    /// Ten times a second: replaces a silent socket and updates the figures of loss and retransmission.
    fn tick(&mut self, now: Micros, shared: &ClientShared);

    /// Tells the server which downstream to send, and how to mix. Legacy servers ignore it.
    fn set_mix(&mut self, _mode: Option<DownstreamMode>, _codec: Codec, _console: &Console) {}

    /// Has the server always send the musicians of these names. Legacy servers send everyone.
    fn pin(&mut self, _names: &[String]) {}

    /// The largest datagram that gets through, in bytes.
    fn datagram_limit(&self) -> usize;

    /// The link without its key and this session's instance number, to return to the same seat.
    fn place(&self) -> Option<(InviteLink, u8)> {
        None
    }

    /// Says goodbye. A legacy server forgets a silent client.
    fn leave(&mut self, _now: Micros) {}

    /// The snapshot, without the answers and notices of the thread.
    fn snapshot(&self, now: Micros, loop_guard_tripped: bool) -> Snapshot;
}
