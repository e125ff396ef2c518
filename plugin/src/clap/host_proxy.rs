//! The host that clack sees: a proxy of the real host.
//!
//! clack writes errors to standard error if the host has no log, so the proxy always has one. Each of its functions calls the
//! real host's function with the real host's pointer, by which a host may identify itself.

use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_host_gui};
use clap_sys::ext::log::{CLAP_EXT_LOG, clap_host_log, clap_log_severity};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_host_params, clap_param_clear_flags, clap_param_rescan_flags};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state};
use clap_sys::host::clap_host;
use clap_sys::id::clap_id;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::null;

/// A proxy of the real host. Must outlive the plugin, which has a pointer to it.
#[repr(C)]
pub(super) struct HostProxy {
    /// The first field, so that a pointer to it is a pointer to the proxy.
    host: clap_host,
    real: *const clap_host,
}

// SAFETY: the pointers are the host's, which CLAP allows to use on any thread.
unsafe impl Send for HostProxy {}

impl HostProxy {
    /// A proxy of `real`.
    pub(super) fn new(real: &clap_host) -> Box<HostProxy> {
        let host = clap_host {
            get_extension: Some(get_extension),
            request_restart: Some(request_restart),
            request_process: Some(request_process),
            request_callback: Some(request_callback),
            ..*real
        };
        Box::new(HostProxy { host, real })
    }

    /// The pointer for clack.
    pub(super) fn as_host(&self) -> *const clap_host {
        // A pointer to the whole proxy, so that it can be cast back.
        (&raw const *self).cast()
    }
}

/// The real host.
///
/// # Safety
/// `host` comes from [`HostProxy::as_host`], and both hosts exist.
unsafe fn real<'a>(host: *const clap_host) -> &'a clap_host {
    // SAFETY: `host` points to the first field of a proxy; the real host outlives the plugin.
    unsafe { &*(*host.cast::<HostProxy>()).real }
}

/// An extension of the real host, if it has that.
///
/// # Safety
/// As for [`real`]; `T` is the structure of `id`.
unsafe fn extension<'a, T>(host: *const clap_host, id: &CStr) -> Option<(&'a T, &'a clap_host)> {
    // SAFETY: the caller's guarantees; the real host gets its own pointer.
    unsafe {
        let real = real(host);
        let found = real.get_extension?(real, id.as_ptr());
        Some((found.cast::<T>().as_ref()?, real))
    }
}

/// clack asks for these extensions only.
unsafe extern "C" fn get_extension(host: *const clap_host, id: *const c_char) -> *const c_void {
    // SAFETY: clack passes its host, and a null-terminated id.
    unsafe {
        let id = CStr::from_ptr(id);
        let has = |id: &CStr| extension::<c_void>(host, id).is_some();
        if id == CLAP_EXT_LOG {
            (&raw const LOG).cast()
        } else if id == CLAP_EXT_PARAMS && has(id) {
            (&raw const PARAMS).cast()
        } else if id == CLAP_EXT_STATE && has(id) {
            (&raw const STATE).cast()
        } else if id == CLAP_EXT_GUI && has(id) {
            (&raw const GUI).cast()
        } else {
            null()
        }
    }
}

/// Functions that call the same function of the real host.
macro_rules! forward {
    ($($name:ident)*) => {$(
        unsafe extern "C" fn $name(host: *const clap_host) {
            // SAFETY: clack passes its host; the real one gets its own pointer.
            unsafe {
                let real = real(host);
                if let Some(call) = real.$name {
                    call(real);
                }
            }
        }
    )*};
    ($id:ident $extension:ty: $($name:ident($($argument:ident: $kind:ty),*) $(-> $answer:ty)?;)*) => {$(
        unsafe extern "C" fn $name(host: *const clap_host $(, $argument: $kind)*) $(-> $answer)? {
            // SAFETY: clack passes its host; the real one gets its own pointer.
            unsafe {
                match extension::<$extension>(host, $id).and_then(|(e, real)| Some((e.$name?, real))) {
                    Some((call, real)) => call(real $(, $argument)*),
                    None => Default::default(),
                }
            }
        }
    )*};
}

