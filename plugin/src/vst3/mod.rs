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
//! | `view` | main | the editor in a host's window |
//! | `com` | any | panics, texts, streams, the form of parameters |
//!
//! Every call of the host catches panics. Nothing depends on the host's timers.

pub(crate) mod com;
mod component;
mod controller;
mod effect;
mod factory;
pub(crate) mod host_notifier;
mod processor;
mod units;
mod view;

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
