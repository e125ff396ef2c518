//! Statistics of sessions: packet loss and jitter of the uplink, and round-trip times.
//!
//! | part | written by | read by |
//! |---|---|---|
//! | [`UplinkMeter`](uplink::UplinkMeter) | the media thread that owns the session, for each datagram | |
//! | [`SessionCounters`] | the same thread (audio), the rooms actor (round trips) | rooms actor |
//! | [`SessionRecord`] | the rooms actor, when the session has ended | the database |

pub mod counters;
pub mod uplink;

use counters::{Counter, Histogram, HistogramCounts};
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{Micros, MusicianId, RoomName, SourceId};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Upper bounds of the jitter histogram's buckets, in µs; one more bucket takes larger values.
const JITTER_BOUNDS_US: &[u64] = &[100, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000];

/// Upper bounds of the round-trip histogram's buckets, in µs; one more bucket takes larger values.
const ROUND_TRIP_BOUNDS_US: &[u64] = &[
    1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000,
    500_000, 1_000_000,
];

/// The counters of a live session.
#[derive(Debug)]
pub struct SessionCounters {
    packets: Counter,
    lost: Counter,
    recovered: Counter,
    repeated: Counter,
    over_rate: Counter,
    jitter: Histogram,
    round_trip: Histogram,
}

impl Default for SessionCounters {
    fn default() -> SessionCounters {
        SessionCounters {
            packets: Counter::default(),
            lost: Counter::default(),
            recovered: Counter::default(),
            repeated: Counter::default(),
            over_rate: Counter::default(),
            jitter: Histogram::new(JITTER_BOUNDS_US),
            round_trip: Histogram::new(ROUND_TRIP_BOUNDS_US),
        }
    }
}

impl SessionCounters {
    /// Counts a round trip: of a ping on the control connection (rooms actor), or of a packet through a gateway (the
    /// gateway's thread).
    pub fn record_round_trip(&self, took: Micros) {
        self.round_trip.add(took);
    }

    /// Datagrams dropped because the session exceeds its rate limit. Any thread.
    pub fn over_rate(&self) -> u64 {
        self.over_rate.get()
    }

    /// The present totals of the uplink's audio. Any thread.
    pub fn audio(&self) -> AudioTotals {
        AudioTotals {
            packets: self.packets.get(),
            lost: self.lost.get(),
            recovered: self.recovered.get(),
            repeated: self.repeated.get(),
        }
    }
}

/// Audio packets of an uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioTotals {
    /// Packets that arrived, each counted once.
    pub packets: u64,
    /// Packets that never arrived.
    pub lost: u64,
    /// Packets that arrived after a later one: late, retransmitted, or as a redundant copy.
    pub recovered: u64,
    /// Duplicates.
    pub repeated: u64,
}

impl AudioTotals {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: AudioTotals) -> AudioTotals {
        AudioTotals {
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
            recovered: self.recovered + other.recovered,
            repeated: self.repeated + other.repeated,
        }
    }
}

/// The statistics of a session while it lives.
#[derive(Debug)]
pub struct LiveSession {
    /// The session's room.
    pub room: RoomName,
    musician: MusicianId,
    /// The session's number in its room.
    pub slot: SourceId,
    /// Whether this is a musician's session; otherwise it is a listener's.
    pub sends: bool,
    began: Micros,
    began_at: u64,
    /// The session's counters.
    pub counters: Arc<SessionCounters>,
    warned: bool,
}

impl LiveSession {
    /// Starts the statistics of a session that begins `now`.
    pub fn new(now: Micros, session: &NewSession) -> LiveSession {
        LiveSession {
            room: session.room.clone(),
            musician: session.musician,
            slot: session.source,
            sends: session.sends,
            began: now,
            // Wall-clock time for people to read; nothing depends on it.
            began_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            counters: Arc::default(),
            warned: false,
        }
    }

    /// Returns `true` on the first call, so that a warning about the session is logged once.
    pub fn first_warning(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }

    /// Ends the statistics. Returns what the database keeps.
    pub fn end(self, now: Micros) -> SessionRecord {
        SessionRecord {
            room: self.room,
            musician: self.musician,
            slot: self.slot,
            sends: self.sends,
            began_at: self.began_at,
            duration: now.since(self.began),
            audio: self.counters.audio(),
            jitter: self.counters.jitter.counts(),
            round_trip: self.counters.round_trip.counts(),
        }
    }
}

/// The statistics of a session that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session's room.
    pub room: RoomName,
    /// Identity of the musician or listener.
    pub musician: MusicianId,
    /// The session's number in its room.
    pub slot: SourceId,
    /// Whether it was a musician's session; otherwise it was a listener's.
    pub sends: bool,
    /// Start in seconds since 1970.
    pub began_at: u64,
    /// Length of the session.
    pub duration: Micros,
    /// Uplink audio packets.
    pub audio: AudioTotals,
    /// Jitter: how far the spacing of two packets at arrival differs from their spacing at the sender.
    pub jitter: HistogramCounts,
    /// Round-trip times.
    pub round_trip: HistogramCounts,
}
