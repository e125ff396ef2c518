//! A call of `process`, with whatever a test makes of its buffers.

use super::effect::Effect;
use super::objects::{Changes, pointer};
use ::vst3::ComWrapper;
use ::vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessorTrait, IParameterChanges, ProcessData, ProcessModes_,
    SymbolicSampleSizes_,
};
use ::vst3::Steinberg::tresult;
use std::ptr::null_mut;

/// What lies in an output before the plugin writes it.
pub const STALE: f32 = 7.5;

/// A bus as a call passes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Bus(pub(super) AudioBusBuffers);

impl Bus {
    /// So many channels at an array of pointers, which may be null. The array has to live until the call.
    pub fn new(channels: *mut *mut f32, count: i32) -> Bus {
        let pointers = AudioBusBuffers__type0 { channelBuffers32: channels };
        Bus(AudioBusBuffers { numChannels: count, silenceFlags: u64::MAX, __field0: pointers })
    }

    /// Whether the plugin says of any channel that it is silent.
    pub fn says_silent(&self) -> bool {
        self.0.silenceFlags != 0
    }
}

/// A call: what is not named is as a good host has it.
pub struct Call<'a> {
    /// In frames.
    pub frames: i32,
    /// 32 or 64.
    pub bits: u32,
    /// Edits of the host: parameter, frame, value from 0 to 1. `None`: a null pointer.
    pub changes: Option<&'a [(u32, i32, f64)]>,
    /// Whether the host takes edits of the plugin.
    pub listens: bool,
    /// Whether the host works without listening.
    pub offline: bool,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Call { frames: 64, bits: 32, changes: Some(&[]), listens: true, offline: false }
    }
}

impl Effect {
    /// Calls `process`. Gives its answer, and the edits that came out of it.
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
        // SAFETY: `Bus` has the layout of what it holds; all buffers
        // live until the end of this call, or are as wrong as the test wants them.
        let result = unsafe { self.processor.process(&mut data) };
        (result, taken.map(|changes| changes.last()).unwrap_or_default())
    }
}

/// Buffers of a host: a stereo input, and stereo outputs.
pub struct Buffers {
    /// The input's channels.
    pub input: [Vec<f32>; 2],
    /// The outputs' channels.
    pub outputs: Vec<[Vec<f32>; 2]>,
}

impl Buffers {
    /// For so many frames and outputs; with a signal in the input that is never 0.
    pub fn new(frames: usize, outputs: usize) -> Buffers {
        let signal = |side: f32| (0..frames).map(|frame| side + (frame % 7) as f32 * 0.01).collect();
        Buffers {
            input: [signal(0.1), signal(0.35)],
            outputs: vec![[vec![STALE; frames], vec![STALE; frames]]; outputs],
        }
    }

    /// Plays a block. Gives the plugin's answer and its edits.
    pub fn play(&mut self, effect: &Effect, call: &Call) -> (tresult, Vec<(u32, f64)>) {
        self.outputs.iter_mut().flatten().for_each(|channel| channel.fill(STALE));
        let mut input = self.input.each_mut().map(|channel| channel.as_mut_ptr());
        let mut outputs: Vec<[*mut f32; 2]> =
            self.outputs.iter_mut().map(|bus| bus.each_mut().map(|channel| channel.as_mut_ptr())).collect();
        let mut buses: Vec<Bus> = outputs.iter_mut().map(|bus| Bus::new(bus.as_mut_ptr(), 2)).collect();
        effect.call(call, &mut [Bus::new(input.as_mut_ptr(), 2)], &mut buses)
    }
}
