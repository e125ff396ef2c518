//! Not part of the harness: a library of its own, which Ardour is started with (`LD_PRELOAD`; `ardour.rs` builds it).
//!
//! Ardour asks the JACK server from several threads (tracks' ports, a pretty name, and ports that it lets go of in its
//! audio thread while a session opens). JACK's library does not keep two requests on one connection apart: the server
//! reads neither, and throws the client out. Here each request waits for the one before it.

use std::ffi::{CStr, c_char, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Any function of JACK that asks the server: at most six whole numbers or pointers.
type Request = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> usize;
type Find = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// The server may wait for the thread that it tells news on, while that asks something: JACK refuses this, if asked.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether somebody asks.
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
        /// What is called in place of a function of JACK, and where the address of the real one is kept.
        fn stand_in(name: &CStr) -> Option<(Request, &'static AtomicPtr<c_void>)> {
            $({
                static REAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
                unsafe extern "C" fn $name(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> usize {
                    // SAFETY: the address was found under this name, and such a function takes what its caller gave.
                    let real: Request = unsafe { transmute(REAL.load(Relaxed)) };
                    // SAFETY: as the caller of this function promised.
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

/// The system's `dlsym`: of glibc 2.34 and newer, of older ones, and of older ones on ARM.
fn system_find() -> Find {
    const NEXT: *mut c_void = usize::MAX as *mut c_void;
    for version in [c"GLIBC_2.34", c"GLIBC_2.2.5", c"GLIBC_2.17"] {
        // SAFETY: both are text.
        let found = unsafe { dlvsym(NEXT, c"dlsym".as_ptr(), version.as_ptr()) };
        if !found.is_null() {
            // SAFETY: this is what a `dlsym` is.
            return unsafe { transmute::<*mut c_void, Find>(found) };
        }
    }
    std::process::abort()
}

/// Ardour finds the functions of JACK by their names.
///
/// # Safety
/// As the system's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: handed on as it came.
    let found = unsafe { system_find()(library, name) };
    // SAFETY: a name is text.
    match stand_in(unsafe { CStr::from_ptr(name) }) {
        Some((request, real)) if !found.is_null() => {
            real.store(found, Relaxed);
            request as *mut c_void
        }
        _ => found,
    }
}
