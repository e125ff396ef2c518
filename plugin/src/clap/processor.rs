//! The audio thread's part: takes a call's buffers apart, with no trust in what the host made of them.

use super::main_thread::MainThread;
use super::{RtJam, Shared};
use crate::instance::{Block, Port};
use clack_extensions::tail::{PluginTailImpl, TailLength};
use clack_plugin::plugin::{Plugin, PluginAudioProcessor, PluginError};
use clack_plugin::prelude::{
    Audio, Events, HostAudioProcessorHandle, PluginAudioConfiguration, Process, ProcessStatus,
};
use clap_sys::audio_buffer::clap_audio_buffer as Buffer;

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
        outputs.iter_mut().for_each(|buffer| buffer.constant_mask = 0);
        for wide in outputs.iter().filter(|buffer| buffer.data32.is_null()) {
            // SAFETY: what the host says of its buffers: an array of `channel_count` pointers, null or `frames` long.
            // RTJam never offered 64 bits; the host would play what lay there before.
            unsafe { Port::new(wide.data64.cast_const(), wide.channel_count as usize).clear_from(0, frames) };
        }
        // SAFETY: what the host says of its buffers: not null, and `frames` samples long, for this call. Pointers may
        // be equal; `Block` makes no slices of them.
        let port = |buffer: &Buffer| unsafe { Port::new(buffer.data32.cast_const(), buffer.channel_count as usize) };
        let slots = self.shared.instance.slot_outputs();
        // SAFETY: as above.
        let block = unsafe { Block::of_ports(frames, inputs.first().map(port), outputs.iter().map(port), slots) };
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
