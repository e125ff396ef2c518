//! The plugin as VST3, on the bindings of the `vst3` crate. [`crate::instance::Instance`] does what is independent of the
//! format.
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `factory` | main | the classes and their ids |
//! | `effect` | main | an instance: component, processor and controller in one object; workarounds for particular hosts |
//! | `component` | main | buses, activation, state |
//! | `processor` | audio | the buffers and parameter changes of a call |
//! | `controller`, `units` | main | parameters and their groups |
//! | `host_notifier` | any but audio | tells the host of edits and changes |
//! | `view`, `run_loop` | main | the editor in a host's window |
//! | `com` | any | panics, texts, streams, the form of parameters |
//!
//! Every call of the host catches panics. Nothing depends on the host's timers.

mod com;
mod component;
mod controller;
mod effect;
mod factory;
mod host_notifier;
mod processor;
#[cfg(target_os = "linux")]
mod run_loop;
mod units;
mod view;

#[cfg(unix)]
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

/// Defines functions that a host calls when it has loaded the library and before it unloads it.
macro_rules! library_calls {
    ($($name:ident($($argument:ty)?))*) => {$(
        /// Nothing is to be done, which always succeeds.
        #[allow(non_snake_case, reason = "hosts look for this name")]
        #[unsafe(no_mangle)]
        pub extern "system" fn $name($(_: $argument)?) -> bool {
            true
        }
    )*};
}

#[cfg(all(unix, not(target_os = "macos")))]
library_calls! { ModuleEntry(*mut c_void) ModuleExit() }
#[cfg(target_os = "macos")]
library_calls! { bundleEntry(*mut c_void) bundleExit() }
#[cfg(windows)]
library_calls! { InitDll() ExitDll() }
