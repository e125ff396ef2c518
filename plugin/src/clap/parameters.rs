//! Parameters, and the events by which host and plugin exchange edits.

use super::main_thread::MainThread;
use super::processor::Processor;
use super::shared::Shared;
use crate::instance::{Gesture, Instance};
use clack_extensions::params::{
    ParamDisplayWriter, ParamInfo, ParamInfoFlags, ParamInfoWriter, PluginAudioProcessorParams, PluginMainThreadParams,
};
use clack_plugin::events::event_types::{ParamGestureBeginEvent, ParamGestureEndEvent, ParamValueEvent};
use clack_plugin::events::spaces::CoreEventSpace;
use clack_plugin::events::{Pckn, UnknownEvent};
use clack_plugin::prelude::{ClapId, InputEvents, OutputEvents};
use clack_plugin::utils::Cookie;
use rtjam_ui::editor_model::EditorModel;
use rtjam_ui::params::Param;
use std::ffi::CStr;
use std::fmt::Write as _;

impl PluginMainThreadParams for MainThread<'_> {
    fn count(&self) -> u32 {
        self.shared.instance.params().count() as u32
    }

    fn get_info(&self, param_index: u32, info: &mut ParamInfoWriter) {
        let Some(param) = self.shared.instance.params().nth(param_index as usize) else { return };
        let (least, most) = param.range().into_inner();
        let mut flags = ParamInfoFlags::IS_AUTOMATABLE;
        flags.set(ParamInfoFlags::IS_STEPPED, param.is_switch());
        flags.set(ParamInfoFlags::IS_BYPASS, param == Param::Bypass);
        info.set(&ParamInfo {
            id: ClapId::new(param.id()),
            flags,
            cookie: Cookie::empty(),
            name: param.name().as_bytes(),
            module: param.group().as_bytes(),
            min_value: least,
            max_value: most,
            default_value: param.default(),
        });
    }

    fn get_value(&self, param_id: ClapId) -> Option<f64> {
        Some(self.shared.instance.value(Param::from_id(param_id.get())?))
    }

    fn value_to_text(&self, param_id: ClapId, value: f64, writer: &mut ParamDisplayWriter) -> std::fmt::Result {
        let param = Param::from_id(param_id.get()).ok_or(std::fmt::Error)?;
        writer.write_str(&param.text(value))
    }

    fn text_to_value(&self, param_id: ClapId, text: &CStr) -> Option<f64> {
        Param::from_id(param_id.get())?.parse(text.to_str().ok()?)
    }

    fn flush(&self, input: &InputEvents, output: &mut OutputEvents) {
        self.shared.flush(input, output);
    }
}

impl PluginAudioProcessorParams for Processor<'_> {
    fn flush(&mut self, input: &InputEvents, output: &mut OutputEvents) {
        self.shared.flush(input, output);
    }
}

impl Shared {
    /// Audio thread, or main thread while there is no audio. Uses atomics only, since some hosts call it during `process`.
    fn flush(&self, input: &InputEvents, output: &mut OutputEvents) {
        self.instance.note_flush();
        self.exchange(input, output);
    }

    /// Takes the host's edits, and passes ours to the host. Real-time safe.
    ///
    /// A value takes effect at the first frame of the block: gains are ramped over 15 ms anyway.
    pub(super) fn exchange(&self, input: &InputEvents, output: &mut OutputEvents) {
        let instance = &*self.instance;
        take_edits(instance, input);
        instance.fetch_gestures(|gesture| match gesture {
            // The host may have set the parameter since.
            Gesture::Set(param, _) => push(Gesture::Set(param, instance.value(param)), output),
            _ => push(gesture, output),
        });
        instance.fetch_own_edits(|param, value| push(Gesture::Set(param, value), output));
    }
}

fn take_edits(instance: &Instance, input: &InputEvents) {
    for event in input {
        if let Some(CoreEventSpace::ParamValue(event)) = event.as_core_event()
            && let Some(id) = event.param_id()
        {
            instance.set_from_host(id.get(), event.value());
        }
    }
}

/// Pushes an event. Returns whether the host accepted it.
fn push(gesture: Gesture, output: &mut OutputEvents) -> bool {
    let mut accepted = |event: &UnknownEvent| output.try_push(event).is_ok();
    match gesture {
        Gesture::Begin(param) => accepted(ParamGestureBeginEvent::new(0, ClapId::new(param.id())).as_ref()),
        Gesture::Set(param, value) => {
            accepted(ParamValueEvent::new(0, ClapId::new(param.id()), Pckn::match_all(), value).as_ref())
        }
        Gesture::End(param) => accepted(ParamGestureEndEvent::new(0, ClapId::new(param.id())).as_ref()),
    }
}
