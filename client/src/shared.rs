//! What `jam-send` tells everybody else: whole pictures, swapped; nobody waits for anybody.

use crate::slots::Seats;
use crate::status::{State, You};
use arc_swap::{ArcSwap, ArcSwapOption};
use rtjam_engine::VoiceReading;
use rtjam_protocol::{Micros, SourceId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Shared by the client's handle and its threads. The audio thread never sees it.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) picture: ArcSwap<Picture>,
    /// Audio datagrams that left.
    pub(crate) sent: AtomicU64,
    /// Audio packets of a joined session that did not leave.
    pub(crate) not_sent: AtomicU64,
    /// Who sat where, last.
    pub(crate) seats: ArcSwap<Seats>,
    /// Why no trace is recorded any more.
    pub(crate) trace_fault: ArcSwapOption<String>,
}

impl Shared {
    /// Counts of sending, since the client was made. `ring_dropped` is what the engine dropped.
    pub(crate) fn counts(&self, ring_dropped: u64) -> Counts {
        Counts { packets: self.sent.load(Relaxed), dropped: self.not_sent.load(Relaxed).saturating_add(ring_dropped) }
    }
}

/// Counts of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
}

/// How things stood at some moment not long ago.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// The number of the last `join` or `leave` that it takes account of.
    pub(crate) answers: u32,
    pub(crate) state: State,
    pub(crate) room: Option<String>,
    pub(crate) rtt: Option<Micros>,
    pub(crate) you: Option<You>,
    pub(crate) musicians: Vec<Present>,
    pub(crate) sentence: Option<String>,
    pub(crate) notices: Vec<String>,
    /// Counts of sending when the room was joined.
    pub(crate) sent_before: Counts,
}

/// Somebody else in the room.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    pub(crate) source: SourceId,
    pub(crate) name: String,
    pub(crate) strip: Option<usize>,
    /// They come by the classic packet.
    pub(crate) classic: bool,
    /// Their counts when they came, or when we did.
    pub(crate) heard_before: Heard,
}

/// Counts of one musician.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) recovered: u64,
    pub(crate) concealed_frames: u64,
}

impl Heard {
    pub(crate) fn of(voice: &VoiceReading) -> Heard {
        Heard {
            packets: voice.packets,
            lost: voice.lost,
            late: voice.late,
            recovered: voice.recovered,
            concealed_frames: voice.concealed_frames,
        }
    }

    /// What was added since `before`. A voice that began again from 0 in between counts whole.
    pub(crate) fn since(&self, before: &Heard) -> Heard {
        let began_again = self.packets < before.packets;
        let before = if began_again { Heard::default() } else { *before };
        Heard {
            packets: self.packets.saturating_sub(before.packets),
            lost: self.lost.saturating_sub(before.lost),
            late: self.late.saturating_sub(before.late),
            recovered: self.recovered.saturating_sub(before.recovered),
            concealed_frames: self.concealed_frames.saturating_sub(before.concealed_frames),
        }
    }
}
