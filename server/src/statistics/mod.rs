//! What the server knows of how a session went: what was lost and how unevenly it came on the way up, and how long
//! words took there and back.
//!
//! | part | written by | read by |
//! |---|---|---|
//! | [`Uplink`] | the media thread that owns the session, for each datagram | |
//! | [`SessionFigures`] | the same (audio), the lobby (round trips) | lobby |
//! | [`Record`] | lobby, when the session is over | the database |

mod histogram;
mod uplink;

pub use histogram::{Counts, Histogram};
pub use uplink::Uplink;

use crate::crowds::Present;
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{Micros, MusicianId, RoomName, SessionId, SourceId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Upper bounds of jitter's buckets, in µs; a last bucket takes the rest.
const JITTER_BOUNDS_US: &[u64] = &[100, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000];

/// Upper bounds of the buckets of round trips, in µs.
const ROUND_TRIP_BOUNDS_US: &[u64] = &[
    1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000,
    500_000, 1_000_000,
];

/// A session's numbers while it lives.
#[derive(Debug)]
pub struct SessionFigures {
    packets: Number,
    lost: Number,
    recovered: Number,
    repeated: Number,
    over_rate: Number,
    jitter: Histogram,
    round_trip: Histogram,
}

/// One number that one thread writes.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl Number {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }
}

impl Default for SessionFigures {
    fn default() -> SessionFigures {
        SessionFigures {
            packets: Number::default(),
            lost: Number::default(),
            recovered: Number::default(),
            repeated: Number::default(),
            over_rate: Number::default(),
            jitter: Histogram::new(JITTER_BOUNDS_US),
            round_trip: Histogram::new(ROUND_TRIP_BOUNDS_US),
        }
    }
}

impl SessionFigures {
    /// A word on the control connection came back after this long; a classic musician's packet. Lobby; the classic thread
    /// for its own.
    pub fn round_trip_took(&self, took: Micros) {
        self.round_trip.add(took);
    }

    /// Datagrams dropped because the session sends more than it may, as last noted. Any thread.
    pub fn over_rate(&self) -> u64 {
        self.over_rate.get()
    }

    /// As they stand. Any thread.
    pub fn audio(&self) -> AudioFigures {
        AudioFigures {
            packets: self.packets.get(),
            lost: self.lost.get(),
            recovered: self.recovered.get(),
            repeated: self.repeated.get(),
        }
    }
}

/// What became of a musician's audio on its way up, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioFigures {
    /// Arrived, each counted once.
    pub packets: u64,
    /// Never arrived.
    pub lost: u64,
    /// Arrived after a later one: late, sent again, or as a copy in another datagram.
    pub recovered: u64,
    /// Arrived when they were there already.
    pub repeated: u64,
}

impl AudioFigures {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: AudioFigures) -> AudioFigures {
        AudioFigures {
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
            recovered: self.recovered + other.recovered,
            repeated: self.repeated + other.repeated,
        }
    }
}

/// A live session, as the lobby keeps it in mind.
#[derive(Debug)]
pub struct Attendance {
    room: RoomName,
    musician: MusicianId,
    slot: SourceId,
    sends: bool,
    began: Micros,
    began_at: u64,
    figures: Arc<SessionFigures>,
    warned: bool,
}

impl Attendance {
    /// Begins now.
    pub fn new(now: Micros, session: &NewSession) -> Attendance {
        Attendance {
            room: session.room.clone(),
            musician: session.musician,
            slot: session.source,
            sends: session.sends,
            began: now,
            // For people only; nothing depends on it.
            began_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            figures: Arc::default(),
            warned: false,
        }
    }

    /// Whether it is warned of something for the first time; the log need not tell again.
    pub fn first_warning(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }

    /// Where it is.
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// Who is there by this session.
    pub fn present(&self, session: SessionId) -> Present {
        Present { session, source: self.slot, plays: self.sends }
    }

    /// The session's numbers.
    pub fn figures(&self) -> &Arc<SessionFigures> {
        &self.figures
    }

    /// What is kept of it when it ends.
    pub fn end(self, now: Micros) -> Record {
        Record {
            room: self.room,
            musician: self.musician,
            slot: self.slot,
            sends: self.sends,
            began_at: self.began_at,
            duration: now.since(self.began),
            audio: self.figures.audio(),
            jitter: self.figures.jitter.counts(),
            round_trip: self.figures.round_trip.counts(),
        }
    }
}

/// A session that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it was.
    pub room: RoomName,
    /// Whose.
    pub musician: MusicianId,
    /// In which slot.
    pub slot: SourceId,
    /// Whether a musician's; else a listener's.
    pub sends: bool,
    /// Seconds since 1970.
    pub began_at: u64,
    /// How long it was.
    pub duration: Micros,
    /// What became of its audio.
    pub audio: AudioFigures,
    /// By how much the spacing of packets at their arrival differed from that at their making.
    pub jitter: Counts,
    /// Of words on the control connection.
    pub round_trip: Counts,
}
