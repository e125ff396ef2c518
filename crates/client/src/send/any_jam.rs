//! What all jams have in common, whichever way their sound goes: all that `jam-send` knows of one.

use super::audio::Encoder;
use crate::control::Report;
use crate::media::Note;
use crate::shared::{Counts, Picture, Shared};
use crate::slots::Seating;
use rtjam_engine::{Console, OutPacket};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::InviteLink;
use std::io;

/// One jam, from `join` to `leave`.
pub(super) trait AnyJam {
    /// When [`AnyJam::handle_time`] is next needed.
    fn poll_timeout(&self) -> Option<Micros>;

    /// Tells the time.
    fn handle_time(&mut self, now: Micros);

    /// `jam-control` tells something.
    fn handle_report(&mut self, now: Micros, report: Report);

    /// `jam-recv` tells something.
    fn handle_note(&mut self, _note: &Note) {}

    /// A packet of one's own sound: the datagrams that left, and those that did not. None of either while there is no
    /// session that sends.
    fn send_audio(&mut self, now: Micros, packet: &OutPacket, encoder: &mut Encoder) -> Counts;

    /// Carries out what is to be done. Says whether something happened that people see.
    fn drain(&mut self, now: Micros) -> bool;

    /// Whether [`AnyJam::seat_everyone`] has something to do.
    fn roster_is_new(&self) -> bool;

    /// Gives everyone else their strip. Returns whether the slot map has changed.
    fn seat_everyone(&mut self, seating: &mut Seating, console: &Console) -> bool;

    /// Nobody plays on a strip any more.
    fn clear_strips(&mut self, console: &Console);

    /// Ten times a second: looks after the path, and at what it costs.
    fn look_around(&mut self, now: Micros, shared: &Shared);

    /// Has the server send this of the others, a mix as the controls say; nothing where servers make no such mixes.
    fn wish_mix(&mut self, _take: Option<DownstreamMode>, _codec: Codec, _console: &Console) {}

    /// Has the server send the musicians of these names in any case; nothing where servers send everyone.
    fn pin(&mut self, _names: &[String]) {}

    /// Why there is no socket.
    fn path_fault(&self) -> Option<&io::Error>;

    /// The most frames that the engine is to put into a packet.
    fn max_frames(&self, encoder: &Encoder) -> usize;

    /// The link without its key and which of the identity's sessions this was: for coming back to the same place.
    fn place(&self) -> Option<(InviteLink, u8)>;

    /// Leaves.
    fn leave(&mut self, now: Micros);

    /// How things stand.
    fn draw(&self, now: Micros, answers: u32, guarded: bool, notices: Vec<String>) -> Picture;
}
