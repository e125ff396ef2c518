//! What a jam in a room and one on a legacy server have in common.

use super::encoder::Encoder;
use crate::condition::StatusNotice;
use crate::control::{Command, Report};
use crate::media::{RecvCommand, RecvEvent};
use crate::shared::Shared;
use crate::slots::Seating;
use crate::snapshot::{SendCounts, Snapshot};
use crossbeam_channel::Sender;
use rtjam_engine::{Console, OutPacket, StallPattern};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::InviteLink;
use std::io;
use tokio::sync::mpsc::UnboundedSender;

/// The command channels from `jam-send` to the other threads.
#[derive(Clone)]
pub(crate) struct JamChannels {
    pub(crate) recv: Sender<RecvCommand>,
    pub(crate) control: UnboundedSender<Command>,
}

impl JamChannels {
    pub(super) fn send_recv(&self, command: RecvCommand) {
        // Without a receiver the client is ending.
        let _ = self.recv.send(command);
    }

    pub(super) fn send_control(&self, command: Command) {
        let _ = self.control.send(command);
    }
}

/// One jam, from `join` to `leave`.
pub(super) trait Jam {
    /// When [`Jam::handle_timeout`] is next needed.
    fn poll_timeout(&self) -> Option<Micros>;

    fn handle_timeout(&mut self, now: Micros);

    /// A report of `jam-control`.
    fn handle_report(&mut self, now: Micros, report: Report);

    /// An event of `jam-recv`.
    fn handle_recv_event(&mut self, _event: &RecvEvent) {}

    /// Sends a packet of this musician. Returns the datagrams that were sent and dropped: none of either while no
    /// session can send.
    fn send_audio(&mut self, now: Micros, packet: &OutPacket, encoder: &mut Encoder) -> SendCounts;

    /// Carries out pending events and transmissions. Returns whether the snapshot has changed.
    fn drain(&mut self, now: Micros) -> bool;

    /// Whether the roster has changed since [`Jam::assign_strips`].
    fn roster_changed(&self) -> bool;

    /// Gives all other musicians their strips. Returns whether the user's slot map has changed.
    fn assign_strips(&mut self, seating: &mut Seating, console: &Console) -> bool;

    /// Takes all musicians off their strips.
    fn clear_strips(&mut self, console: &Console);

    /// Ten times a second: replaces a silent socket and updates the figures of loss and retransmission.
    fn tick(&mut self, now: Micros, shared: &Shared);

    /// Reports recurring stalls of this computer to the room, or that they are over. Legacy servers have no such message.
    fn report_stalls(&mut self, _now: Micros, _stalls: Option<StallPattern>) {}

    /// Tells the server which downstream to send, and how to mix. Legacy servers ignore it.
    fn set_mix(&mut self, _mode: Option<DownstreamMode>, _codec: Codec, _console: &Console) {}

    /// Has the server always send the musicians of these names. Legacy servers send everyone.
    fn pin(&mut self, _names: &[String]) {}

    /// Why there is no socket.
    fn socket_error(&self) -> Option<&io::Error>;

    /// The largest number of frames that the engine may put into a packet.
    fn max_frames(&self, encoder: &Encoder) -> usize;

    /// The link without its key and this session's instance number, to return to the same seat.
    fn place(&self) -> Option<(InviteLink, u8)>;

    fn leave(&mut self, now: Micros);

    fn snapshot(&self, now: Micros, answers: u32, loop_guard_tripped: bool, notices: Vec<StatusNotice>) -> Snapshot;
}
