//! The library's entry point, which wraps clack's.
//!
//! clack panics in every block at a transport with an invalid header. RTJam needs no transport, so clack gets none. clack's
//! host is a [`HostProxy`], so that clack writes nothing to the host's standard error.

use super::host_proxy::HostProxy;
use clack_plugin::entry::EntryDescriptor;
use clap_sys::events::{clap_event_header, clap_input_events, clap_output_events};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, OnceLock, PoisonError};

/// clack's entry point.
static INNER: EntryDescriptor = clack_plugin::clack_entry!(super::library::Library);

/// The entry point for hosts: clack's, with the factory below.
#[allow(non_upper_case_globals, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub static clap_entry: EntryDescriptor = EntryDescriptor {
    clap_version: INNER_VERSION,
    init: Some(init),
    deinit: Some(deinit),
    get_factory: Some(get_factory),
};

const INNER_VERSION: clap_sys::version::clap_version = clap_sys::version::CLAP_VERSION;

/// The factory for hosts. Its functions call clack's.
static FACTORY: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(get_plugin_count),
    get_plugin_descriptor: Some(get_plugin_descriptor),
    create_plugin: Some(create_plugin),
};

type Process = unsafe extern "C" fn(*const clap_plugin, *const clap_process) -> clap_process_status;

/// clack's `process`: one function for all instances.
static PROCESS: OnceLock<Process> = OnceLock::new();

unsafe extern "C" fn init(path: *const c_char) -> bool {
    // SAFETY: the host's guarantee is passed on.
    INNER.init.is_some_and(|init| unsafe { init(path) })
}

unsafe extern "C" fn deinit() {
    if let Some(deinit) = INNER.deinit {
        // SAFETY: the host's guarantee is passed on.
        unsafe { deinit() };
    }
}

unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    // SAFETY: the host's guarantee is passed on; `id` is null-terminated.
    let (found, asked) = unsafe { (INNER.get_factory.map_or(null(), |get| get(id)), CStr::from_ptr(id)) };
    if found.is_null() || asked != CLAP_PLUGIN_FACTORY_ID { found } else { (&raw const FACTORY).cast() }
}

/// clack's factory.
fn inner_factory() -> Option<&'static clap_plugin_factory> {
    let get = INNER.get_factory?;
    // SAFETY: the id says what it is; it is valid while the entry is initialised, which is when hosts call.
    unsafe { get(CLAP_PLUGIN_FACTORY_ID.as_ptr()).cast::<clap_plugin_factory>().as_ref() }
}

unsafe extern "C" fn get_plugin_count(_factory: *const clap_plugin_factory) -> u32 {
    let count = |inner: &'static clap_plugin_factory| {
        // SAFETY: clack's function with clack's factory.
        inner.get_plugin_count.map(|count| unsafe { count(inner) })
    };
    inner_factory().and_then(count).unwrap_or(0)
}

unsafe extern "C" fn get_plugin_descriptor(
    _factory: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    let describe = |inner: &'static clap_plugin_factory| {
        // SAFETY: clack's function with clack's factory.
        inner.get_plugin_descriptor.map(|describe| unsafe { describe(inner, index) })
    };
    inner_factory().and_then(describe).unwrap_or(null())
}

unsafe extern "C" fn create_plugin(
    _factory: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: null, or the host's structure, which outlives the plugin.
    let Some(proxy) = (unsafe { host.as_ref() }).map(HostProxy::new) else { return null() };
    let create = |inner: &'static clap_plugin_factory| {
        // SAFETY: clack's function with clack's factory; the host's guarantees are passed on.
        inner.create_plugin.map(|create| unsafe { create(inner, proxy.as_host(), id) })
    };
    let plugin = inner_factory().and_then(create).unwrap_or(null()).cast_mut();
    // SAFETY: null, or just created by clack, and nothing else refers to it yet.
    if let Some(created) = unsafe { plugin.as_mut() } {
        if let Some(inner) = created.process {
            PROCESS.get_or_init(|| inner);
            created.process = Some(process);
        }
        if let Some(inner) = created.destroy {
            DESTROY.get_or_init(|| inner);
            created.destroy = Some(destroy);
        }
        HOSTS.lock().unwrap_or_else(PoisonError::into_inner).push((plugin.addr(), proxy));
    }
    plugin
}

/// The proxies of all plugins, by the addresses of the plugins. Boxed, since clack holds pointers to them.
static HOSTS: Mutex<Vec<(usize, Box<HostProxy>)>> = Mutex::new(Vec::new());

type Destroy = unsafe extern "C" fn(*const clap_plugin);

/// clack's `destroy`: one function for all instances.
static DESTROY: OnceLock<Destroy> = OnceLock::new();

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    if let Some(destroy) = DESTROY.get() {
        // SAFETY: the host's guarantee is passed on.
        unsafe { destroy(plugin) };
    }
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(address, _)| *address != plugin.addr());
}

/// Audio thread.
unsafe extern "C" fn process(plugin: *const clap_plugin, call: *const clap_process) -> clap_process_status {
    // SAFETY: null, or the host's structure for this call.
    let (Some(call), Some(inner)) = (unsafe { call.as_ref() }, PROCESS.get()) else { return CLAP_PROCESS_ERROR };
    let mut call = *call;
    call.transport = null();
    if call.in_events.is_null() {
        call.in_events = &raw const NO_EVENTS;
    }
    if call.out_events.is_null() {
        call.out_events = &raw const NO_OUTPUT;
    }
    // SAFETY: the host's guarantees are passed on, except for what was corrected above.
    unsafe { inner(plugin, &call) }
}

static NO_EVENTS: clap_input_events = clap_input_events { ctx: null_mut(), size: Some(no_size), get: Some(no_event) };
static NO_OUTPUT: clap_output_events = clap_output_events { ctx: null_mut(), try_push: Some(refuse_event) };

unsafe extern "C" fn no_size(_list: *const clap_input_events) -> u32 {
    0
}

unsafe extern "C" fn no_event(_list: *const clap_input_events, _index: u32) -> *const clap_event_header {
    null()
}

unsafe extern "C" fn refuse_event(_list: *const clap_output_events, _event: *const clap_event_header) -> bool {
    false
}
