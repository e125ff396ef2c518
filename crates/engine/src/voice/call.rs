//! What every voice needs to know about the current call of the host.

use crate::controls::PlayoutBias;
use crate::timeline::{HostTimeline, HostWindow, frames_in};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// A packet that waited in the ring for longer than this plus three blocks is stale: the host had stopped calling.
const STALE: Micros = Micros::from_millis(300);

/// A packet that arrived within this time, or within two blocks, is new in this call.
const FRESH: Micros = Micros::from_millis(12);

/// The current call of the host. Audio thread.
pub(crate) struct CallContext<'a> {
    /// When the call began.
    pub(crate) now: Micros,
    pub(crate) timeline: &'a HostTimeline,
    /// The measurement window that ended with this call.
    pub(crate) window: Option<HostWindow>,
    /// Length of the usual call, in frames at 48 kHz; more than 0. At other host rates successive calls differ by a frame.
    pub(crate) period: f64,
    /// The fixed playout delay in frames; `None` for automatic playout.
    pub(crate) fixed_delay: Option<u32>,
    /// Whether automatic playout prefers less delay or fewer gaps.
    pub(crate) bias: PlayoutBias,
}

impl CallContext<'_> {
    /// Length of the usual call in whole frames; 1 or more.
    pub(crate) fn block(&self) -> usize {
        (self.period.round() as usize).max(1)
    }

    /// How long a packet has waited in the ring, in frames.
    pub(crate) fn frames_since(&self, arrived: Micros) -> f64 {
        frames_in(self.now.since(arrived))
    }

    /// Frames from a packet's arrival to the time at which this call was due; `None` until the timeline is known.
    pub(crate) fn wait_until_due(&self, arrived: Micros) -> Option<f64> {
        let offset = self.timeline.offset()?;
        Some(self.timeline.taken() as f64 + offset - self.timeline.frames_at(arrived))
    }

    /// Whether the packet arrived since about the previous call.
    pub(crate) fn is_fresh(&self, arrived: Micros) -> bool {
        self.now.since(arrived) <= FRESH.max(self.blocks(2))
    }

    /// Whether the packet waited for the host so long that it must not be heard.
    pub(crate) fn is_stale(&self, arrived: Micros) -> bool {
        self.now.since(arrived) > STALE + self.blocks(3)
    }

    fn blocks(&self, count: u64) -> Micros {
        Micros(count * self.block() as u64 * 1_000_000 / u64::from(WIRE_RATE))
    }
}
