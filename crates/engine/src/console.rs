//! The handle on an engine that all threads share: controls to set, readings to take.

use crate::controls::{AUTO, Controls, MAX_PACKET_FRAMES, PacketSize, Playout, PlayoutBias};
use crate::level::Gain;
use crate::meters::{EngineReading, LevelCell, Meters, RoomReading, TxReading, VoiceReading};
use crate::mixer::Balance;
use crate::strip::Strip;
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{Layout, PACKET_FRAMES, WIRE_RATE};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Controls and meters of one engine. Any thread, any number of clones; no method blocks or allocates.
///
/// A change takes effect within the next callback; a gain changes over 15 ms. If two threads set the same control, the later
/// value wins.
#[derive(Clone, Debug)]
pub struct Console {
    pub(crate) controls: Arc<Controls>,
    pub(crate) meters: Arc<Meters>,
}

impl Console {
    pub(crate) fn new() -> Console {
        Console { controls: Arc::default(), meters: Arc::default() }
    }

    /// Sets the gain of the local input in the main output, where it has no delay. Unity by default.
    pub fn set_monitor(&self, gain: Gain) {
        self.controls.monitor.set(gain.factor());
    }

    /// See [`Console::set_monitor`].
    pub fn monitor(&self) -> Gain {
        Gain::linear(self.controls.monitor.get())
    }

    /// Sets the gain of all other musicians in the main output, before the limiter. Initially unity.
    pub fn set_room(&self, gain: Gain) {
        self.controls.room.set(gain.factor());
    }

    /// See [`Console::set_room`].
    pub fn room_gain(&self) -> Gain {
        Gain::linear(self.controls.room.get())
    }

    /// Sends silence instead of the input. Packets continue, so the musician stays present.
    pub fn set_send_mute(&self, mute: bool) {
        self.controls.send_mute.store(mute, Relaxed);
    }

    /// See [`Console::set_send_mute`].
    pub fn send_mute(&self) -> bool {
        self.controls.send_mute.load(Relaxed)
    }

    /// Bypasses the engine: the main output is the input at unity, room and aux outputs are silent, and silence is sent.
    /// Packets continue, so the musician stays present. The other controls keep their values.
    pub fn set_bypass(&self, bypass: bool) {
        self.controls.bypass.store(bypass, Relaxed);
    }

    /// See [`Console::set_bypass`].
    pub fn bypass(&self) -> bool {
        self.controls.bypass.load(Relaxed)
    }

    /// Sets what the packets say that the two channels are. Initially stereo.
    pub fn set_layout(&self, layout: Layout) {
        self.controls.dual_mono.store(layout == Layout::DualMono, Relaxed);
    }

    /// See [`Console::set_layout`].
    pub fn layout(&self) -> Layout {
        self.controls.layout()
    }

    /// Sets the packet size. Initially automatic.
    pub fn set_packet_size(&self, size: PacketSize) {
        let frames = match size {
            PacketSize::Auto => AUTO,
            PacketSize::Frames(n) => u32::from(n.clamp(*PACKET_FRAMES.start(), *PACKET_FRAMES.end())),
        };
        self.controls.packet_frames.store(frames, Relaxed);
    }

    /// See [`Console::set_packet_size`].
    pub fn packet_size(&self) -> PacketSize {
        self.controls.packet_size()
    }

    /// Sets the most frames that a datagram carries (16 to 512), as codec and path MTU allow. Larger packets are split evenly
    /// and sent at once.
    pub fn set_max_frames(&self, frames: usize) {
        let frames = frames.clamp(usize::from(*PACKET_FRAMES.start()), MAX_PACKET_FRAMES);
        self.controls.max_frames.store(frames as u32, Relaxed);
    }

    /// Sets the playout delay of all musicians. Initially automatic. A change restarts every voice with one fade.
    pub fn set_playout(&self, playout: Playout) {
        let frames = match playout {
            Playout::Auto => AUTO,
            // The cast saturates and turns NaN into 0.
            Playout::Fixed { ms } => (ms.clamp(0.0, Playout::MAX_MS) * (WIRE_RATE as f32 / 1000.0)).round() as u32,
        };
        self.controls.playout_frames.store(frames, Relaxed);
    }

    /// Sets whether automatic playout prefers less delay or fewer gaps. Initially normal. A change takes effect within seconds.
    pub fn set_playout_bias(&self, bias: PlayoutBias) {
        self.controls.playout_bias.store(bias as u8, Relaxed);
    }

    /// See [`Console::set_playout_bias`].
    pub fn playout_bias(&self) -> PlayoutBias {
        self.controls.playout_bias()
    }

    /// A strip of the mixer, 0 to 31; strips 0 to 11 feed the aux outputs.
    pub fn strip(&self, index: usize) -> Option<&Strip> {
        self.controls.strips.get(index)
    }

    /// Assigns a source to a strip, and removes it from any other. Without a strip (`None`, or 32 and more) it plays at unity,
    /// and feeds no aux output.
    pub fn assign(&self, source: SourceId, strip: Option<usize>) {
        for (index, other) in self.controls.strips.iter().enumerate() {
            if Some(index) != strip && other.source() == Some(source) {
                other.set_source(None);
            }
        }
        if let Some(strip) = strip.and_then(|index| self.strip(index)) {
            strip.set_source(Some(source));
        }
    }

    /// The strip that a source is assigned to.
    pub fn strip_of(&self, source: SourceId) -> Option<usize> {
        self.controls.strip_of(source)
    }

    /// A musician's balance in the mix by the controls: gains including mutes and solos, and pans.
    pub fn balance(&self, source: SourceId) -> Balance {
        let strip = self.controls.strip_of(source).map(|index| &self.controls.strips[index]);
        Balance::of(strip, self.controls.any_solo())
    }

    /// All musicians heard since the start, in no order.
    pub fn voices(&self) -> impl Iterator<Item = VoiceReading> + '_ {
        self.meters.voices.iter().filter_map(|v| v.read())
    }

    /// One musician's readings.
    pub fn voice(&self, source: SourceId) -> Option<VoiceReading> {
        self.voices().find(|v| v.source == source)
    }

    /// Readings of what is sent.
    pub fn tx(&self) -> TxReading {
        TxReading {
            packets: self.meters.tx_packets.get(),
            dropped: self.meters.tx_dropped.get(),
            levels: self.meters.tx.each_ref().map(LevelCell::read),
        }
    }

    /// Readings of the mix of all other musicians.
    pub fn room(&self) -> RoomReading {
        RoomReading {
            levels: self.meters.room.each_ref().map(LevelCell::read),
            limiter_active: self.meters.limiter_active.load(Relaxed),
        }
    }

    /// Readings of the engine itself.
    pub fn engine(&self) -> EngineReading {
        EngineReading {
            calls: self.meters.calls.get(),
            callback_load_pct: self.meters.load_pct.get(),
            incoming_dropped: self.meters.incoming_dropped.get(),
            unheard: self.meters.unheard.get(),
            stalls: self.meters.stalls.get(),
            stalling: self.meters.stall_pattern(),
            notice: self.meters.notice(),
        }
    }
}
