//! What `jam-send` tells everybody else: whole pictures, swapped; nobody waits for anybody.

use crate::slots::Seats;
use crate::status::{State, You};
use arc_swap::{ArcSwap, ArcSwapOption};
use rtjam_engine::VoiceReading;
use rtjam_protocol::control::MixState;
use rtjam_protocol::datagram::MixedMusician;
use rtjam_protocol::link::Role;
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
    /// Of this session, datagrams that the server sent and that did not come.
    lost: AtomicU64,
    /// Of this session, bytes of what the server sent again.
    again: AtomicU64,
}

impl Shared {
    /// Counts of sending, since the client was made. `ring_dropped` is what the engine dropped.
    pub(crate) fn counts(&self, ring_dropped: u64) -> Counts {
        Counts { packets: self.sent.load(Relaxed), dropped: self.not_sent.load(Relaxed).saturating_add(ring_dropped) }
    }
}

impl Shared {
    /// `jam-recv`: a session begins.
    pub(crate) fn heard_nothing_yet(&self) {
        self.lost.store(0, Relaxed);
        self.again.store(0, Relaxed);
    }

    /// `jam-recv`: so many bytes came that were sent before.
    pub(crate) fn came_again(&self, bytes: usize) {
        self.again.fetch_add(bytes as u64, Relaxed);
    }

    /// `jam-recv`: so many datagrams did not come, in all.
    pub(crate) fn did_not_come(&self, datagrams: u64) {
        self.lost.store(datagrams, Relaxed);
    }

    /// What did not come, and bytes of what came again.
    pub(crate) fn missed(&self) -> (u64, u64) {
        (self.lost.load(Relaxed), self.again.load(Relaxed))
    }
}

/// How fast a count of bytes grows, over about a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    since: Option<(Micros, u64)>,
    kbps: f64,
}

impl Rate {
    /// The count stands there now. Returns kilobits a second.
    pub(crate) fn look(&mut self, now: Micros, bytes: u64) -> f64 {
        match self.since {
            Some((at, before)) if bytes >= before => {
                let span = now.since(at);
                if span >= Micros::from_secs(1) {
                    self.kbps = (bytes - before) as f64 * 8.0 / span.as_millis_f64();
                    self.since = Some((now, bytes));
                }
            }
            // Another session.
            _ => *self = Rate { since: Some((now, bytes)), kbps: 0.0 },
        }
        self.kbps
    }
}

/// What hops lost and what mending them costs, in this session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hops {
    pub(crate) up: Hop,
    pub(crate) down: Hop,
}

/// One way between this end and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hop {
    /// Datagrams that never came.
    pub(crate) lost: u64,
    /// Packets that only recovery brought.
    pub(crate) recovered: u64,
    /// What is sent again.
    pub(crate) extra_kbps: f64,
}

/// Counts of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
}

impl Counts {
    /// One datagram left.
    pub(crate) const SENT: Counts = Counts { packets: 1, dropped: 0 };
    /// One datagram did not leave.
    pub(crate) const NOT_SENT: Counts = Counts { packets: 0, dropped: 1 };

    /// Both together.
    pub(crate) fn and(self, other: Counts) -> Counts {
        Counts { packets: self.packets + other.packets, dropped: self.dropped + other.dropped }
    }
}

/// How things stood at some moment not long ago.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// The number of the last `join` or `leave` that it takes account of.
    pub(crate) answers: u32,
    pub(crate) state: State,
    pub(crate) room: Option<String>,
    /// The server speaks the classic packet: the link is neither private nor authenticated.
    pub(crate) classic: bool,
    pub(crate) rtt: Option<Micros>,
    pub(crate) you: Option<You>,
    pub(crate) musicians: Vec<Present>,
    /// As what this end is in the room: musician or listener.
    pub(crate) role: Option<Role>,
    /// How many listen.
    pub(crate) listeners: u16,
    /// What of the others is sent.
    pub(crate) mix: MixState,
    /// Who is in the mix, as the server hears them; nobody where everyone comes separately.
    pub(crate) mixed: Vec<MixedMusician>,
    pub(crate) sentence: Option<String>,
    pub(crate) notices: Vec<String>,
    /// Counts of sending when the room was joined.
    pub(crate) sent_before: Counts,
    pub(crate) hops: Hops,
    /// Datagrams of this end that the server dropped because they were too many.
    pub(crate) over_rate: u64,
    /// Whom the server does not send, because more musicians play than one can hear.
    pub(crate) unheard: Vec<SourceId>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_second_and_another_session_begins_at_nothing() {
        let mut rate = Rate::default();
        let ms = Micros::from_millis;
        assert_eq!(rate.look(ms(500), 0), 0.0);
        assert_eq!(rate.look(ms(600), 9000), 0.0, "too early to tell");
        assert_eq!(rate.look(ms(1500), 12_500), 100.0);
        assert_eq!(rate.look(ms(1600), 90_000), 100.0);
        assert_eq!(rate.look(ms(3500), 12_500 + 250_000), 1000.0);
        assert_eq!(rate.look(ms(3600), 10), 0.0);
    }
}
