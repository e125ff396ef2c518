//! Everyone's handle on an engine: controls to set, readings to take.

use crate::controls::{ChannelControls, Comfort, Controls, PacketSize, Playout, STRIPS, StripControls};
use crate::level::{Gain, Pan};
use crate::meters::{EngineReading, LevelCell, Meters, RoomReading, TxReading, VoiceReading};
use crate::mixer::Balance;
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{CHANNELS, Layout};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Controls and meters of one engine. Any thread, any number of clones; nothing here blocks or allocates.
///
/// What is set takes effect within the next callback, over 15 ms where it is a gain. Of two threads
/// that set the same control, the later wins.
#[derive(Clone, Debug)]
pub struct Console {
    pub(crate) controls: Arc<Controls>,
    pub(crate) meters: Arc<Meters>,
}

impl Console {
    pub(crate) fn new() -> Console {
        Console { controls: Arc::default(), meters: Arc::default() }
    }

    /// How loud the own input is in the main output, undelayed. Unity at first.
    pub fn set_monitor(&self, gain: Gain) {
        self.controls.monitor.set(gain.factor());
    }

    /// See [`Console::set_monitor`].
    pub fn monitor(&self) -> Gain {
        Gain::linear(self.controls.monitor.get())
    }

    /// How loud everyone else is in the main output, before the limiter. Unity at first.
    pub fn set_room(&self, gain: Gain) {
        self.controls.room.set(gain.factor());
    }

    /// See [`Console::set_room`].
    pub fn room_gain(&self) -> Gain {
        Gain::linear(self.controls.room.get())
    }

    /// Sends silence instead of the input. The musician stays one: packets go on.
    pub fn set_send_mute(&self, mute: bool) {
        self.controls.send_mute.store(mute, Relaxed);
    }

    /// See [`Console::set_send_mute`].
    pub fn send_mute(&self) -> bool {
        self.controls.send_mute.load(Relaxed)
    }

    /// Bypasses the engine: the main output is the input at unity, room and slot outputs are silent, and silence is
    /// sent. Packets go on, so the musician keeps their seat. The other controls keep what they are set to.
    pub fn set_bypass(&self, bypass: bool) {
        self.controls.bypass.store(bypass, Relaxed);
    }

    /// See [`Console::set_bypass`].
    pub fn bypass(&self) -> bool {
        self.controls.bypass.load(Relaxed)
    }

    /// What the packets say that the two channels are. Stereo at first.
    pub fn set_layout(&self, layout: Layout) {
        self.controls.set_layout(layout);
    }

    /// See [`Console::set_layout`].
    pub fn layout(&self) -> Layout {
        self.controls.layout()
    }

    /// How large packets are. Automatic at first.
    pub fn set_packet_size(&self, size: PacketSize) {
        self.controls.set_packet_size(size);
    }

    /// See [`Console::set_packet_size`].
    pub fn packet_size(&self) -> PacketSize {
        self.controls.packet_size()
    }

    /// The most frames that one datagram may carry (16 to 512), from the codec and the path's MTU.
    /// Larger packets are split evenly, and the parts go at once.
    pub fn set_max_frames(&self, frames: usize) {
        self.controls.set_max_frames(frames);
    }

    /// How long musicians' sound waits here. Automatic at first; a change restarts every voice with one fade.
    pub fn set_playout(&self, playout: Playout) {
        self.controls.set_playout(playout);
    }

    /// What automatic playout prefers. Normal at first; a change is heard within seconds.
    pub fn set_comfort(&self, comfort: Comfort) {
        self.controls.set_comfort(comfort);
    }

    /// See [`Console::set_comfort`].
    pub fn comfort(&self) -> Comfort {
        self.controls.comfort()
    }

