//! Buffers and events of a process call.

use super::Raw;
use clack_host::events::Pckn;
use clack_host::events::event_types::ParamValueEvent;
use clack_host::events::io::EventBuffer;
use clack_host::prelude::{InputEvents, OutputEvents};
use clack_host::utils::ClapId;
use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::events::clap_event_transport;
use clap_sys::process::clap_process;
use std::ptr;

/// Content of output buffers before a call: audible if the plugin leaves it there.
pub const STALE: f32 = 0.7;

/// Events to the plugin and from the plugin.
#[derive(Default)]
pub struct Events {
    /// For the plugin.
    pub input: EventBuffer,
    /// From the plugin.
    pub output: EventBuffer,
}

impl Events {
    /// No events.
    pub fn none() -> Events {
        Events::default()
    }

    /// A parameter change.
    pub fn set(id: u32, value: f64) -> Events {
        let mut events = Events::default();
        events.push(0, id, value);
        events
    }

    /// Adds a parameter change.
    pub fn push(&mut self, time: u32, id: u32, value: f64) {
        self.input.push(&ParamValueEvent::new(time, ClapId::new(id), Pckn::match_all(), value));
    }
}

/// Stereo buffers: one input and any number of outputs.
pub struct Buffers {
    /// The two input channels.
    pub input: [Vec<f32>; 2],
    /// Two channels per output.
    pub outputs: Vec<[Vec<f32>; 2]>,
    /// The host's transport; some hosts pass none, or one filled with zeros.
    pub transport: Option<clap_event_transport>,
}

impl Buffers {
    /// A silent input and `outputs` stereo outputs, for up to `frames` frames.
    pub fn new(frames: usize, outputs: usize) -> Buffers {
        let channel = || vec![0.0; frames];
        Buffers {
            input: [channel(), channel()],
            outputs: (0..outputs).map(|_| [channel(), channel()]).collect(),
            transport: None,
        }
    }

    /// Processes the first `frames` frames and returns the plugin's status. Audio thread.
    pub fn process(&mut self, plugin: Raw, frames: u32, events: &mut Events) -> i32 {
        for channel in self.outputs.iter_mut().flatten() {
            channel.fill(STALE);
        }
        let mut inputs = self.input.each_mut().map(|c| c.as_mut_ptr());
        let mut outputs: Vec<[*mut f32; 2]> =
            self.outputs.iter_mut().map(|o| o.each_mut().map(|c| c.as_mut_ptr())).collect();
        let mut out: Vec<clap_audio_buffer> = outputs.iter_mut().map(|o| port(o.as_mut_ptr(), 2)).collect();
        call(plugin, frames, &[port(inputs.as_mut_ptr(), 2)], &mut out, events, self.transport.as_ref())
    }
}

/// A port of 32-bit samples; `channels` may be null.
pub fn port(channels: *mut *mut f32, count: u32) -> clap_audio_buffer {
    clap_audio_buffer { data32: channels, data64: ptr::null_mut(), channel_count: count, latency: 0, constant_mask: 0 }
}

/// A process call with any ports. Audio thread.
pub fn call(
    plugin: Raw,
    frames: u32,
    inputs: &[clap_audio_buffer],
    outputs: &mut [clap_audio_buffer],
    events: &mut Events,
    transport: Option<&clap_event_transport>,
) -> i32 {
    let input = InputEvents::from_buffer(&events.input);
    let mut output = OutputEvents::from_buffer(&mut events.output);
    let process = clap_process {
        steady_time: -1,
        frames_count: frames,
        transport: transport.map_or(ptr::null(), ptr::from_ref),
        audio_inputs: if inputs.is_empty() { ptr::null() } else { inputs.as_ptr() },
        audio_outputs: if outputs.is_empty() { ptr::null_mut() } else { outputs.as_mut_ptr() },
        audio_inputs_count: inputs.len() as u32,
        audio_outputs_count: outputs.len() as u32,
        in_events: input.as_raw(),
        // SAFETY: `clap_process` is plain data; null is a valid transport.
        out_events: unsafe { output.as_raw_mut() },
    };
    // SAFETY: the pointers are valid during the call, or invalid where the test wants them to be.
    unsafe { (*plugin.as_ptr()).process.expect("it has one")(plugin.as_ptr(), &process) }
}
