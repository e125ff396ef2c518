//! A call of `process`, with any buffers.

use super::effect::Effect;
use super::objects::{Changes, pointer};
use ::vst3::ComWrapper;
use ::vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessorTrait, IParameterChanges, ProcessData, ProcessModes_,
    SymbolicSampleSizes_,
};
use ::vst3::Steinberg::tresult;
use std::ptr::null_mut;

/// Content of output buffers before a call.
pub const STALE: f32 = 7.5;

/// A bus as it is passed to the plugin.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Bus(pub(super) AudioBusBuffers);

impl Bus {
    /// `count` channels at an array of pointers, which may be null. The array must live until the call.
    pub fn new(channels: *mut *mut f32, count: i32) -> Bus {
        let pointers = AudioBusBuffers__type0 { channelBuffers32: channels };
        Bus(AudioBusBuffers { numChannels: count, silenceFlags: u64::MAX, __field0: pointers })
    }

    /// Whether the plugin flags any channel as silent.
    pub fn says_silent(&self) -> bool {
        self.0.silenceFlags != 0
    }
}

/// A call of `process`; the default is that of a correct host.
pub struct Call<'a> {
    /// Frames.
    pub frames: i32,
    /// Sample size: 32 or 64.
    pub bits: u32,
    /// Parameter changes of the host: id, frame, value from 0 to 1. `None` passes a null pointer.
    pub changes: Option<&'a [(u32, i32, f64)]>,
    /// Whether the host accepts the plugin's parameter changes.
    pub listens: bool,
    /// Whether the host renders offline.
    pub offline: bool,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Call { frames: 64, bits: 32, changes: Some(&[]), listens: true, offline: false }
    }
}

impl Effect {
    /// Calls `process` and returns its result and the plugin's parameter changes.
    pub fn call(&self, call: &Call, inputs: &mut [Bus], outputs: &mut [Bus]) -> (tresult, Vec<(u32, f64)>) {
        let given = call.changes.map(|changes| ComWrapper::new(Changes::new(changes)));
        let taken = call.listens.then(|| ComWrapper::new(Changes::new(&[])));
        let [given_to, taken_to] = [&given, &taken].map(|changes| {
            changes.as_ref().map(|changes| pointer::<_, IParameterChanges>(changes).expect("it is one"))
        });
        let size = if call.bits == 64 { SymbolicSampleSizes_::kSample64 } else { SymbolicSampleSizes_::kSample32 };
        let mode = if call.offline { ProcessModes_::kOffline } else { ProcessModes_::kRealtime };
        let array = |buses: &mut [Bus]| if buses.is_empty() { null_mut() } else { buses.as_mut_ptr().cast() };
        let mut data = ProcessData {
            processMode: mode as i32,
            symbolicSampleSize: size as i32,
            numSamples: call.frames,
            numInputs: inputs.len() as i32,
            numOutputs: outputs.len() as i32,
            inputs: array(inputs),
            outputs: array(outputs),
            inputParameterChanges: given_to.as_ref().map_or(null_mut(), |changes| changes.as_ptr()),
            outputParameterChanges: taken_to.as_ref().map_or(null_mut(), |changes| changes.as_ptr()),
            inputEvents: null_mut(),
            outputEvents: null_mut(),
            processContext: null_mut(),
        };
        // SAFETY: `Bus` has the layout of its content; all buffers live until the end of this call, or are invalid where the
        // test wants them to be.
        let result = unsafe { self.processor.process(&mut data) };
        (result, taken.map(|changes| changes.last()).unwrap_or_default())
    }
}

/// A host's buffers: a stereo input and stereo outputs.
pub struct Buffers {
    /// Channels of the input.
    pub input: [Vec<f32>; 2],
    /// Channels of the outputs.
    pub outputs: Vec<[Vec<f32>; 2]>,
}

impl Buffers {
    /// Buffers for the given frames and outputs, with an input signal that is never 0.
    pub fn new(frames: usize, outputs: usize) -> Buffers {
        let signal = |side: f32| (0..frames).map(|frame| side + (frame % 7) as f32 * 0.01).collect();
        Buffers {
            input: [signal(0.1), signal(0.35)],
            outputs: vec![[vec![STALE; frames], vec![STALE; frames]]; outputs],
        }
    }

    /// Processes a block and returns the result and the plugin's parameter changes.
    pub fn play(&mut self, effect: &Effect, call: &Call) -> (tresult, Vec<(u32, f64)>) {
        self.outputs.iter_mut().flatten().for_each(|channel| channel.fill(STALE));
        let mut input = self.input.each_mut().map(|channel| channel.as_mut_ptr());
        let mut outputs: Vec<[*mut f32; 2]> =
            self.outputs.iter_mut().map(|bus| bus.each_mut().map(|channel| channel.as_mut_ptr())).collect();
        let mut buses: Vec<Bus> = outputs.iter_mut().map(|bus| Bus::new(bus.as_mut_ptr(), 2)).collect();
        effect.call(call, &mut [Bus::new(input.as_mut_ptr(), 2)], &mut buses)
    }
}
