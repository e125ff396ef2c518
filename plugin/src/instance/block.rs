//! One call's buffers, as hosts pass them: pointers that may be null, or the same for several channels.

use rtjam_engine::{SLOTS, sanitize_sample};
use std::marker::PhantomData;

/// A host's buffers for one call. Null is a channel that is not there.
///
/// Nothing here makes a slice of a host's buffer: in-place processing and one scratch buffer for all unused channels
/// are usual, and such slices would overlap.
pub struct Block<'a> {
    frames: usize,
    inputs: [*const f32; 2],
    main: [*mut f32; 2],
    slots: [[*mut f32; 2]; SLOTS],
    _buffers: PhantomData<&'a mut f32>,
}

impl<'a> Block<'a> {
    /// # Safety
    /// Every pointer that is not null can be read (inputs) or written (outputs) for `frames` samples during `'a`, and
    /// nobody else uses that memory meanwhile.
    pub unsafe fn new(
        frames: usize,
        inputs: [*const f32; 2],
        main: [*mut f32; 2],
        slots: [[*mut f32; 2]; SLOTS],
    ) -> Block<'a> {
        Block { frames, inputs, main, slots, _buffers: PhantomData }
    }

    /// The length of every buffer.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Whether the host has buffers for a slot.
    pub(super) fn has_slot(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|pair| pair.iter().any(|p| !p.is_null()))
    }

    /// Copies an input from frame `at` on, made harmless; silence where there is none.
    pub(super) fn read(&self, channel: usize, at: usize, into: &mut [f32]) {
        let from = self.inputs[channel];
        for (frame, sample) in into.iter_mut().enumerate() {
            let there = !from.is_null() && at + frame < self.frames;
            // SAFETY: not null, and `at + frame` lies within the buffer's `frames` samples, see `Block::new`.
            *sample = if there { sanitize_sample(unsafe { from.add(at + frame).read() }) } else { 0.0 };
        }
    }

    /// Writes to a channel of the main output from frame `at` on.
    pub(super) fn write_main(&self, channel: usize, at: usize, sound: &[f32]) {
        self.write(self.main[channel], at, sound);
    }

    /// Writes to a channel of a slot output from frame `at` on.
    pub(super) fn write_slot(&self, slot: usize, channel: usize, at: usize, sound: &[f32]) {
        self.write(self.slots[slot][channel], at, sound);
    }

    fn write(&self, to: *mut f32, at: usize, sound: &[f32]) {
        if to.is_null() || at >= self.frames {
            return;
        }
        let frames = sound.len().min(self.frames - at);
        // SAFETY: `to` is not null and holds `frames` samples from `at` on, see `Block::new`; `sound` is our own memory,
        // so the two do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(sound.as_ptr(), to.add(at), frames) };
    }

    /// Writes zeros to the slot outputs, `frames` of them from frame `at` on.
    pub(super) fn silence_slots(&self, at: usize, frames: usize) {
        let frames = frames.min(self.frames.saturating_sub(at));
        for to in self.slots.iter().flatten().filter(|p| !p.is_null() && frames > 0) {
            // SAFETY: not null, and holds `frames` samples from `at` on, see `Block::new`; zero bytes are the sample 0.0.
            unsafe { std::ptr::write_bytes(to.add(at), 0, frames) };
        }
    }

    /// Writes zeros everywhere.
    pub fn silence(&self) {
        for to in self.main.iter().chain(self.slots.iter().flatten()).filter(|p| !p.is_null()) {
            // SAFETY: not null, and `frames` samples long, see `Block::new`; zero bytes are the sample 0.0.
            unsafe { std::ptr::write_bytes(*to, 0, self.frames) };
        }
    }
}
