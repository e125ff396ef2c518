//! Buses, activation and state. Main thread.

#![allow(clippy::unnecessary_cast, reason = "the constants have another type on Windows")]

use super::com::{give, guarded, read_all, wide, write_all};
use super::effect::Effect;
use crate::instance::bus_name;
use std::sync::atomic::Ordering::Relaxed;
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::BusInfo_::BusFlags_::kDefaultActive;
use vst3::Steinberg::Vst::BusTypes_::kMain;
use vst3::Steinberg::Vst::MediaTypes_::kAudio;
use vst3::Steinberg::Vst::{BusDirection, BusInfo, IComponentTrait, IoMode, MediaType, RoutingInfo};
use vst3::Steinberg::{
    IBStream, TBool, TUID, int32, kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, tresult,
};

impl Effect {
    /// Number of buses of a kind. All buses are audio buses.
    pub(super) fn buses(&self, media: MediaType, direction: BusDirection) -> int32 {
        match u32::try_from(direction) {
            _ if media != kAudio as MediaType => 0,
            Ok(direction) if direction == kInput as u32 => 1,
            Ok(direction) if direction == kOutput as u32 => 1 + self.instance.slot_outputs() as int32,
            _ => 0,
        }
    }
}

impl IComponentTrait for Effect {
    /// The controller is the same object.
    unsafe fn getControllerClassId(&self, _class: *mut TUID) -> tresult {
        kNotImplemented
    }

    unsafe fn setIoMode(&self, _mode: IoMode) -> tresult {
        kNotImplemented
    }

    unsafe fn getBusCount(&self, media: MediaType, direction: BusDirection) -> int32 {
        self.buses(media, direction)
    }

    unsafe fn getBusInfo(&self, media: MediaType, direction: BusDirection, index: int32, bus: *mut BusInfo) -> tresult {
        guarded(|| {
            if !(0..self.buses(media, direction)).contains(&index) {
                return kInvalidArgument;
            }
            let about = BusInfo {
                mediaType: media,
                direction,
                channelCount: 2,
                name: wide(&bus_name(index as usize, direction == kInput as BusDirection)),
                // Also for the aux outputs: hosts have stored routings with this type.
                busType: kMain as i32,
                flags: kDefaultActive as u32,
            };
            // SAFETY: the host's memory for the result.
            unsafe { give(bus, about) }
        })
    }

    unsafe fn getRoutingInfo(&self, _from: *mut RoutingInfo, _to: *mut RoutingInfo) -> tresult {
        kNotImplemented
    }

    /// A call without a bus has no channels or null pointers for it, so no state is needed.
    unsafe fn activateBus(&self, media: MediaType, direction: BusDirection, index: int32, _state: TBool) -> tresult {
        guarded(|| if (0..self.buses(media, direction)).contains(&index) { kResultOk } else { kInvalidArgument })
    }

    unsafe fn setActive(&self, state: TBool) -> tresult {
        guarded(|| {
            let active = state != 0;
            if self.active.swap(active, Relaxed) == active {
                return kResultOk;
            }
            if active {
                self.instance.set_offline(self.setup.is_offline());
                self.instance.activate(self.setup.rate(), self.setup.block());
            } else {
                self.instance.deactivate();
            }
            kResultOk
        })
    }

    unsafe fn setState(&self, state: *mut IBStream) -> tresult {
        guarded(|| {
            // SAFETY: null, or the host's stream for this call.
            let Some(bytes) = (unsafe { read_all(state) }) else { return kInvalidArgument };
            if self.instance.load(&bytes).is_err() {
                return kResultFalse;
            }
            if self.replays.load(Relaxed) {
                self.instance.mark_all_unsent();
                self.loaded.store(true, Relaxed);
            } else {
                self.notifier.values_changed();
            }
            kResultOk
        })
    }

    unsafe fn getState(&self, state: *mut IBStream) -> tresult {
        guarded(|| {
            if state.is_null() {
                return kInvalidArgument;
            }
            // SAFETY: the host's stream for this call.
            if unsafe { write_all(state, &self.instance.save()) } { kResultOk } else { kResultFalse }
        })
    }
}
