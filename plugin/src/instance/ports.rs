//! A host's buses, as CLAP and VST3 pass them: arrays of pointers, of which nothing is believed but their lengths.

use super::block::Block;
use rtjam_engine::SLOTS;
use std::ptr::null_mut;

/// One bus: as many channels as the host says. Null array: no channels.
#[derive(Clone, Copy)]
pub struct Port<T> {
    channels: *const *mut T,
    count: usize,
}

impl<T> Port<T> {
    /// # Safety
    /// `channels` is null or an array of `count` pointers, each null or valid for the frames of this call. Its lifetime
    /// ends with the call.
    pub unsafe fn new(channels: *const *mut T, count: usize) -> Port<T> {
        Port { channels, count: if channels.is_null() { 0 } else { count } }
    }

    fn channel(&self, index: usize) -> *mut T {
        if index >= self.count {
            return null_mut();
        }
        // SAFETY: the array has `count` pointers, see `Port::new`.
        unsafe { self.channels.add(index).read() }
    }

    /// Writes zero bytes to the channels from `first` on: the host would play what lay there before.
    ///
    /// # Safety
    /// Each channel is null or can be written for `frames` samples, of which zero bytes are a value.
    pub unsafe fn clear_from(&self, first: usize, frames: usize) {
        for samples in (first..self.count).map(|index| self.channel(index)).filter(|samples| !samples.is_null()) {
            // SAFETY: see above.
            unsafe { samples.write_bytes(0, frames) };
        }
    }
}

impl Block<'_> {
    /// Audio thread. The block that an instance with `slots` slot outputs reads and writes. Channels and outputs that it
    /// does not know are silenced at once.
    ///
    /// # Safety
    /// As [`Block::new`] for every channel of the ports, which the caller keeps valid as long as the block.
    pub unsafe fn of_ports(
        frames: usize,
        input: Option<Port<f32>>,
        outputs: impl Iterator<Item = Port<f32>>,
        slots: usize,
    ) -> Self {
        let pair = |port: Port<f32>| [port.channel(0), port.channel(1)];
        let input = input.map_or([null_mut(); 2], pair);
        let mut main = [null_mut(); 2];
        let mut of_slots = [[null_mut(); 2]; SLOTS];
        for (index, port) in outputs.enumerate() {
            let slot = index.checked_sub(1);
            match slot {
                None => main = pair(port),
                Some(slot) if slot < slots.min(SLOTS) => of_slots[slot] = pair(port),
                Some(_) => {}
            }
            let known = slot.is_none_or(|slot| slot < slots.min(SLOTS));
            // SAFETY: the caller's promise; zero bytes are the sample 0.0.
            unsafe { port.clear_from(if known { 2 } else { 0 }, frames) };
        }
        // SAFETY: the caller's promise.
        unsafe { Block::new(frames, input.map(|p| p.cast_const()), main, of_slots) }
    }
}
