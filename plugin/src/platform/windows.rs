//! Windows.

use raw_window_handle::{RawWindowHandle, Win32WindowHandle};
use std::ffi::c_void;
use std::num::NonZeroIsize;
use vst3::Steinberg::FIDString;

/// VST3's name for this system's kind of window.
pub(crate) const WINDOW_KIND: FIDString = vst3::Steinberg::kPlatformTypeHWND;

/// A window. `None` for null.
pub(crate) fn window_handle(window: *mut c_void) -> Option<RawWindowHandle> {
    NonZeroIsize::new(window as isize).map(|window| RawWindowHandle::Win32(Win32WindowHandle::new(window)))
}

/// Called when the library has been loaded.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn InitDll() -> bool {
    true
}

/// Called before the library is unloaded.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn ExitDll() -> bool {
    true
}
