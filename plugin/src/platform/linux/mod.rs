//! Linux.

mod run_loop;

pub(crate) use run_loop::RunLoop;

use raw_window_handle::{RawWindowHandle, XlibWindowHandle};
use std::ffi::{c_ulong, c_void};
use vst3::Steinberg::FIDString;

/// VST3's name for this system's kind of window.
pub(crate) const WINDOW_KIND: FIDString = vst3::Steinberg::kPlatformTypeX11EmbedWindowID;

/// X11 windows are numbers, passed as pointers. `None` for null.
pub(crate) fn window_handle(window: *mut c_void) -> Option<RawWindowHandle> {
    (!window.is_null()).then(|| RawWindowHandle::Xlib(XlibWindowHandle::new(window as c_ulong)))
}

/// Called when the library has been loaded.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn ModuleEntry(_library: *mut c_void) -> bool {
    true
}

/// Called before the library is unloaded.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn ModuleExit() -> bool {
    true
}
