//! Parameters and state, through CLAP's own functions.

use super::{Events, Plugin, Raw};
use clack_host::prelude::{InputEvents, OutputEvents};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::ext::render::{CLAP_EXT_RENDER, CLAP_RENDER_OFFLINE, CLAP_RENDER_REALTIME, clap_plugin_render};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::stream::{clap_istream, clap_ostream};
use std::ffi::{CStr, CString, c_void};

/// A parameter as the host sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Id.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Minimum, maximum and default.
    pub range: [f64; 3],
}

impl Plugin {
    /// All parameters.
    pub fn params(&self) -> Vec<Param> {
        let (raw, params) = (self.raw().as_ptr(), self.extension::<clap_plugin_params>(CLAP_EXT_PARAMS));
        let info = |index| {
            // SAFETY: a structure of numbers and arrays of numbers; zeros are valid.
            let mut info: clap_param_info = unsafe { std::mem::zeroed() };
            // SAFETY: see the module above.
            let found = unsafe { params.get_info.expect("it has one")(raw, index, &mut info) };
            // SAFETY: the plugin has terminated the text with a zero.
            let name = unsafe { CStr::from_ptr(info.name.as_ptr()) }.to_string_lossy().into_owned();
            found.then_some(Param { id: info.id, name, range: [info.min_value, info.max_value, info.default_value] })
        };
        // SAFETY: see the module above.
        let count = unsafe { params.count.expect("it has one")(raw) };
        assert!(info(count).is_none(), "there are more parameters than the plugin counts");
        (0..count).map(|index| info(index).expect("a parameter")).collect()
    }

    /// Value of a parameter.
    pub fn value(&self, id: u32) -> Option<f64> {
        let (raw, params) = (self.raw().as_ptr(), self.extension::<clap_plugin_params>(CLAP_EXT_PARAMS));
        let mut value = f64::NAN;
        // SAFETY: see the module above.
        unsafe { params.get_value.expect("it has one")(raw, id, &mut value) }.then_some(value)
    }

    /// Text of a value.
    pub fn text(&self, id: u32, value: f64) -> Option<String> {
        let (raw, params) = (self.raw().as_ptr(), self.extension::<clap_plugin_params>(CLAP_EXT_PARAMS));
        let mut buffer = [0_i8; 64];
        // SAFETY: the buffer has the length that is passed.
        let told = unsafe { params.value_to_text.expect("it has one")(raw, id, value, buffer.as_mut_ptr().cast(), 64) };
        // SAFETY: the plugin has terminated the text with a zero.
        told.then(|| unsafe { CStr::from_ptr(buffer.as_ptr().cast()) }.to_string_lossy().into_owned())
    }

    /// Value of a text.
    pub fn parse(&self, id: u32, text: &str) -> Option<f64> {
        let (raw, params) = (self.raw().as_ptr(), self.extension::<clap_plugin_params>(CLAP_EXT_PARAMS));
        let (text, mut value) = (CString::new(text).expect("a text"), f64::NAN);
        // SAFETY: see the module above.
        unsafe { params.text_to_value.expect("it has one")(raw, id, text.as_ptr(), &mut value) }.then_some(value)
    }

    /// Switches between offline and real-time rendering.
    pub fn set_offline(&self, offline: bool) -> bool {
        let (raw, render) = (self.raw().as_ptr(), self.extension::<clap_plugin_render>(CLAP_EXT_RENDER));
        let mode = if offline { CLAP_RENDER_OFFLINE } else { CLAP_RENDER_REALTIME };
        // SAFETY: see the module above.
        unsafe { render.set.expect("it has one")(raw, mode) }
    }

    /// Saves the state through a stream that accepts few bytes per call, as some hosts' do.
    pub fn save(&self) -> Vec<u8> {
        unsafe extern "C" fn write(stream: *const clap_ostream, buffer: *const c_void, size: u64) -> i64 {
            let some = size.min(97) as usize;
            // SAFETY: `ctx` is the vector below; the plugin's buffer has the length that is passed.
            unsafe {
                let all = &mut *(*stream).ctx.cast::<Vec<u8>>();
                all.extend_from_slice(std::slice::from_raw_parts(buffer.cast(), some));
            }
            some as i64
        }
        let (raw, state) = (self.raw().as_ptr(), self.extension::<clap_plugin_state>(CLAP_EXT_STATE));
        let mut bytes: Vec<u8> = Vec::new();
        let stream = clap_ostream { ctx: (&raw mut bytes).cast(), write: Some(write) };
        // SAFETY: see the module above.
        assert!(unsafe { state.save.expect("it has one")(raw, &stream) }, "the plugin does not save its state");
        bytes
    }

    /// Loads the state through a stream that returns few bytes per call, and returns whether the plugin accepted it.
    pub fn load(&self, bytes: &[u8]) -> bool {
        unsafe extern "C" fn read(stream: *const clap_istream, buffer: *mut c_void, size: u64) -> i64 {
            // SAFETY: `ctx` is the slice below; the plugin's buffer has the length that is passed.
            unsafe {
                let rest = &mut *(*stream).ctx.cast::<&[u8]>();
                let some = rest.len().min(size as usize).min(61);
                std::ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast(), some);
                *rest = &rest[some..];
                some as i64
            }
        }
        let (raw, state) = (self.raw().as_ptr(), self.extension::<clap_plugin_state>(CLAP_EXT_STATE));
        let mut rest = bytes;
        let stream = clap_istream { ctx: (&raw mut rest).cast(), read: Some(read) };
        // SAFETY: see the module above.
        unsafe { state.load.expect("it has one")(raw, &stream) }
    }
}

impl Raw {
    /// Exchanges events without audio. Main thread while the plugin is inactive, otherwise the audio thread, or any thread to
    /// imitate hosts that get it wrong.
    pub fn flush(self, events: &mut Events) {
        let params = self.extension::<clap_plugin_params>(CLAP_EXT_PARAMS);
        let input = InputEvents::from_buffer(&events.input);
        let mut output = OutputEvents::from_buffer(&mut events.output);
        // SAFETY: see the module above.
        unsafe { params.flush.expect("it has one")(self.as_ptr(), input.as_raw(), output.as_raw_mut()) };
    }
}
