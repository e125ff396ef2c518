//! Units: the groups in which hosts list parameters, one for each slot. Main thread.

use super::com::{give, guarded, wide};
use super::effect::Effect;
use rtjam_ui::params::{Param, Slot};
use vst3::Steinberg::Vst::{
    BusDirection, CString, IUnitInfoTrait, MediaType, ProgramListID, ProgramListInfo, String128, UnitID, UnitInfo,
    kNoParentUnitId, kNoProgramListId, kRootUnitId,
};
use vst3::Steinberg::{IBStream, int16, int32, kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, tresult};

/// The unit of a parameter: the root, or the number of the slot.
pub(super) fn unit(param: Param) -> UnitID {
    param.slot().map_or(kRootUnitId, |slot| slot.number() as UnitID)
}

impl IUnitInfoTrait for Effect {
    unsafe fn getUnitCount(&self) -> int32 {
        1 + Slot::all().count() as int32
    }

    unsafe fn getUnitInfo(&self, index: int32, info: *mut UnitInfo) -> tresult {
        guarded(|| {
            let (parent, name) = match usize::try_from(index).ok().map(|index| index.checked_sub(1)) {
                Some(None) => (kNoParentUnitId, "Root".to_owned()),
                Some(Some(slot)) if Slot::new(slot).is_some() => (kRootUnitId, format!("Slot {index}")),
                _ => return kInvalidArgument,
            };
            let about =
                UnitInfo { id: index, parentUnitId: parent, name: wide(&name), programListId: kNoProgramListId };
            // SAFETY: the host's memory for the result.
            unsafe { give(info, about) }
        })
    }

    unsafe fn getProgramListCount(&self) -> int32 {
        0
    }

    unsafe fn getProgramListInfo(&self, _index: int32, _info: *mut ProgramListInfo) -> tresult {
        kResultFalse
    }

    unsafe fn getProgramName(&self, _list: ProgramListID, _program: int32, _name: *mut String128) -> tresult {
        kResultFalse
    }

    unsafe fn getProgramInfo(
        &self,
        _list: ProgramListID,
        _program: int32,
        _attribute: CString,
        _value: *mut String128,
    ) -> tresult {
        kResultFalse
    }

    unsafe fn hasProgramPitchNames(&self, _list: ProgramListID, _program: int32) -> tresult {
        kResultFalse
    }

    unsafe fn getProgramPitchName(
        &self,
        _list: ProgramListID,
        _program: int32,
        _pitch: int16,
        _name: *mut String128,
    ) -> tresult {
        kResultFalse
    }

    unsafe fn getSelectedUnit(&self) -> UnitID {
        kRootUnitId
    }

    unsafe fn selectUnit(&self, _unit: UnitID) -> tresult {
        kResultOk
    }

    unsafe fn getUnitByBus(
        &self,
        _media: MediaType,
        _direction: BusDirection,
        _bus: int32,
        _channel: int32,
        _unit: *mut UnitID,
    ) -> tresult {
        kResultFalse
    }

    unsafe fn setUnitProgramData(&self, _list_or_unit: int32, _program: int32, _data: *mut IBStream) -> tresult {
        kNotImplemented
    }
}
