//! The audio thread of an instance: the buffers and parameter changes of a call, which it does not trust.

use super::com::{give, guarded, id, to_normalized, to_value};
use super::effect::Effect;
use crate::instance::{HostBuffers, HostBus};
use std::sync::atomic::Ordering::Relaxed;
use vst3::ComRef;
use vst3::Steinberg::Vst::MediaTypes_::kAudio;
use vst3::Steinberg::Vst::ProcessModes_::kOffline;
use vst3::Steinberg::Vst::SpeakerArr::kStereo;
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, BusDirection, BusDirections, BusDirections_, IAudioProcessorTrait, IParamValueQueue,
    IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, IProcessContextRequirementsTrait, MediaType,
    ProcessData, ProcessSetup, SpeakerArrangement, kInfiniteTail,
};
use vst3::Steinberg::{TBool, int32, kInvalidArgument, kNotInitialized, kResultFalse, kResultOk, tresult, uint32};

/// The most changes, and points of a change, that are read per block.
const MAX_CHANGES: int32 = 4096;

impl IAudioProcessorTrait for Effect {
    unsafe fn setBusArrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        input_count: int32,
        outputs: *mut SpeakerArrangement,
        output_count: int32,
    ) -> tresult {
        guarded(|| {
            let fits = |given: *mut SpeakerArrangement, count: int32, direction: BusDirections| {
                let wanted = self.buses(kAudio as MediaType, direction as BusDirection);
                // SAFETY: the host's array of `count` arrangements.
                let is_stereo = |index: int32| unsafe { given.add(index as usize).read() } == kStereo;
                count == wanted && !given.is_null() && (0..count).all(is_stereo)
            };
            let fits = fits(inputs, input_count, BusDirections_::kInput)
                && fits(outputs, output_count, BusDirections_::kOutput);
            if fits { kResultOk } else { kResultFalse }
        })
    }

    unsafe fn getBusArrangement(
        &self,
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult {
        guarded(|| {
            if !(0..self.buses(kAudio as MediaType, direction)).contains(&index) {
                return kInvalidArgument;
            }
            // SAFETY: the host's memory for the result.
            unsafe { give(arrangement, kStereo) }
        })
    }

    unsafe fn canProcessSampleSize(&self, size: int32) -> tresult {
        if size == kSample32 as int32 { kResultOk } else { kResultFalse }
    }

    /// The network's delay is not the plugin's latency: the musician's own signal passes without delay.
    unsafe fn getLatencySamples(&self) -> uint32 {
        0
    }

    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        guarded(|| {
            // SAFETY: null, or the host's structure for this call.
            let Some(setup) = (unsafe { setup.as_ref() }) else { return kInvalidArgument };
            if setup.symbolicSampleSize != kSample32 as int32
                || !setup.sampleRate.is_finite()
                || setup.sampleRate <= 0.0
            {
                return kResultFalse;
            }
            self.setup.set(setup.sampleRate, setup.maxSamplesPerBlock, setup.processMode == kOffline as int32);
            self.instance.set_offline(self.setup.is_offline());
            // Not allowed while active, but some hosts do it.
            if self.active.load(Relaxed) {
                self.instance.activate(self.setup.rate(), self.setup.block());
            }
            kResultOk
        })
    }

    /// Ignored: blocks are processed from `setActive` on, since some hosts never call this.
    unsafe fn setProcessing(&self, _state: TBool) -> tresult {
        kResultOk
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        guarded(|| {
            // SAFETY: null, or the host's structure for this call.
            let Some(data) = (unsafe { data.as_mut() }) else { return kInvalidArgument };
            // SAFETY: null, or the host's objects for this call.
            unsafe { self.exchange(data.inputParameterChanges, data.outputParameterChanges) };
            let Ok(frames) = usize::try_from(data.numSamples) else { return kInvalidArgument };
            if frames == 0 {
                self.instance.note_flush();
                return kResultOk;
            }
            // SAFETY: the host guarantees its buffers for this call.
            unsafe { self.play(data, frames) }
        })
    }

    unsafe fn getTailSamples(&self) -> uint32 {
        kInfiniteTail
    }
}

impl IProcessContextRequirementsTrait for Effect {
    /// RTJam needs no transport.
    unsafe fn getProcessContextRequirements(&self) -> uint32 {
        0
    }
}

