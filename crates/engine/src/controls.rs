//! The controls of an engine: atomics that any thread sets, and that the audio thread follows with ramps.

use crate::atomics::AtomicF32;
use crate::level::Gain;
use crate::strip::{Strip, StripChannel};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::Layout;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

/// Musicians in the mix, each with a strip.
pub const STRIPS: usize = 32;

/// Largest outgoing packet, in frames.
pub const MAX_PACKET_FRAMES: usize = 512;

/// Size of outgoing packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketSize {
    /// The host's block in frames at 48 kHz if that is 32 to 256, else 128.
    #[default]
    Auto,
    /// This many frames at 48 kHz, 16 to 512. Raised to at least 1/64 of a block, so that the longest block fits into the
    /// ring.
    Frames(u16),
}

/// Playout delay: how long musicians' sound waits for late packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Playout {
    /// As little as the network allows, measured continuously.
    #[default]
    Auto,
    /// Constant. In the callback that takes a stream's first packets from the ring, the first frame that arrived since the
    /// previous callback is placed this many ms (0 to [`Playout::MAX_MS`], rounded to frames at 48 kHz) after the callback's
    /// own first frame; with 0 it is played in that callback. The distance then stays until the sound stops, jumps, or is too
    /// late for 100 ms, when it is placed again. Frames that the host skips (an xrun) are skipped in the sound too.
    Fixed {
        /// The delay, in milliseconds.
        ms: f32,
    },
}

impl Playout {
    /// The longest fixed delay, in milliseconds: the jitter buffer holds little more.
    pub const MAX_MS: f32 = 400.0;
}

/// Whether automatic playout prefers less delay or fewer gaps.
///
/// A late packet is a gap of its own length. Delay is added as long as it saves enough gaps: the bias says how much delay a
/// share of late packets is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayoutBias {
    /// The least delay: 1 % late packets are worth 1 ms.
    Tight,
    /// 1 % late packets are worth 4 ms.
    #[default]
    Normal,
    /// The fewest gaps: 1 % late packets are worth 16 ms, and the last minutes count instead of the last seconds.
    Safe,
}

impl PlayoutBias {
    /// All values, from the least delay to the fewest gaps.
    pub const ALL: [PlayoutBias; 3] = [PlayoutBias::Tight, PlayoutBias::Normal, PlayoutBias::Safe];

    /// Its name in settings, on command lines and on screens.
    pub const fn name(self) -> &'static str {
        match self {
            PlayoutBias::Tight => "tight",
            PlayoutBias::Normal => "normal",
            PlayoutBias::Safe => "safe",
        }
    }
}

impl fmt::Display for PlayoutBias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text does not name a [`PlayoutBias`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPlayoutBias;

impl fmt::Display for UnknownPlayoutBias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be tight, normal or safe")
    }
}

impl std::error::Error for UnknownPlayoutBias {}

impl FromStr for PlayoutBias {
    type Err = UnknownPlayoutBias;

    fn from_str(name: &str) -> Result<PlayoutBias, UnknownPlayoutBias> {
        PlayoutBias::ALL.into_iter().find(|c| c.name() == name).ok_or(UnknownPlayoutBias)
    }
}

/// All controls of an engine.
#[derive(Debug)]
pub(crate) struct Controls {
    pub(crate) monitor: AtomicF32,
    pub(crate) room: AtomicF32,
    pub(crate) send_mute: AtomicBool,
    pub(crate) bypass: AtomicBool,
    pub(crate) dual_mono: AtomicBool,
    pub(crate) packet_frames: AtomicU32,
    pub(crate) max_frames: AtomicU32,
    pub(crate) playout_frames: AtomicU32,
    pub(crate) playout_bias: AtomicU8,
    pub(crate) strips: [Strip; STRIPS],
}

/// Stands for "automatic" instead of a number of frames.
pub(crate) const AUTO: u32 = u32::MAX;

impl Default for Controls {
    fn default() -> Controls {
        Controls {
            monitor: AtomicF32::new(1.0),
            room: AtomicF32::new(1.0),
            send_mute: AtomicBool::new(false),
            bypass: AtomicBool::new(false),
            dual_mono: AtomicBool::new(false),
            packet_frames: AtomicU32::new(AUTO),
            max_frames: AtomicU32::new(MAX_PACKET_FRAMES as u32),
            playout_frames: AtomicU32::new(AUTO),
            playout_bias: AtomicU8::new(PlayoutBias::Normal as u8),
            strips: core::array::from_fn(|_| Strip::default()),
        }
    }
}

impl Controls {
    /// Whether silence is sent instead of the input.
    pub(crate) fn sends_silence(&self) -> bool {
        self.send_mute.load(Relaxed) || self.bypass.load(Relaxed)
    }

    /// Linear gain of the input in the main output.
    pub(crate) fn monitor_gain(&self) -> f32 {
        if self.bypass.load(Relaxed) { 1.0 } else { Gain::linear(self.monitor.get()).factor() }
    }

    /// Linear gain of the room sum.
    pub(crate) fn room_gain(&self) -> f32 {
        if self.bypass.load(Relaxed) { 0.0 } else { Gain::linear(self.room.get()).factor() }
    }

    /// Linear gain of the aux outputs.
    pub(crate) fn slot_gain(&self) -> f32 {
        if self.bypass.load(Relaxed) { 0.0 } else { 1.0 }
    }

    pub(crate) fn layout(&self) -> Layout {
        if self.dual_mono.load(Relaxed) { Layout::DualMono } else { Layout::Stereo }
    }

    pub(crate) fn packet_size(&self) -> PacketSize {
        match self.packet_frames.load(Relaxed) {
            AUTO => PacketSize::Auto,
            frames => PacketSize::Frames(frames as u16),
        }
    }

    /// The most frames that a datagram carries, 16 to 512.
    pub(crate) fn max_frames(&self) -> usize {
        self.max_frames.load(Relaxed) as usize
    }

    /// The fixed playout delay in frames at 48 kHz; `None` if automatic.
    pub(crate) fn fixed_playout(&self) -> Option<u32> {
        Some(self.playout_frames.load(Relaxed)).filter(|&frames| frames != AUTO)
    }

    pub(crate) fn playout_bias(&self) -> PlayoutBias {
        let code = self.playout_bias.load(Relaxed);
        PlayoutBias::ALL.into_iter().find(|c| *c as u8 == code).unwrap_or_default()
    }

    /// The strip that `source` is assigned to.
    pub(crate) fn strip_of(&self, source: SourceId) -> Option<usize> {
        self.strips.iter().position(|s| s.source() == Some(source))
    }

    /// Whether any channel of any strip is soloed.
    pub(crate) fn any_solo(&self) -> bool {
        self.strips.iter().any(|s| s.source().is_some() && s.channels().iter().any(StripChannel::solo))
    }
}
