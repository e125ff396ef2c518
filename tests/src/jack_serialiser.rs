//! Not a module of the harness, but a library that Ardour is started with (`LD_PRELOAD`; `ardour.rs` builds it).
//!
//! Ardour sends requests to the JACK server from several threads (ports of tracks, pretty names, and ports that its audio
//! thread releases while a session opens). JACK's library does not serialise the requests on a connection: the server
//! reads neither of two, and disconnects the client. Here each request waits for the previous one.

use std::ffi::{CStr, c_char, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Any function of JACK that sends a request to the server: at most six integers or pointers.
type Request = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> usize;
type Find = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// A request may wait this long. The server may be waiting for the thread that sends it; JACK then refuses the request.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a request is under way.
static BUSY: Mutex<bool> = Mutex::new(false);
static DONE: Condvar = Condvar::new();

fn in_turn(request: impl FnOnce() -> usize) -> usize {
    let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = DONE.wait_timeout_while(busy, PATIENCE, |busy| *busy);
    *waited.unwrap_or_else(PoisonError::into_inner).0 = true;
    let answer = request();
    *BUSY.lock().unwrap_or_else(PoisonError::into_inner) = false;
    DONE.notify_one();
    answer
}

macro_rules! requests {
    ($($name:ident)*) => {
        /// The replacement of a JACK function, and the place where the address of the original is kept.
        fn stand_in(name: &CStr) -> Option<(Request, &'static AtomicPtr<c_void>)> {
            $({
                static REAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
                unsafe extern "C" fn $name(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> usize {
                    // SAFETY: the address was found under this name, and the function receives the arguments of its caller.
                    let real: Request = unsafe { transmute(REAL.load(Relaxed)) };
                    // SAFETY: the caller of this function guarantees it.
                    in_turn(|| unsafe { real(a, b, c, d, e, f) })
                }
                if name.to_bytes() == stringify!($name).as_bytes() {
                    return Some(($name, &REAL));
                }
            })*
            None
        }
    };
}

requests! {
    jack_activate jack_deactivate jack_port_register jack_port_unregister jack_port_rename jack_connect jack_disconnect
    jack_port_disconnect jack_set_timebase_callback jack_release_timebase jack_recompute_total_latencies
    jack_set_property jack_remove_property jack_remove_properties jack_set_freewheel jack_set_buffer_size
}

unsafe extern "C" {
    fn dlvsym(library: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void;
}

/// The system's `dlsym`: of glibc 2.34 and newer, of older ones, or of older ones on ARM.
fn system_find() -> Find {
    const NEXT: *mut c_void = usize::MAX as *mut c_void;
    for version in [c"GLIBC_2.34", c"GLIBC_2.2.5", c"GLIBC_2.17"] {
        // SAFETY: both are C strings.
        let found = unsafe { dlvsym(NEXT, c"dlsym".as_ptr(), version.as_ptr()) };
        if !found.is_null() {
            // SAFETY: the symbol has the type of `dlsym`.
            return unsafe { transmute::<*mut c_void, Find>(found) };
        }
    }
    std::process::abort()
}

/// Replaces `dlsym`, by which Ardour finds the functions of JACK.
///
/// # Safety
/// Like the system's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: the arguments are passed on unchanged.
    let found = unsafe { system_find()(library, name) };
    // SAFETY: a symbol name is a C string.
    match stand_in(unsafe { CStr::from_ptr(name) }) {
        Some((request, real)) if !found.is_null() => {
            real.store(found, Relaxed);
            request as *mut c_void
        }
        _ => found,
    }
}
