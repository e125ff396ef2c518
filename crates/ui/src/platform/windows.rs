//! Windows.

use std::env;
#[cfg(feature = "editor")]
use std::path::PathBuf;
use windows_sys::Win32::Globalization::{GetUserDefaultUILanguage, LCIDToLocaleName};

/// The computer's name.
pub(crate) fn host_name() -> Option<String> {
    env::var("COMPUTERNAME").ok()
}

/// The locale of the user's display language, such as `de-DE`.
pub(crate) fn system_locale() -> Option<String> {
    let mut name = [0_u16; 85];
    // SAFETY: the buffer is writable over the given length, which includes the terminating zero.
    let len = unsafe { LCIDToLocaleName(GetUserDefaultUILanguage().into(), name.as_mut_ptr(), name.len() as i32, 0) };
    let len = usize::try_from(len).ok()?.checked_sub(1)?;
    String::from_utf16(&name[..len]).ok()
}

/// Folders of fonts.
#[cfg(feature = "editor")]
pub(crate) fn font_folders() -> Vec<PathBuf> {
    let windows = env::var_os("SystemRoot").map_or_else(|| PathBuf::from("C:\\Windows"), PathBuf::from);
    vec![windows.join("Fonts")]
}

/// Whether hosts measure windows in logical pixels.
#[cfg(feature = "editor")]
pub(crate) const HOST_PIXELS_ARE_LOGICAL: bool = false;