forward! { request_restart request_process request_callback }

forward! { CLAP_EXT_LOG clap_host_log: log(severity: clap_log_severity, text: *const c_char); }

forward! { CLAP_EXT_PARAMS clap_host_params:
    rescan(flags: clap_param_rescan_flags);
    clear(id: clap_id, flags: clap_param_clear_flags);
    request_flush();
}

forward! { CLAP_EXT_STATE clap_host_state: mark_dirty(); }

forward! { CLAP_EXT_GUI clap_host_gui:
    resize_hints_changed();
    request_resize(width: u32, height: u32) -> bool;
    request_show() -> bool;
    request_hide() -> bool;
    closed(was_destroyed: bool);
}

static LOG: clap_host_log = clap_host_log { log: Some(log) };

static PARAMS: clap_host_params =
    clap_host_params { rescan: Some(rescan), clear: Some(clear), request_flush: Some(request_flush) };

static STATE: clap_host_state = clap_host_state { mark_dirty: Some(mark_dirty) };

static GUI: clap_host_gui = clap_host_gui {
    resize_hints_changed: Some(resize_hints_changed),
    request_resize: Some(request_resize),
    request_show: Some(request_show),
    request_hide: Some(request_hide),
    closed: Some(closed),
};

#[cfg(test)]
mod tests {
    use super::*;
    use clap_sys::version::CLAP_VERSION;
    use std::ptr::null_mut;
    use std::sync::Mutex;

    /// The hosts that were called, by address.
    static CALLED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

    fn note(host: *const clap_host) {
        CALLED.lock().expect("no panic").push(host.addr());
    }

    unsafe extern "C" fn noted(host: *const clap_host) {
        note(host);
    }

    unsafe extern "C" fn noted_rescan(host: *const clap_host, _flags: clap_param_rescan_flags) {
        note(host);
    }

    unsafe extern "C" fn only_params(host: *const clap_host, id: *const c_char) -> *const c_void {
        static PARAMS: clap_host_params =
            clap_host_params { rescan: Some(noted_rescan), clear: None, request_flush: Some(noted) };
        note(host);
        // SAFETY: the proxy passes on ids that are null-terminated.
        if unsafe { CStr::from_ptr(id) } == CLAP_EXT_PARAMS { (&raw const PARAMS).cast() } else { null() }
    }

    /// The host is called with its own pointer only, and clack sees a log even if the host has none.
    #[test]
    fn hosts_see_their_own_pointer() {
        let real = clap_host {
            clap_version: CLAP_VERSION,
            host_data: null_mut(),
            name: c"".as_ptr(),
            vendor: c"".as_ptr(),
            url: c"".as_ptr(),
            version: c"".as_ptr(),
            get_extension: Some(only_params),
            request_restart: None,
            request_process: Some(noted),
            request_callback: Some(noted),
        };
        let proxy = HostProxy::new(&real);
        let host = proxy.as_host();
        // SAFETY: the host and its extensions exist.
        unsafe {
            let seen = &*host;
            let get = seen.get_extension.expect("set");
            seen.request_restart.expect("set")(host);
            seen.request_process.expect("set")(host);
            seen.request_callback.expect("set")(host);
            let params = &*get(host, CLAP_EXT_PARAMS.as_ptr()).cast::<clap_host_params>();
            params.rescan.expect("set")(host, 1);
            params.clear.expect("set")(host, 1, 1);
            params.request_flush.expect("set")(host);
            assert!(get(host, CLAP_EXT_GUI.as_ptr()).is_null() && get(host, CLAP_EXT_STATE.as_ptr()).is_null());
            let log = &*get(host, CLAP_EXT_LOG.as_ptr()).cast::<clap_host_log>();
            log.log.expect("set")(host, 0, c"lost".as_ptr());
        }
        let called = CALLED.lock().expect("no panic");
        assert!(called.len() > 6 && called.iter().all(|at| *at == (&raw const real).addr()), "{called:?}");
    }
}
