//! The strips of the mixer: atomics that any thread sets, like all controls.

use crate::atomics::{AtomicF32, AtomicSource};
use crate::level::{Gain, Pan};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{CHANNELS, Layout};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

/// One musician's strip in the mixer.
#[derive(Debug)]
pub struct Strip {
    source: AtomicSource,
    /// An index into [`LAYOUTS`].
    layout: AtomicU8,
    main_mix: AtomicBool,
    channels: [StripChannel; CHANNELS],
}

const LAYOUTS: [Option<Layout>; 3] = [None, Some(Layout::Stereo), Some(Layout::DualMono)];

impl Default for Strip {
    fn default() -> Strip {
        Strip {
            source: AtomicSource::default(),
            layout: AtomicU8::new(0),
            main_mix: AtomicBool::new(true),
            channels: core::array::from_fn(|_| StripChannel::default()),
        }
    }
}

impl Strip {
    /// The source that is assigned to it.
    pub fn source(&self) -> Option<SourceId> {
        self.source.get()
    }

    pub(crate) fn set_source(&self, source: Option<SourceId>) {
        self.source.set(source);
    }

    /// Sets what the two channels are; `None` (initially): what the musician's packets say.
    pub fn set_layout(&self, layout: Option<Layout>) {
        let index = LAYOUTS.iter().position(|known| *known == layout).unwrap_or(0);
        self.layout.store(index as u8, Relaxed);
    }

    /// See [`Strip::set_layout`].
    pub fn layout(&self) -> Option<Layout> {
        LAYOUTS[usize::from(self.layout.load(Relaxed)) % LAYOUTS.len()]
    }

    /// Sets whether the musician is in the main output. The aux output does not change. Initially on.
    pub fn set_main_mix(&self, on: bool) {
        self.main_mix.store(on, Relaxed);
    }

    /// See [`Strip::set_main_mix`].
    pub fn main_mix(&self) -> bool {
        self.main_mix.load(Relaxed)
    }

    /// Both channels.
    pub fn channels(&self) -> &[StripChannel; CHANNELS] {
        &self.channels
    }
}

/// One channel of a strip.
#[derive(Debug)]
pub struct StripChannel {
    gain: AtomicF32,
    /// NaN: the layout's pan.
    pan: AtomicF32,
    mute: AtomicBool,
    solo: AtomicBool,
}

impl Default for StripChannel {
    fn default() -> StripChannel {
        StripChannel {
            gain: AtomicF32::new(Gain::UNITY.factor()),
            pan: AtomicF32::new(f32::NAN),
            mute: AtomicBool::new(false),
            solo: AtomicBool::new(false),
        }
    }
}

impl StripChannel {
    /// Sets the channel's gain. Initially unity.
    pub fn set_gain(&self, gain: Gain) {
        self.gain.set(gain.factor());
    }

    /// See [`StripChannel::set_gain`].
    pub fn gain(&self) -> Gain {
        Gain::linear(self.gain.get())
    }

    /// Sets the channel's pan; `None` (initially): the layout's.
    pub fn set_pan(&self, pan: Option<Pan>) {
        self.pan.set(pan.map_or(f32::NAN, Pan::position));
    }

    /// See [`StripChannel::set_pan`].
    pub fn pan(&self) -> Option<Pan> {
        Some(self.pan.get()).filter(|p| !p.is_nan()).map(Pan::new)
    }

    /// Removes the channel from the mix.
    pub fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Relaxed);
    }

    /// See [`StripChannel::set_mute`].
    pub fn mute(&self) -> bool {
        self.mute.load(Relaxed)
    }

    /// Solos the channel: while any channel is soloed, the mix has only soloed ones. Aux outputs do not change.
    pub fn set_solo(&self, solo: bool) {
        self.solo.store(solo, Relaxed);
    }

    /// See [`StripChannel::set_solo`].
    pub fn solo(&self) -> bool {
        self.solo.load(Relaxed)
    }
}
