//! The plugin as VST3, on the bindings of the `vst3` crate. What it plays, stores and shows is
//! [`crate::instance::Instance`].
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `factory` | main | the classes, by ids that never change |
//! | `effect` | main | an instance: component, processor and controller in one object |
//! | `component` | main | buses, activation, state |
//! | `processor` | audio | a call's buffers and parameter changes |
//! | `controller`, `parameters`, `units` | main | parameters as VST3 numbers, normalises and groups them |
//! | `link` | any but audio | edits and changes, told to the host |
//! | `view`, `run_loop` | main | the editor in a host's window |
//! | `host_quirks` | | what some hosts cannot bear |
//! | `com` | any | panics, texts, streams |
//!
//! Every call of a host ends in a catch for panics. Nothing here depends on timers of the host's.

mod com;
mod component;
mod controller;
mod effect;
mod factory;
mod host_quirks;
mod link;
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

/// What a host asks for first. The caller owns a reference.
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut IPluginFactory {
    let made = com::guarded_or(None, || ComWrapper::new(factory::Factory).to_com_ptr::<IPluginFactory>());
    made.map_or(std::ptr::null_mut(), |factory| factory.into_raw())
}

/// The library has been loaded.
#[cfg(all(unix, not(target_os = "macos")))]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn ModuleEntry(_library: *mut c_void) -> bool {
    true
}

/// The library is about to be unloaded.
#[cfg(all(unix, not(target_os = "macos")))]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn ModuleExit() -> bool {
    true
}

/// The bundle has been loaded.
#[cfg(target_os = "macos")]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn bundleEntry(_bundle: *mut c_void) -> bool {
    true
}

/// The bundle is about to be unloaded.
#[cfg(target_os = "macos")]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn bundleExit() -> bool {
    true
}

/// The library has been loaded.
#[cfg(windows)]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn InitDll() -> bool {
    true
}

/// The library is about to be unloaded.
#[cfg(windows)]
#[allow(non_snake_case, reason = "hosts look for this name")]
#[unsafe(no_mangle)]
pub extern "system" fn ExitDll() -> bool {
    true
}