    /// A strip of the mixer, 0 to 31; strips 0 to 11 are the slot outputs.
    pub fn strip(&self, index: usize) -> Option<Strip<'_>> {
        self.controls.strips.get(index).map(|controls| Strip { controls })
    }

    /// Says which strip a source plays on, and takes it from any other. `None`: at unity, on no slot output.
    /// A strip of 32 or more is none.
    pub fn assign(&self, source: SourceId, strip: Option<usize>) {
        for (index, other) in self.controls.strips.iter().enumerate() {
            if Some(index) != strip && other.source() == Some(source) {
                other.set_source(None);
            }
        }
        if let Some(controls) = strip.and_then(|index| self.controls.strips.get(index)) {
            controls.set_source(Some(source));
        }
    }

    /// The strip that a source plays on.
    pub fn strip_of(&self, source: SourceId) -> Option<usize> {
        self.controls.strip_of(source)
    }

    /// How the controls balance a musician in the mix: gains with mutes and solos, and pans.
    pub fn balance(&self, source: SourceId) -> Balance {
        let strip = self.controls.strip_of(source).map(|index| &self.controls.strips[index]);
        Balance::of(strip, self.controls.any_solo())
    }

    /// Every musician heard since the start, in no order.
    pub fn voices(&self) -> impl Iterator<Item = VoiceReading> + '_ {
        self.meters.voices.iter().filter_map(|v| v.read())
    }

    /// One musician.
    pub fn voice(&self, source: SourceId) -> Option<VoiceReading> {
        self.voices().find(|v| v.source == source)
    }

    /// What is sent.
    pub fn tx(&self) -> TxReading {
        TxReading {
            packets: self.meters.tx_packets.get(),
            dropped: self.meters.tx_dropped.get(),
            levels: self.meters.tx.each_ref().map(LevelCell::read),
        }
    }

    /// The mix of everyone else.
    pub fn room(&self) -> RoomReading {
        RoomReading {
            levels: self.meters.room.each_ref().map(LevelCell::read),
            limiter_active: self.meters.limiter_active.load(Relaxed),
        }
    }

    /// The engine itself.
    pub fn engine(&self) -> EngineReading {
        EngineReading {
            calls: self.meters.calls.get(),
            callback_load_pct: self.meters.load_pct.get(),
            incoming_dropped: self.meters.incoming_dropped.get(),
            unheard: self.meters.unheard.get(),
            stalls: self.meters.stalls.get(),
            stalling: self.meters.stalling(),
            notice: self.meters.notice(),
        }
    }
}

/// One musician's place in the mix.
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a> {
    controls: &'a StripControls,
}

impl<'a> Strip<'a> {
    /// Strips of a mixer.
    pub const COUNT: usize = STRIPS;

    /// Who plays on it.
    pub fn source(&self) -> Option<SourceId> {
        self.controls.source()
    }

    /// What the two channels are; `None` (at first): what the musician's packets say.
    pub fn set_layout(&self, layout: Option<Layout>) {
        self.controls.set_layout(layout);
    }

    /// See [`Strip::set_layout`].
    pub fn layout(&self) -> Option<Layout> {
        self.controls.layout()
    }

    /// Whether the musician is in the main output. The slot output does not change.
    pub fn set_main_mix(&self, on: bool) {
        self.controls.main_mix.store(on, Relaxed);
    }

    /// See [`Strip::set_main_mix`]. On at first.
    pub fn main_mix(&self) -> bool {
        self.controls.main_mix.load(Relaxed)
    }

    /// One of the musician's two channels, 0 or 1.
    pub fn channel(&self, index: usize) -> Option<Channel<'a>> {
        self.controls.channels.get(index).map(|controls| Channel { controls })
    }

    /// Both channels.
    pub fn channels(&self) -> [Channel<'a>; CHANNELS] {
        self.controls.channels.each_ref().map(|controls| Channel { controls })
    }
}

/// One channel of a musician in the mix.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    controls: &'a ChannelControls,
}

impl Channel<'_> {
    /// How loud it is. Unity at first.
    pub fn set_gain(&self, gain: Gain) {
        self.controls.gain.set(gain.factor());
    }

    /// See [`Channel::set_gain`].
    pub fn gain(&self) -> Gain {
        Gain::linear(self.controls.gain.get())
    }

    /// Where it lies; `None` (at first): where the layout puts it.
    pub fn set_pan(&self, pan: Option<Pan>) {
        self.controls.set_pan(pan);
    }

    /// See [`Channel::set_pan`].
    pub fn pan(&self) -> Option<Pan> {
        self.controls.pan()
    }

    /// Takes it out of the mix.
    pub fn set_mute(&self, mute: bool) {
        self.controls.mute.store(mute, Relaxed);
    }

    /// See [`Channel::set_mute`].
    pub fn mute(&self) -> bool {
        self.controls.mute.load(Relaxed)
    }

    /// While any channel is soloed, only soloed ones are in the mix. Slot outputs do not change.
    pub fn set_solo(&self, solo: bool) {
        self.controls.solo.store(solo, Relaxed);
    }

    /// See [`Channel::set_solo`].
    pub fn solo(&self) -> bool {
        self.controls.solo.load(Relaxed)
    }
}
