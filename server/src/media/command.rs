//! What media threads are told, and by what.

use super::forward_queue::RoomNumber;
use super::route::Recipient;
use super::session::MediaSession;
use super::speaker_selection::SpeakerSelection;
use super::tap::TapId;
use crossbeam_channel::Sender;
use mio::Waker;
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::sync::{Arc, OnceLock};

/// A command to a media thread.
pub(super) enum ThreadCommand {
    /// To every thread: forward the room's packets to this recipient, too.
    AddRecipient { room: RoomNumber, recipient: Box<Recipient> },
    /// To the thread that owns the session: receive from it.
    AddSession(Box<MediaSession>),
    /// To every thread: forget the session.
    Remove { room: RoomNumber, session: SessionId },
    /// To the thread that owns the lane: the recipient is missing packets.
    Feedback { room: RoomNumber, session: SessionId, feedback: Feedback },
    /// To every thread: start or stop offering the room's packets to a tap.
    SetTap { room: RoomNumber, tap: TapId, on: bool },
    /// To every thread: forward the room's packets to this recipient, or stop because it receives a mix instead.
    SetForwarded { room: RoomNumber, session: SessionId, on: bool },
    /// To every thread: the room has become crowded, or is not crowded any more.
    SetSelection { room: RoomNumber, selection: Option<Arc<SpeakerSelection>> },
    /// To every thread: this recipient receives these sources in any case.
    Pin { room: RoomNumber, session: SessionId, pinned: Vec<SourceId> },
    /// To the thread that owns the session: the mixer waits this much longer than typical for its late packets.
    SetMixerWait { session: SessionId, wait: Micros },
    /// Say goodbye to every session and end.
    ShutDown,
}

/// A way to command one media thread: a queue and a wake.
#[derive(Clone)]
pub(super) struct CommandSender {
    commands: Sender<ThreadCommand>,
    waker: Arc<Waker>,
}

impl CommandSender {
    pub(super) fn new(commands: Sender<ThreadCommand>, waker: Arc<Waker>) -> CommandSender {
        CommandSender { commands, waker }
    }

    pub(super) fn send(&self, command: ThreadCommand) {
        // Either fails only after the thread has panicked.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

/// The command senders of all media threads, set once all have started.
#[derive(Clone, Default)]
pub(super) struct CommandSenders(Arc<OnceLock<Vec<CommandSender>>>);

impl CommandSenders {
    /// Sets them, once.
    pub(super) fn set(&self, senders: Vec<CommandSender>) {
        // Fails only on a second call.
        let _ = self.0.set(senders);
    }

    /// All of them, in the order of the threads.
    pub(super) fn all(&self) -> &[CommandSender] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}
