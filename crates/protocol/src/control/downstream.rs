//! What a client receives from the room: forwarded packets of all others, or one mix.

use crate::audio::{CHANNELS, Codec, Layout};
use crate::ids::SourceId;
use crate::time::Micros;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a client receives from the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownstreamMode {
    /// One mix of all other musicians, made by the server.
    #[serde(rename = "one")]
    Mixed,
    /// The packets of all other musicians. Unknown modes read as this one.
    #[default]
    #[serde(rename = "separate", other)]
    Forwarded,
}

impl DownstreamMode {
    pub(super) fn is_forwarded(&self) -> bool {
        *self == DownstreamMode::Forwarded
    }
}

/// A client's request for what it receives. It replaces the earlier request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixRequest {
    /// Requested mode; `None` selects the room's default. Listeners always receive a mix.
    #[serde(rename = "take", default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DownstreamMode>,
    /// Codec of the mix.
    #[serde(default)]
    pub codec: Codec,
    /// Gains of the mix. Musicians that are not listed have unity gain. Entries for sources that are not in the room are
    /// ignored.
    #[serde(default)]
    pub balances: Vec<MixBalance>,
}

/// Gain and pan of one musician in a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixBalance {
    /// The musician.
    pub source: SourceId,
    /// Gain of each channel in ten-thousandths: 10000 is unity, 0 is off. Larger values than [`MixBalance::MAX_GAIN`] count
    /// as that.
    pub gains: [u32; CHANNELS],
    /// Pan of each channel in thousandths from −1000 (left) to 1000 (right); `None` follows the layout.
    #[serde(default)]
    pub pans: [Option<i16>; CHANNELS],
    /// Meaning of the channels; `None` follows the packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

impl MixBalance {
    /// Unity gain.
    pub const UNITY: u32 = 10_000;
    /// The largest gain, +24 dB.
    pub const MAX_GAIN: u32 = 16 * MixBalance::UNITY;
}

/// What a client receives, announced by the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixState {
    /// The current mode.
    #[serde(rename = "take")]
    pub mode: DownstreamMode,
    /// Average time in µs for which audio waits at the server before it is mixed; `None` without a mix, or before it is
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_us: Option<u32>,
}

impl MixState {
    /// A mix with this wait.
    pub fn mixed(wait: Micros) -> MixState {
        MixState { mode: DownstreamMode::Mixed, wait_us: Some(u32::try_from(wait.0).unwrap_or(u32::MAX)) }
    }
}
