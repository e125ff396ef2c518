//! Keeps the window system's and the graphics driver's libraries in the process once they are there.
//!
//! The window library opens them with every window and closes them with it. Unloading a driver while its own threads
//! end, or while a thread that drew still has its memory to give back, crashes the process once in some hundred
//! windows; and the process is a host with somebody's music in it. RTJam's own library stays for the same reason: a
//! window's thread may still be on its way out of it.

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::Once;

/// How their files' names begin.
const KEPT: [&str; 10] =
    ["libX", "libxcb", "libxkb", "libxshm", "libEGL", "libGL", "libgl", "libgallium", "libdrm", "libnvidia"];
/// How a driver's name ends.
const DRIVER: &str = "_dri.so";

/// Keeps what is loaded by now, the first time. Call it when a context was made.
pub(super) fn keep() {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let mut paths: Vec<CString> = Vec::new();
        // SAFETY: `note` takes what is passed here, and only during this call.
        unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut paths).cast()) };
        for path in paths.iter().filter(|path| is_kept(path)).chain(&own()) {
            // SAFETY: a string that ends with 0. The library is there already, so no code of it runs; it is only marked.
            unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
        }
    });
}

/// The library that this code is in.
fn own() -> Option<CString> {
    // SAFETY: numbers and pointers, of which zeros are values.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for; `found` is written only.
    let told = unsafe { libc::dladdr(own as *const c_void, &raw mut found) };
    if told == 0 || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the system's own string, good as long as the library is there.
    Some(unsafe { CStr::from_ptr(found.dli_fname) }.to_owned())
}

/// Adds a library's path to the list that `list` points to.
unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _: libc::size_t, list: *mut c_void) -> c_int {
    // SAFETY: the system passes a valid `info` whose name is null or a string, and hands on our list.
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

    #[test]
    fn drivers_and_the_window_systems_libraries_are_kept_and_nothing_else() {
        for path in [c"/usr/lib/x86_64-linux-gnu/libEGL_mesa.so.0", c"/usr/lib/dri/swrast_dri.so", c"/lib/libX11.so.6"]
        {
            assert!(is_kept(path), "{path:?}");
        }
        for path in [c"", c"/lib/x86_64-linux-gnu/libc.so.6", c"/usr/lib/vst3/Synth.so", c"/opt/libEGLish/libm.so"] {
            assert!(!is_kept(path), "{path:?}");
        }
        assert!(own().is_some_and(|path| !path.is_empty()), "the library that this test is in");
        keep();
    }
}
