//! What the audio thread measures and everyone may read: plain atomics.

use crate::atomic::{AtomicF32, Counter};
use crate::controls::STRIPS;
use crate::level::{Level, Meter};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::CHANNELS;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

/// One musician as heard here. Counts only grow, as long as the musician keeps the voice; a musician
/// who was away while more than 32 others came starts again from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceReading {
    /// Who it is.
    pub source: SourceId,
    /// Whether packets have come within the last 500 ms.
    pub active: bool,
    /// Packets that came, duplicates not counted.
    pub packets: u64,
    /// Packets that never came: counted once 512 later ones have.
    pub lost: u64,
    /// Packets that came after their first frame was due.
    pub late: u64,
    /// Packets that only recovery brought.
    pub recovered: u64,
    /// Frames at 48 kHz that were made up within a stream, because what belonged there had not come.
    pub concealed_frames: u64,
    /// How long a frame waits here from its arrival to the callback that plays it, in ms.
    pub playout_delay_ms: f32,
    /// How much later than usual a packet may come and mostly still be heard, in ms.
    pub patience_ms: f32,
    /// Sound that was made up lately, in ms a minute: of the last minute mostly, or of all if that is less.
    pub concealed_ms_per_min: f32,
    /// The sound of one packet, in ms: their end waits for it before it sends.
    pub packet_ms: f32,
    /// How often the playout delay was changed, restarts of the stream included.
    pub delay_changes: u64,
    /// By how much the musician's clock is corrected, in parts per million; 0 is exact bits.
    pub drift_ppm: f32,
    /// Level of each channel after playout, before gain.
    pub levels: [Level; CHANNELS],
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TxReading {
    /// Packets handed to the network.
    pub packets: u64,
    /// Packets dropped because the network thread did not take them.
    pub dropped: u64,
    /// Level of each channel as sent.
    pub levels: [Level; CHANNELS],
}

/// The mix of everyone else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoomReading {
    /// Level of each side after the limiter, without own monitoring.
    pub levels: [Level; CHANNELS],
    /// Whether the limiter turns the mix down at the moment.
    pub limiter_active: bool,
}

/// The engine itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EngineReading {
    /// Calls of `process`.
    pub calls: u64,
    /// Share of a block's time that the callback took, in %, as told by `Engine::finished`.
    pub callback_load_pct: f32,
    /// Incoming packets that were not taken: the audio thread was behind, or they were malformed.
    pub incoming_dropped: u64,
    /// Packets of musicians for whom no voice was free (more than 32 at once).
    pub unheard: u64,
    /// How often the host kept a call waiting: by 1.5 ms and half a period, or more.
    pub stalls: u64,
    /// Stalls that go on; `None` where there are none, or they do not come again within a minute.
    pub stalling: Option<Stalling>,
    /// What keeps it from playing.
    pub notice: Option<Notice>,
}

/// Stalls of the host that come again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stalling {
    /// How long each keeps calls waiting, in ms.
    pub ms: f32,
    /// From one to the next, in s.
    pub every_s: f32,
}

/// Why there is silence.
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

/// All that is measured.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) voices: [VoiceMeters; STRIPS],
    pub(crate) tx_packets: Counter,
    pub(crate) tx_dropped: Counter,
    pub(crate) tx: [LevelCell; CHANNELS],
    pub(crate) room: [LevelCell; CHANNELS],
    pub(crate) limiter_active: AtomicBool,
    pub(crate) calls: Counter,
    pub(crate) load_pct: AtomicF32,
    pub(crate) incoming_dropped: Counter,
    pub(crate) unheard: Counter,
    pub(crate) stalls: Counter,
    /// 0 where no stalls go on.
    pub(crate) stall_ms: AtomicF32,
    pub(crate) stall_every_s: AtomicF32,
    notice: AtomicU8,
}

impl Meters {
    /// Not while an engine runs: as if nobody had ever played.
    pub(crate) fn forget(&self) {
        let Meters { voices, tx, room, limiter_active, load_pct, .. } = self;
        voices.iter().for_each(|voice| voice.source.store(NOBODY, Relaxed));
        tx.iter().chain(room).for_each(|cell| cell.set(&Meter::default()));
        limiter_active.store(false, Relaxed);
        load_pct.set(0.0);
        self.set_notice(Some(Notice::NotConfigured));
        self.stall_every_s.set(0.0);
    }

    /// Stalls of the host that go on.
    pub(crate) fn stalling(&self) -> Option<Stalling> {
        let stalling = Stalling { ms: self.stall_ms.get(), every_s: self.stall_every_s.get() };
        (stalling.every_s > 0.0).then_some(stalling)
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

/// What is measured of one voice.
#[derive(Debug)]
pub(crate) struct VoiceMeters {
    source: AtomicU32,
    pub(crate) active: AtomicBool,
    pub(crate) packets: Counter,
    pub(crate) lost: Counter,
    pub(crate) late: Counter,
    pub(crate) recovered: Counter,
    pub(crate) concealed_frames: Counter,
    pub(crate) concealed_ms_per_min: AtomicF32,
    pub(crate) packet_ms: AtomicF32,
    pub(crate) delay_ms: AtomicF32,
    pub(crate) patience_ms: AtomicF32,
    pub(crate) delay_changes: Counter,
    pub(crate) drift_ppm: AtomicF32,
    pub(crate) levels: [LevelCell; CHANNELS],
}

/// Stands for a voice that nobody has had yet.
const NOBODY: u32 = u32::MAX;

impl Default for VoiceMeters {
    fn default() -> VoiceMeters {
        VoiceMeters {
            source: AtomicU32::new(NOBODY),
            active: AtomicBool::default(),
            packets: Counter::default(),
            lost: Counter::default(),
            late: Counter::default(),
            recovered: Counter::default(),
            concealed_frames: Counter::default(),
            concealed_ms_per_min: AtomicF32::default(),
            packet_ms: AtomicF32::default(),
            delay_ms: AtomicF32::default(),
            patience_ms: AtomicF32::default(),
            delay_changes: Counter::default(),
            drift_ppm: AtomicF32::default(),
            levels: Default::default(),
        }
    }
}

impl VoiceMeters {
    /// Audio thread: the voice is `source`'s now; all counts start from 0.
    pub(crate) fn take(&self, source: SourceId) {
        self.source.store(NOBODY, Relaxed);
        for counter in
            [&self.packets, &self.lost, &self.late, &self.recovered, &self.concealed_frames, &self.delay_changes]
        {
            counter.reset();
        }
        self.source.store(u32::from(source.0), Relaxed);
    }

    pub(crate) fn read(&self) -> Option<VoiceReading> {
        let id = self.source.load(Relaxed);
        (id != NOBODY).then(|| VoiceReading {
            source: SourceId(id as u16),
            active: self.active.load(Relaxed),
            packets: self.packets.get(),
            lost: self.lost.get(),
            late: self.late.get(),
            recovered: self.recovered.get(),
            concealed_frames: self.concealed_frames.get(),
            concealed_ms_per_min: self.concealed_ms_per_min.get(),
            packet_ms: self.packet_ms.get(),
            playout_delay_ms: self.delay_ms.get(),
            patience_ms: self.patience_ms.get(),
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
