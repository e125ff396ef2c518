//! The host's buffers of one call, as CLAP and VST3 pass them: arrays of pointers that may be null, or equal for several
//! channels. Only the lengths are trusted.

use rtjam_engine::{SLOTS, sanitize_sample};
use std::marker::PhantomData;
use std::ptr::null_mut;

/// The host's buffers of one call. A null pointer is a missing channel.
///
/// No slice is made of a host's buffer: hosts process in place and share one scratch buffer among unused channels, so slices
/// would overlap.
pub struct HostBuffers<'a> {
    frames: usize,
    inputs: [*const f32; 2],
    main: [*mut f32; 2],
    slots: [[*mut f32; 2]; SLOTS],
    _buffers: PhantomData<&'a mut f32>,
}

impl<'a> HostBuffers<'a> {
    /// # Safety
    /// During `'a`, every pointer that is not null is valid for reads (inputs) or writes (outputs) of `frames` samples, and
    /// no other thread uses that memory.
    pub unsafe fn new(
        frames: usize,
        inputs: [*const f32; 2],
        main: [*mut f32; 2],
        slots: [[*mut f32; 2]; SLOTS],
    ) -> HostBuffers<'a> {
        HostBuffers { frames, inputs, main, slots, _buffers: PhantomData }
    }

    /// Number of frames in every buffer.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Whether the host passes buffers for a slot.
    pub(super) fn has_slot(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|pair| pair.iter().any(|p| !p.is_null()))
    }

    /// Copies an input from frame `at` on, with invalid samples tamed. A missing input is silence.
    pub(super) fn read(&self, channel: usize, at: usize, into: &mut [f32]) {
        let from = self.inputs[channel];
        for (frame, sample) in into.iter_mut().enumerate() {
            let exists = !from.is_null() && at + frame < self.frames;
            // SAFETY: not null, and `at + frame` lies within the buffer's `frames` samples, see `HostBuffers::new`.
            *sample = if exists { sanitize_sample(unsafe { from.add(at + frame).read() }) } else { 0.0 };
        }
    }

    /// Writes to a channel of the main output from frame `at` on.
    pub(super) fn write_main(&self, channel: usize, at: usize, samples: &[f32]) {
        self.write(self.main[channel], at, samples);
    }

    /// Writes to a channel of an aux output from frame `at` on.
    pub(super) fn write_slot(&self, slot: usize, channel: usize, at: usize, samples: &[f32]) {
        self.write(self.slots[slot][channel], at, samples);
    }

    fn write(&self, to: *mut f32, at: usize, samples: &[f32]) {
        if to.is_null() || at >= self.frames {
            return;
        }
        let frames = samples.len().min(self.frames - at);
        // SAFETY: `to` is not null and holds `frames` samples from `at` on, see `HostBuffers::new`; `samples` is our own
        // memory, so the two do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(samples.as_ptr(), to.add(at), frames) };
    }

    /// Writes `frames` zeros to the aux outputs, from frame `at` on.
    pub(super) fn silence_slots(&self, at: usize, frames: usize) {
        let frames = frames.min(self.frames.saturating_sub(at));
        for to in self.slots.iter().flatten().filter(|p| !p.is_null() && frames > 0) {
            // SAFETY: not null, and holds `frames` samples from `at` on, see `HostBuffers::new`; zero bytes are the sample 0.0.
            unsafe { std::ptr::write_bytes(to.add(at), 0, frames) };
        }
    }

    /// Writes zeros to all outputs.
    pub fn silence(&self) {
        for to in self.main.iter().chain(self.slots.iter().flatten()).filter(|p| !p.is_null()) {
            // SAFETY: not null, and `frames` samples long, see `HostBuffers::new`; zero bytes are the sample 0.0.
            unsafe { std::ptr::write_bytes(*to, 0, self.frames) };
        }
    }
}

/// A bus, with as many channels as the host says. A null array has no channels.
#[derive(Clone, Copy)]
pub struct HostBus<T> {
    channels: *const *mut T,
    count: usize,
}

impl<T> HostBus<T> {
    /// # Safety
    /// `channels` is null or an array of `count` pointers, each null or valid for the frames of this call. The bus is not
    /// used after the call.
    pub unsafe fn new(channels: *const *mut T, count: usize) -> HostBus<T> {
        HostBus { channels, count: if channels.is_null() { 0 } else { count } }
    }

    fn channel(&self, index: usize) -> *mut T {
        if index >= self.count {
            return null_mut();
        }
        // SAFETY: the array has `count` pointers, see `HostBus::new`.
        unsafe { self.channels.add(index).read() }
    }

    /// Writes zero bytes to the channels from `first` on. Otherwise the host would play what they contain.
    ///
    /// # Safety
    /// Each channel is null or valid for writes of `frames` samples, and zero bytes are a valid sample.
    pub unsafe fn clear_from(&self, first: usize, frames: usize) {
        for samples in (first..self.count).map(|index| self.channel(index)).filter(|samples| !samples.is_null()) {
            // SAFETY: see above.
            unsafe { samples.write_bytes(0, frames) };
        }
    }
}

impl HostBuffers<'_> {
    /// Audio thread. The buffers that an instance with `slots` aux outputs reads and writes. Silences all other channels and
    /// outputs.
    ///
    /// # Safety
    /// As for [`HostBuffers::new`], for every channel of the buses.
    pub unsafe fn from_buses(
        frames: usize,
        input: Option<HostBus<f32>>,
        outputs: impl Iterator<Item = HostBus<f32>>,
        slots: usize,
    ) -> Self {
        let pair = |bus: HostBus<f32>| [bus.channel(0), bus.channel(1)];
        let input = input.map_or([null_mut(); 2], pair);
        let mut main = [null_mut(); 2];
        let mut of_slots = [[null_mut(); 2]; SLOTS];
        for (index, bus) in outputs.enumerate() {
            let slot = index.checked_sub(1);
            match slot {
                None => main = pair(bus),
                Some(slot) if slot < slots.min(SLOTS) => of_slots[slot] = pair(bus),
                Some(_) => {}
            }
            let known = slot.is_none_or(|slot| slot < slots.min(SLOTS));
            // SAFETY: the caller's guarantee; zero bytes are the sample 0.0.
            unsafe { bus.clear_from(if known { 2 } else { 0 }, frames) };
        }
        // SAFETY: the caller's guarantee.
        unsafe { HostBuffers::new(frames, input.map(|p| p.cast_const()), main, of_slots) }
    }
}
