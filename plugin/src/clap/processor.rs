//! The audio thread's part: takes a call's buffers apart, with no trust in what the host made of them.

use super::main_thread::MainThread;
use super::{RtJam, Shared};
use crate::instance::Block;
use clack_extensions::tail::{PluginTailImpl, TailLength};
use clack_plugin::plugin::{Plugin, PluginAudioProcessor, PluginError};
use clack_plugin::prelude::{
    Audio, Events, HostAudioProcessorHandle, PluginAudioConfiguration, Process, ProcessStatus,
};
use clap_sys::audio_buffer::clap_audio_buffer as Buffer;
use rtjam_engine::SLOTS;
use std::ptr::null_mut;

/// What belongs to the audio thread: nothing of its own. Hosts call `flush` beside `process`, so all there is to change
/// lies in the instance, behind atomics and a lock that is only tried.
pub(crate) struct Processor<'a> {
    pub(super) shared: &'a Shared,
}

impl<'a> PluginAudioProcessor<'a, <RtJam as Plugin>::Shared<'a>, MainThread<'a>> for Processor<'a> {
    fn activate(
        _host: HostAudioProcessorHandle<'a>,
        _main_thread: &MainThread<'a>,
        shared: &'a Shared,
        config: PluginAudioConfiguration,
    ) -> Result<Processor<'a>, PluginError> {
        shared.instance.activate(config.sample_rate, config.max_frames_count as usize);
        Ok(Processor { shared })
    }

    fn process(&mut self, _process: Process, mut audio: Audio, events: Events) -> Result<ProcessStatus, PluginError> {
        self.shared.exchange(events.input, events.output);
        let frames = audio.frames_count() as usize;
        let (inputs, outputs) = audio.raw_buffers();
        let input = inputs.first().map_or([null_mut(); 2], pair);
        let mut main = [null_mut(); 2];
        let mut slots = [[null_mut(); 2]; SLOTS];
        let known = self.shared.instance.slot_outputs();
        for (port, buffer) in outputs.iter_mut().enumerate() {
            buffer.constant_mask = 0;
            match port.checked_sub(1) {
                None => main = pair(buffer),
                Some(slot) if slot < known => slots[slot] = pair(buffer),
                Some(_) => {}
            }
            clear_the_rest(buffer, if port <= known { 2 } else { 0 }, frames);
        }
        // SAFETY: what the host says of its buffers: not null, and `frames` samples long, for this call. Pointers may
        // be equal; `Block` makes no slices of them.
        let block = unsafe { Block::new(frames, input.map(|p| p.cast_const()), main, slots) };
        self.shared.instance.process(&block);
        Ok(ProcessStatus::Continue)
    }

    fn deactivate(self, _main_thread: &MainThread<'a>) {
        self.shared.instance.deactivate();
    }
}

impl PluginTailImpl for Processor<'_> {
    fn get(&self) -> TailLength {
        TailLength::Infinite
    }
}

/// The first two channels' pointers; null where there is none.
fn pair(buffer: &Buffer) -> [*mut f32; 2] {
    let channel = |index: u32| {
        if buffer.data32.is_null() || index >= buffer.channel_count {
            return null_mut();
        }
        // SAFETY: the array is there, and has `channel_count` pointers.
        unsafe { buffer.data32.add(index as usize).read() }
    };
    [channel(0), channel(1)]
}

/// Silences the channels from `first` on, and those that are of 64 bits: the host would play what lay there before.
fn clear_the_rest(buffer: &Buffer, first: u32, frames: usize) {
    for index in 0..buffer.channel_count {
        if index >= first && !buffer.data32.is_null() {
            // SAFETY: the array has `channel_count` pointers; each is null or `frames` samples long, of zero bytes.
            unsafe { clear(buffer.data32.add(index as usize).read(), frames) };
        }
        if buffer.data32.is_null() && !buffer.data64.is_null() {
            // SAFETY: as above.
            unsafe { clear(buffer.data64.add(index as usize).read(), frames) };
        }
    }
}

/// # Safety
/// `samples` is null, or can be written for `frames` samples, of which zero bytes are a value.
unsafe fn clear<T>(samples: *mut T, frames: usize) {
    if !samples.is_null() {
        // SAFETY: see above.
        unsafe { samples.write_bytes(0, frames) };
    }
}
