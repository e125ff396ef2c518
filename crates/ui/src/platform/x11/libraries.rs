//! Keeps the libraries of window system and graphics driver loaded once they are in the process.
//!
//! The window library loads them with each window and unloads them with it. Unloading a driver while its threads end, or
//! while a thread that drew still frees memory, crashes the process (a host with an open project) about once in some
//! hundred windows. RTJam's own library stays loaded for the same reason: a window's thread may not have left it yet.

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::Once;

/// Prefixes of the files' names.
const KEPT: [&str; 10] =
    ["libX", "libxcb", "libxkb", "libxshm", "libEGL", "libGL", "libgl", "libgallium", "libdrm", "libnvidia"];
/// Suffix of a driver's name.
const DRIVER: &str = "_dri.so";

/// On the first call, keeps the libraries that are loaded. Call it after a graphics context was made.
pub(crate) fn keep() {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let mut paths: Vec<CString> = Vec::new();
        // SAFETY: `note` gets the pointer passed here, and only during this call.
        unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut paths).cast()) };
        for path in paths.iter().filter(|path| is_kept(path)).chain(&own()) {
            // SAFETY: a string that ends with 0. The library is loaded already, so none of its code runs; it is only marked.
            unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
        }
    });
}

/// The library that contains this code.
fn own() -> Option<CString> {
    // SAFETY: integers and pointers, for which zeros are valid.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address is allowed; `found` is only written.
    let told = unsafe { libc::dladdr(own as *const c_void, &raw mut found) };
    if told == 0 || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the system's own string, valid as long as the library is loaded.
    Some(unsafe { CStr::from_ptr(found.dli_fname) }.to_owned())
}

/// Adds a library's path to the list behind `list`.
unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _: libc::size_t, list: *mut c_void) -> c_int {
    // SAFETY: the system passes a valid `info` whose name is null or a string, and the pointer to our list.
    unsafe {
        let name = (*info).dlpi_name;
        if !name.is_null() {
            (*list.cast::<Vec<CString>>()).push(CStr::from_ptr(name).to_owned());
        }
    }
    0
}

fn is_kept(path: &CStr) -> bool {
    let path = path.to_string_lossy();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.ends_with(DRIVER) || KEPT.iter().any(|start| file.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the libraries of driver and window system are kept.
    #[test]
    fn only_graphics_libraries_are_kept() {
        for path in [c"/usr/lib/x86_64-linux-gnu/libEGL_mesa.so.0", c"/usr/lib/dri/swrast_dri.so", c"/lib/libX11.so.6"]
        {
            assert!(is_kept(path), "{path:?}");
        }
        for path in [c"", c"/lib/x86_64-linux-gnu/libc.so.6", c"/usr/lib/vst3/Synth.so", c"/opt/libEGLish/libm.so"] {
            assert!(!is_kept(path), "{path:?}");
        }
        assert!(own().is_some_and(|path| !path.is_empty()), "the library of this test");
        keep();
    }
}