impl Effect {
    /// Takes the host's edits, and passes RTJam's own to the host. Real-time safe.
    ///
    /// The last value of each parameter takes effect at the first frame of the block: gains are ramped over 15 ms anyway.
    ///
    /// # Safety
    /// Both are null or objects of the host.
    unsafe fn exchange(&self, input: *mut IParameterChanges, output: *mut IParameterChanges) {
        // SAFETY: see above.
        let (input, output) = unsafe { (ComRef::from_raw(input), ComRef::from_raw(output)) };
        // After a load, the changes of such a host are older than the project: see `replays_after_load`.
        if !self.loaded.swap(false, Relaxed)
            && let Some(changes) = input
        {
            self.take_changes(changes);
        }
        if let Some(changes) = output {
            self.instance.fetch_own_edits(|param, value| {
                let (mut index, mut point) = (0, 0);
                // SAFETY: the host's objects, and our own memory for the results.
                unsafe {
                    let queue = ComRef::from_raw(changes.addParameterData(&id(param), &mut index));
                    queue.is_some_and(|q| q.addPoint(0, to_normalized(param, value), &mut point) == kResultOk)
                }
            });
        }
    }

    fn take_changes(&self, changes: ComRef<'_, IParameterChanges>) {
        // SAFETY: the host's objects.
        unsafe {
            for index in 0..changes.getParameterCount().min(MAX_CHANGES) {
                let Some(queue) = ComRef::from_raw(changes.getParameterData(index)) else { continue };
                if let Some(param) = self.param(queue.getParameterId())
                    && let Some(normalized) = last_point(queue)
                    && !self.notifier.is_held(param)
                    && let Some(value) = to_value(param, normalized)
                {
                    self.instance.set_from_host(param.id(), value);
                }
            }
        }
    }

    /// # Safety
    /// The buses of `data` are as the host describes them, and the buffers are null or `frames` long.
    unsafe fn play(&self, data: &mut ProcessData, frames: usize) -> tresult {
        // SAFETY: see above; `numOutputs` is the array's length.
        let outputs = unsafe { buses(data.outputs, data.numOutputs) };
        // SAFETY: as above.
        let inputs = unsafe { buses(data.inputs, data.numInputs) };
        outputs.clone().for_each(|bus| {
            // SAFETY: an element of the host's array.
            unsafe { (*bus).silenceFlags = 0 };
        });
        if data.symbolicSampleSize != kSample32 as int32 {
            // SAFETY: the buffers have 64-bit samples, of which zero bytes are valid.
            outputs.for_each(|bus| unsafe { host_bus::<f64>(bus).clear_from(0, frames) });
            return kInvalidArgument;
        }
        if !self.active.load(Relaxed) {
            // SAFETY: as above; zero bytes are the sample 0.0.
            outputs.for_each(|bus| unsafe { host_bus::<f32>(bus).clear_from(0, frames) });
            return kNotInitialized;
        }
        self.instance.set_offline(self.setup.is_offline() || data.processMode == kOffline as int32);
        let slots = self.instance.slot_outputs();
        // SAFETY: see above; the buffers are not used after this call.
        let block = unsafe {
            let input = inputs.clone().next().map(|bus| host_bus(bus));
            HostBuffers::from_buses(frames, input, outputs.map(|bus| host_bus(bus)), slots)
        };
        self.instance.process(&block);
        kResultOk
    }
}

/// The last value of a queue. Reads all points, as validators require.
///
/// # Safety
/// `queue` is an object of the host.
unsafe fn last_point(queue: ComRef<'_, IParamValueQueue>) -> Option<f64> {
    let (mut offset, mut normalized) = (0, 0.0);
    let mut last = None;
    // SAFETY: the host's object, and our own memory for the results.
    unsafe {
        for point in 0..queue.getPointCount().min(MAX_CHANGES) {
            if queue.getPoint(point, &mut offset, &mut normalized) == kResultOk {
                last = Some(normalized);
            }
        }
    }
    last
}

/// The elements of the host's array of buses, which may be null.
///
/// # Safety
/// `first` is null or an array of `count` buses.
unsafe fn buses(first: *mut AudioBusBuffers, count: int32) -> impl Iterator<Item = *mut AudioBusBuffers> + Clone {
    let count = if first.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
    // SAFETY: see above.
    (0..count).map(move |index| unsafe { first.add(index) })
}

/// # Safety
/// `bus` is valid for reads; its buffers contain samples of `T`.
unsafe fn host_bus<T>(bus: *const AudioBusBuffers) -> HostBus<T> {
    // SAFETY: see above. Both members of the union are arrays of `numChannels` pointers at the same address.
    unsafe {
        let channels = (*bus).__field0.channelBuffers32.cast::<*mut T>();
        HostBus::new(channels.cast_const(), usize::try_from((*bus).numChannels).unwrap_or(0))
    }
}
