//! One mix instead of everyone's packets: for musicians who want that, and for listeners.
//!
//! A thread of its own. Media threads hand it the opened packets of rooms in which somebody takes a mix, each by a ring
//! of its own; it decodes every musician of such a room once ([`rtjam_engine::MixBus`]) and every 128 frames sends each
//! taker the sum of the others, sealed by a lane that is this thread's alone. While nobody takes a mix it sleeps.
//!
//! | module | what lives there |
//! |---|---|
//! | `feed` | packets on their way from a media thread |
//! | `thread` | the loop: commands, ticks |
//! | `pace` | when a tick is due |
//! | `room` | a room's desk and its takers |
//! | `taker` | one mix on its way to one session |
//! | `figures` | numbers |
//! | `stalls` | tests: what stalls of the machine do to the delay |

mod feed;
mod figures;
mod pace;
mod room;
#[cfg(test)]
mod stalls;
mod taker;
mod thread;

pub(super) use feed::{Feed, feed};
pub use figures::{MixFigures, MixTotals};
pub(super) use taker::Guest;
pub(super) use thread::start;

use super::command::RoomKey;
use crossbeam_channel::Sender;
use rtjam_engine::Balance;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::thread::JoinHandle;

/// What a session wants of the mixer.
pub struct Wish {
    /// One mix, rather than everyone separately.
    pub one: bool,
    /// How its samples are to be written.
    pub codec: Codec,
    /// How loud musicians are in it; unity for those that are not named.
    pub balances: Vec<(SourceId, Balance)>,
}

/// A packet as a room hears it.
struct FedFrames<'a> {
    arrived: Micros,
    frames: &'a [u8],
}

/// What the mixer is told.
pub(super) enum MixerCommand {
    /// Somebody came. Whether they take a mix is told by a wish.
    Add(RoomKey, Box<Guest>),
    /// They want this from now on.
    Wish(RoomKey, SessionId, Wish),
    /// They left.
    Remove(RoomKey, SessionId),
    /// They miss this of the mixer's lane.
    Feedback(RoomKey, SessionId, Feedback),
    /// End.
    Stop,
}

/// The mixer as the lobby holds it.
pub(super) struct MixerHandle {
    pub(super) commands: Sender<MixerCommand>,
    pub(super) thread: JoinHandle<()>,
}

impl MixerHandle {
    pub(super) fn tell(&self, command: MixerCommand) {
        // Fails only when the thread has panicked; then there is nobody to tell.
        let _ = self.commands.send(command);
    }
}
