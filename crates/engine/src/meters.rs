//! The readings of an engine: atomics that the audio thread sets, and that any thread reads.

use crate::atomics::{AtomicCounter, AtomicF32, AtomicSource};
use crate::controls::STRIPS;
use crate::level::{Level, Meter};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::CHANNELS;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

/// Readings of one musician. Counts only grow as long as the musician keeps the voice; one who was away while more than 32
/// others played starts again from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceReading {
    /// The musician's source id.
    pub source: SourceId,
    /// Whether packets arrived within the last 500 ms.
    pub active: bool,
    /// Packets that arrived, without duplicates.
    pub packets: u64,
    /// Packets that never arrived, counted when 512 later ones have.
    pub lost: u64,
    /// Packets that arrived after their first frame was due.
    pub late: u64,
    /// Lost packets that were retransmitted in time.
    pub recovered: u64,
    /// Frames at 48 kHz that were concealed within a stream.
    pub concealed_frames: u64,
    /// Mean time from a frame's arrival to the callback that plays it, in ms.
    pub playout_delay_ms: f32,
    /// How much later than usual a packet may arrive and mostly still be played, in ms.
    pub late_tolerance_ms: f32,
    /// Sound that was concealed recently, in ms per minute: mostly the last minute, or all of it if that is less.
    pub concealed_ms_per_min: f32,
    /// Duration of one packet, in ms: the sender collects that much before it sends.
    pub packet_ms: f32,
    /// Changes of the playout delay, including restarts of the stream.
    pub delay_changes: u64,
    /// Correction of the musician's clock drift, in parts per million; 0 is bit-exact.
    pub drift_ppm: f32,
    /// Level of each channel after playout, before its gain.
    pub levels: [Level; CHANNELS],
}

/// Readings of what is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TxReading {
    /// Packets handed to the network.
    pub packets: u64,
    /// Packets dropped because the network thread did not take them.
    pub dropped: u64,
    /// Level of each channel as sent.
    pub levels: [Level; CHANNELS],
}

/// Readings of the mix of all other musicians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoomReading {
    /// Level of each side after the limiter, without the local input.
    pub levels: [Level; CHANNELS],
    /// Whether the limiter reduces the gain at the moment.
    pub limiter_active: bool,
}

/// Readings of the engine itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EngineReading {
    /// Calls of `process`.
    pub calls: u64,
    /// Share of a block's time that the callback took, in %, as told by `Engine::finished`.
    pub callback_load_pct: f32,
    /// Incoming packets that were dropped: the audio thread was behind, or they were malformed.
    pub incoming_dropped: u64,
    /// Packets of musicians for whom no voice was free (more than 32 at once).
    pub unheard: u64,
    /// Stalls of the host: calls that were late by at least 1.5 ms and half a period.
    pub stalls: u64,
    /// The current pattern of stalls; `None` if there are none, or they do not recur within a minute.
    pub stalling: Option<StallPattern>,
    /// Why nothing is played, if so.
    pub notice: Option<Notice>,
}

/// Recurring stalls of the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StallPattern {
    /// Mean duration of a stall, in ms.
    pub ms: f32,
    /// Mean time from one stall to the next, in s.
    pub every_s: f32,
}

/// Why nothing is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `configure` was not called yet.
    NotConfigured,
    /// The host's rate is not within 8 to 192 kHz.
    RateUnsupported,
}

impl core::fmt::Display for Notice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Notice::NotConfigured => "The host has not started audio yet.",
            Notice::RateUnsupported => {
                "Set the audio device to a sample rate from 8 to 192 kHz: this one cannot be played."
            }
        })
    }
}

/// All readings of an engine.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) voices: [VoiceMeters; STRIPS],
    pub(crate) tx_packets: AtomicCounter,
    pub(crate) tx_dropped: AtomicCounter,
    pub(crate) tx: [LevelCell; CHANNELS],
    pub(crate) room: [LevelCell; CHANNELS],
    pub(crate) limiter_active: AtomicBool,
    pub(crate) calls: AtomicCounter,
    pub(crate) load_pct: AtomicF32,
    pub(crate) incoming_dropped: AtomicCounter,
    pub(crate) unheard: AtomicCounter,
    pub(crate) stalls: AtomicCounter,
    /// 0 if there is no pattern.
    pub(crate) stall_ms: AtomicF32,
    pub(crate) stall_every_s: AtomicF32,
    notice: AtomicU8,
}

