//! macOS.

use raw_window_handle::{AppKitWindowHandle, RawWindowHandle};
use std::ffi::c_void;
use std::ptr::NonNull;
use vst3::Steinberg::FIDString;

/// VST3's name for this system's kind of window.
pub(crate) const WINDOW_KIND: FIDString = vst3::Steinberg::kPlatformTypeNSView;

/// A view. `None` for null.
pub(crate) fn window_handle(view: *mut c_void) -> Option<RawWindowHandle> {
    NonNull::new(view).map(|view| RawWindowHandle::AppKit(AppKitWindowHandle::new(view)))
}

/// Called when the bundle has been loaded.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn bundleEntry(_bundle: *mut c_void) -> bool {
    true
}

/// Called before the bundle is unloaded.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn bundleExit() -> bool {
    true
}
