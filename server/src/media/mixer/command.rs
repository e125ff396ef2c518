//! What the mixer is told.

use super::super::forward_queue::RoomNumber;
use super::outgoing_mix::MixMember;
use crossbeam_channel::{Receiver, Sender, unbounded};
use rtjam_engine::Balance;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::{SessionId, SourceId};
use std::sync::{Arc, OnceLock};

/// What a session wants of the mixer.
pub struct MixerRequest {
    /// Whether the session receives a mix; otherwise it receives everyone's packets.
    pub mixed: bool,
    /// The codec of the mix.
    pub codec: Codec,
    /// The balance of musicians in the mix; unity gain for those that are not named.
    pub balances: Vec<(SourceId, Balance)>,
}

/// A command to the mixer.
pub(in super::super) enum MixerCommand {
    /// A session has begun. A request tells whether it receives a mix.
    Add(RoomNumber, Box<MixMember>),
    /// A session wants this from now on.
    Request(RoomNumber, SessionId, MixerRequest),
    /// A session has ended.
    Remove(RoomNumber, SessionId),
    /// NACKs of a client for the mixer's lane.
    Feedback(RoomNumber, SessionId, Feedback),
    /// End.
    Stop,
}

/// Sends commands to the mixer, once it has started.
#[derive(Clone, Default)]
pub(in super::super) struct MixerSender(Arc<OnceLock<Sender<MixerCommand>>>);

impl MixerSender {
    /// Opens the queue. Call it once.
    pub(super) fn open(&self) -> Receiver<MixerCommand> {
        let (commands, receiver) = unbounded();
        // Fails only on a second call.
        let _ = self.0.set(commands);
        receiver
    }

    pub(in super::super) fn send(&self, command: MixerCommand) {
        if let Some(commands) = self.0.get() {
            // Fails only after the mixer has panicked.
            let _ = commands.send(command);
        }
    }
}
