//! Parameters for the host's mixer and automation. Main thread.

use super::com::{give, guarded, guarded_or, id, read_wide, step_count, to_normalized, to_value, wide};
use super::effect::Effect;
use super::units::unit;
use super::view::View;
use rtjam_ui::editor_model::EditorModel;
use rtjam_ui::params::Param;
use std::ffi::CStr;
use std::ptr::null_mut;
use vst3::ComRef;
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{kCanAutomate, kIsBypass};
use vst3::Steinberg::Vst::{
    IComponentHandler, IEditControllerTrait, ParamID, ParamValue, ParameterInfo, String128, TChar, ViewType,
};
use vst3::Steinberg::{
    FIDString, IBStream, IPlugView, int32, kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, tresult,
};

impl Effect {
    /// The parameter with an id, if this plugin has it. Any thread.
    pub(super) fn param(&self, id: ParamID) -> Option<Param> {
        Param::from_id(id).filter(|param| self.instance.has(*param))
    }
}

impl IEditControllerTrait for Effect {
    /// The component is the same object and has the state already.
    unsafe fn setComponentState(&self, _state: *mut IBStream) -> tresult {
        kResultOk
    }

    /// The only state is the component's.
    unsafe fn setState(&self, _state: *mut IBStream) -> tresult {
        kNotImplemented
    }

    unsafe fn getState(&self, _state: *mut IBStream) -> tresult {
        kNotImplemented
    }

    unsafe fn getParameterCount(&self) -> int32 {
        guarded_or(0, || self.instance.params().count() as int32)
    }

    unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        guarded(|| {
            let index = usize::try_from(index).ok();
            let Some(param) = index.and_then(|index| self.instance.params().nth(index)) else {
                return kInvalidArgument;
            };
            let about = ParameterInfo {
                id: id(param),
                title: wide(&param.name()),
                shortTitle: wide(&param.name()),
                // The texts contain the unit.
                units: wide(""),
                stepCount: step_count(param),
                defaultNormalizedValue: to_normalized(param, param.default()),
                unitId: unit(param),
                flags: if param == Param::Bypass { kCanAutomate | kIsBypass } else { kCanAutomate },
            };
            // SAFETY: the host's memory for the result.
            unsafe { give(info, about) }
        })
    }

    unsafe fn getParamStringByValue(&self, id: ParamID, normalized: ParamValue, text: *mut String128) -> tresult {
        guarded(|| {
            let value = self.param(id).and_then(|param| Some((param, to_value(param, normalized)?)));
            let Some((param, value)) = value else { return kInvalidArgument };
            // SAFETY: the host's memory for the result.
            unsafe { give(text, wide(&param.text(value))) }
        })
    }

    unsafe fn getParamValueByString(&self, id: ParamID, text: *mut TChar, normalized: *mut ParamValue) -> tresult {
        guarded(|| {
            // SAFETY: null, or a text of the host.
            let (Some(param), Some(text)) = (self.param(id), unsafe { read_wide(text) }) else {
                return kInvalidArgument;
            };
            match param.parse(&text) {
                // SAFETY: the host's memory for the result.
                Some(value) => unsafe { give(normalized, to_normalized(param, value)) },
                None => kResultFalse,
            }
        })
    }

    /// Plain values equal normalized values. Ardour stores automation as plain values, and this has been so since the first
    /// release.
    unsafe fn normalizedParamToPlain(&self, _id: ParamID, normalized: ParamValue) -> ParamValue {
        normalized
    }

    unsafe fn plainParamToNormalized(&self, _id: ParamID, plain: ParamValue) -> ParamValue {
        plain
    }

    unsafe fn getParamNormalized(&self, id: ParamID) -> ParamValue {
        guarded_or(0.0, || self.param(id).map_or(0.0, |param| to_normalized(param, self.instance.value(param))))
    }

    /// Takes effect at once, also without audio, since the host may save next. Ignored while the user holds the control in
    /// the editor.
    unsafe fn setParamNormalized(&self, id: ParamID, normalized: ParamValue) -> tresult {
        guarded(|| {
            let value = self.param(id).and_then(|param| Some((param, to_value(param, normalized)?)));
            let Some((param, value)) = value else { return kInvalidArgument };
            if !self.notifier.is_held(param) {
                self.instance.set_from_host(param.id(), value);
            }
            kResultOk
        })
    }

    unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
        guarded(|| {
            // SAFETY: null, or an object of the host, whose reference is counted from here on.
            self.notifier.set_handler(unsafe { ComRef::from_raw(handler) }.map(|handler| handler.to_com_ptr()));
            kResultOk
        })
    }

    /// Creates a new view in each call.
    unsafe fn createView(&self, name: FIDString) -> *mut IPlugView {
        guarded_or(null_mut(), || {
            // SAFETY: null, or a text of the host; the other is a constant of the bindings.
            let is_editor = !name.is_null() && unsafe { CStr::from_ptr(name) == CStr::from_ptr(ViewType::kEditor) };
            if is_editor && self.notifier.is_alive() { View::create(self) } else { null_mut() }
        })
    }
}
