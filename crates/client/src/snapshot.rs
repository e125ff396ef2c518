//! What `jam-send` publishes ten times a second: a whole snapshot, swapped atomically.

use crate::condition::{Condition, StatusNotice};
use crate::voice_counts::VoiceCounts;
use rtjam_protocol::control::{MixState, StallingMusician};
use rtjam_protocol::datagram::MixedMusician;
use rtjam_protocol::link::Role;
use rtjam_protocol::{Micros, SourceId};
use serde::Serialize;

/// State of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// In no room, and not asked to join one.
    #[default]
    Offline,
    /// Joining the room, for the first time or again.
    Connecting,
    /// In the room.
    Joined,
    /// The room has refused this link. Only another `join` changes that.
    Refused,
}

/// How the others see this musician.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct You {
    /// Display name in the room.
    pub name: String,
    /// Source number in the room.
    pub source: u16,
}

/// The session as of the last tick of `jam-send`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The number of the last `join` or `leave` that this snapshot includes.
    pub(crate) answers: u32,
    pub(crate) state: SessionState,
    pub(crate) room: Option<String>,
    /// The server speaks legacy packets: the link is neither private nor authenticated.
    pub(crate) legacy: bool,
    pub(crate) rtt: Option<Micros>,
    pub(crate) you: Option<You>,
    pub(crate) musicians: Vec<Present>,
    pub(crate) role: Option<Role>,
    pub(crate) listeners: u16,
    pub(crate) mix: MixState,
    /// The musicians in the mix as the server measures them; empty while sources are forwarded.
    pub(crate) mixed: Vec<MixedMusician>,
    pub(crate) condition: Option<Condition>,
    pub(crate) notices: Vec<StatusNotice>,
    /// The counts of sending when the room was joined.
    pub(crate) sent_before: SendCounts,
    pub(crate) hops: Hops,
    /// Datagrams of this client that the server dropped because there were too many.
    pub(crate) over_rate: u64,
    /// Musicians whom the server does not send, because more play than it forwards.
    pub(crate) unheard: Vec<SourceId>,
    /// Musicians whose computers stall.
    pub(crate) stalling: Vec<StallingMusician>,
}

/// Another musician in the room.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    pub(crate) source: SourceId,
    pub(crate) name: String,
    pub(crate) strip: Option<usize>,
    pub(crate) legacy: bool,
    /// Their counts when they or this client joined.
    pub(crate) counts_before: VoiceCounts,
}

/// Audio packets that were sent and that were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendCounts {
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
}

impl SendCounts {
    pub(crate) const SENT: SendCounts = SendCounts { packets: 1, dropped: 0 };
    pub(crate) const DROPPED: SendCounts = SendCounts { packets: 0, dropped: 1 };

    pub(crate) fn and(self, other: SendCounts) -> SendCounts {
        SendCounts { packets: self.packets + other.packets, dropped: self.dropped + other.dropped }
    }
}

/// Loss and retransmission on both hops of this session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hops {
    pub(crate) up: HopReading,
    pub(crate) down: HopReading,
}

/// One direction between this client and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct HopReading {
    /// Datagrams that were lost.
    pub(crate) lost: u64,
    /// Packets that arrived only by retransmission.
    pub(crate) recovered: u64,
    /// Current rate of retransmissions.
    pub(crate) extra_kbps: f64,
}

/// Growth of a byte count over about one second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    since: Option<(Micros, u64)>,
    kbps: f64,
}

impl Rate {
    /// Takes the count at `now` and returns its rate in kbit/s. A count that falls belongs to a new session.
    pub(crate) fn update(&mut self, now: Micros, bytes: u64) -> f64 {
        match self.since {
            Some((at, before)) if bytes >= before => {
                let span = now.since(at);
                if span >= Micros::from_secs(1) {
                    self.kbps = (bytes - before) as f64 * 8.0 / span.as_millis_f64();
                    self.since = Some((now, bytes));
                }
            }
            _ => *self = Rate { since: Some((now, bytes)), kbps: 0.0 },
        }
        self.kbps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate is that of the last full second, and starts at 0 with each session.
    #[test]
    fn rate_covers_the_last_second() {
        let mut rate = Rate::default();
        let ms = Micros::from_millis;
        assert_eq!(rate.update(ms(500), 0), 0.0);
        assert_eq!(rate.update(ms(600), 9000), 0.0, "too early to tell");
        assert_eq!(rate.update(ms(1500), 12_500), 100.0);
        assert_eq!(rate.update(ms(1600), 90_000), 100.0);
        assert_eq!(rate.update(ms(3500), 12_500 + 250_000), 1000.0);
        assert_eq!(rate.update(ms(3600), 10), 0.0);
    }
}