impl Meters {
    /// Resets the readings, while no engine runs: as if nobody had played.
    pub(crate) fn reset(&self) {
        let Meters { voices, tx, room, limiter_active, load_pct, .. } = self;
        voices.iter().for_each(|voice| voice.source.set(None));
        tx.iter().chain(room).for_each(|cell| cell.set(&Meter::default()));
        limiter_active.store(false, Relaxed);
        load_pct.set(0.0);
        self.set_notice(Some(Notice::NotConfigured));
        self.set_stall_pattern(None);
    }

    /// The current pattern of stalls.
    pub(crate) fn stall_pattern(&self) -> Option<StallPattern> {
        let pattern = StallPattern { ms: self.stall_ms.get(), every_s: self.stall_every_s.get() };
        (pattern.every_s > 0.0).then_some(pattern)
    }

    pub(crate) fn set_stall_pattern(&self, pattern: Option<StallPattern>) {
        self.stall_ms.set(pattern.map_or(0.0, |p| p.ms));
        self.stall_every_s.set(pattern.map_or(0.0, |p| p.every_s));
    }

    pub(crate) fn notice(&self) -> Option<Notice> {
        match self.notice.load(Relaxed) {
            0 => Some(Notice::NotConfigured),
            1 => Some(Notice::RateUnsupported),
            _ => None,
        }
    }

    pub(crate) fn set_notice(&self, notice: Option<Notice>) {
        let code = match notice {
            Some(Notice::NotConfigured) => 0,
            Some(Notice::RateUnsupported) => 1,
            None => 2,
        };
        self.notice.store(code, Relaxed);
    }
}

/// The readings of one voice.
#[derive(Debug, Default)]
pub(crate) struct VoiceMeters {
    source: AtomicSource,
    pub(crate) active: AtomicBool,
    pub(crate) packets: AtomicCounter,
    pub(crate) lost: AtomicCounter,
    pub(crate) late: AtomicCounter,
    pub(crate) recovered: AtomicCounter,
    pub(crate) concealed_frames: AtomicCounter,
    pub(crate) concealed_ms_per_min: AtomicF32,
    pub(crate) packet_ms: AtomicF32,
    pub(crate) delay_ms: AtomicF32,
    pub(crate) late_tolerance_ms: AtomicF32,
    pub(crate) delay_changes: AtomicCounter,
    pub(crate) drift_ppm: AtomicF32,
    pub(crate) levels: [LevelCell; CHANNELS],
}

impl VoiceMeters {
    /// Assigns the voice to `source`; all counts start from 0. Audio thread.
    pub(crate) fn assign(&self, source: SourceId) {
        self.source.set(None);
        for counter in
            [&self.packets, &self.lost, &self.late, &self.recovered, &self.concealed_frames, &self.delay_changes]
        {
            counter.set(0);
        }
        self.source.set(Some(source));
    }

    pub(crate) fn read(&self) -> Option<VoiceReading> {
        self.source.get().map(|source| VoiceReading {
            source,
            active: self.active.load(Relaxed),
            packets: self.packets.get(),
            lost: self.lost.get(),
            late: self.late.get(),
            recovered: self.recovered.get(),
            concealed_frames: self.concealed_frames.get(),
            concealed_ms_per_min: self.concealed_ms_per_min.get(),
            packet_ms: self.packet_ms.get(),
            playout_delay_ms: self.delay_ms.get(),
            late_tolerance_ms: self.late_tolerance_ms.get(),
            delay_changes: self.delay_changes.get(),
            drift_ppm: self.drift_ppm.get(),
            levels: self.levels.each_ref().map(LevelCell::read),
        })
    }
}

/// A channel's level, linear.
#[derive(Debug, Default)]
pub(crate) struct LevelCell {
    rms: AtomicF32,
    peak: AtomicF32,
}

impl LevelCell {
    pub(crate) fn set(&self, meter: &Meter) {
        self.rms.set(meter.rms());
        self.peak.set(meter.peak());
    }

    pub(crate) fn read(&self) -> Level {
        Level::from_linear(self.rms.get(), self.peak.get())
    }
}
