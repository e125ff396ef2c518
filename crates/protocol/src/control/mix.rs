//! What of the others somebody is sent: everyone separately, or one mix.

use crate::audio::{CHANNELS, Codec, Layout};
use crate::ids::SourceId;
use crate::time::Micros;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What of the others somebody is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixChoice {
    /// One mix of everyone else, made by the server.
    One,
    /// Everyone's packets, each on their own; so does what a later version may say.
    #[default]
    #[serde(other)]
    Separate,
}

impl MixChoice {
    pub(super) fn is_separate(&self) -> bool {
        *self == MixChoice::Separate
    }
}

/// A wish about the mix: all of it, in place of the wish before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixWish {
    /// What to be sent; `None`: as the room says. Listeners get a mix whatever they wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<MixChoice>,
    /// How its samples are to be written.
    #[serde(default)]
    pub codec: Codec,
    /// How loud musicians are in it. Those that are not named are at unity; those that are not in the room do not count.
    #[serde(default)]
    pub balances: Vec<MixBalance>,
}

/// How loud one musician is in somebody's mix, and where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixBalance {
    /// Who.
    pub source: SourceId,
    /// A gain a channel, in ten-thousandths: 10000 is unity, 0 is off; more than [`MixBalance::MOST`] counts as that.
    pub gains: [u32; CHANNELS],
    /// Where each channel lies, in thousandths from −1000 (left) to 1000; absent: as the layout says.
    #[serde(default)]
    pub pans: [Option<i16>; CHANNELS],
    /// What the channels are; absent: what the packets say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

impl MixBalance {
    /// Unity.
    pub const UNITY: u32 = 10_000;
    /// The largest gain, +24 dB.
    pub const MOST: u32 = 16 * MixBalance::UNITY;
}

/// What somebody is sent, as the server says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixState {
    /// Separately, or one mix.
    pub take: MixChoice,
    /// How long sound waits at the server before it is mixed, in µs, on average; absent where there is no mix, or it is not
    /// known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_us: Option<u32>,
}

impl MixState {
    /// A mix in which sound waits so long.
    pub fn waits(wait: Micros) -> MixState {
        MixState { take: MixChoice::One, wait_us: Some(u32::try_from(wait.0).unwrap_or(u32::MAX)) }
    }
}
