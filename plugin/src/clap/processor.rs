//! The audio thread of an instance: the buffers of a call, which it does not trust.

use super::main_thread::MainThread;
use super::shared::Shared;
use crate::instance::{HostBuffers, HostBus};
use clack_extensions::tail::{PluginTailImpl, TailLength};
use clack_plugin::plugin::{PluginAudioProcessor, PluginError};
use clack_plugin::prelude::{
    Audio, Events, HostAudioProcessorHandle, PluginAudioConfiguration, Process, ProcessStatus,
};
use clap_sys::audio_buffer::clap_audio_buffer as Buffer;

/// The audio thread of an instance. Has no state of its own, since some hosts call `flush` during `process`: all state is in
/// the instance, in atomics and behind a lock that is only tried.
pub(crate) struct Processor<'a> {
    pub(super) shared: &'a Shared,
}

impl<'a> PluginAudioProcessor<'a, Shared, MainThread<'a>> for Processor<'a> {
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
        outputs.iter_mut().for_each(|buffer| buffer.constant_mask = 0);
        for wide in outputs.iter().filter(|buffer| buffer.data32.is_null()) {
            // SAFETY: the host guarantees an array of `channel_count` pointers, null or `frames` long. RTJam offers no 64-bit
            // buffers; unless they are cleared, the host plays what they contain.
            unsafe { HostBus::new(wide.data64.cast_const(), wide.channel_count as usize).clear_from(0, frames) };
        }
        // SAFETY: the host guarantees buffers of `frames` samples for this call, or null. Pointers may be equal:
        // `HostBuffers` makes no slices of them.
        let bus = |buffer: &Buffer| unsafe { HostBus::new(buffer.data32.cast_const(), buffer.channel_count as usize) };
        let slots = self.shared.instance.slot_outputs();
        // SAFETY: as above.
        let block = unsafe { HostBuffers::from_buses(frames, inputs.first().map(bus), outputs.iter().map(bus), slots) };
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
