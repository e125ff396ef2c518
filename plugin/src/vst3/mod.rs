//! The plugin as VST3, on the bindings of the `vst3` crate. [`crate::instance::Instance`] does what is independent of the
//! format.
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `factory` | main | the classes and their ids |
//! | `effect` | main | an instance: component, processor and controller in one object |
//! | `component` | main | buses, activation, state |
//! | `processor` | audio | the buffers and parameter changes of a call |
//! | `controller`, `parameters`, `units` | main | parameters: ids, normalized values, groups |
//! | `host_notifier` | any but audio | tells the host of edits and changes |
//! | `view`, `run_loop` | main | the editor in a host's window |
//! | `host_quirks` | main | workarounds for particular hosts |
//! | `com` | any | panics, texts, streams |
//!
//! Every call of the host catches panics. Nothing depends on the host's timers.

mod com;
mod component;
mod controller;
mod effect;
mod factory;
mod host_notifier;
mod host_quirks;
mod parameters;
mod processor;
#[cfg(target_os = "linux")]
mod run_loop;
mod units;
mod view;

use std::ffi::c_void;
use vst3::ComWrapper;
use vst3::Steinberg::IPluginFactory;

pub use factory::IDS;

/// The function that a host calls first. The caller owns the reference.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut IPluginFactory {
    let factory = com::guarded_or(None, || ComWrapper::new(factory::Factory).to_com_ptr::<IPluginFactory>());
    factory.map_or(std::ptr::null_mut(), |factory| factory.into_raw())
}

/// Called when the library has been loaded.
#[cfg(all(unix, not(target_os = "macos")))]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn ModuleEntry(_library: *mut c_void) -> bool {
    true
}

/// Called before the library is unloaded.
#[cfg(all(unix, not(target_os = "macos")))]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn ModuleExit() -> bool {
    true
}

/// Called when the bundle has been loaded.
#[cfg(target_os = "macos")]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn bundleEntry(_bundle: *mut c_void) -> bool {
    true
}

/// Called before the bundle is unloaded.
#[cfg(target_os = "macos")]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn bundleExit() -> bool {
    true
}

/// Called when the library has been loaded.
#[cfg(windows)]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn InitDll() -> bool {
    true
}

/// Called before the library is unloaded.
#[cfg(windows)]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn ExitDll() -> bool {
    true
}
