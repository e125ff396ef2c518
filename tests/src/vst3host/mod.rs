//! A small VST3 host on Linux that calls the plugin correctly, or deliberately incorrectly.
//!
//! | module | what lives there |
//! |---|---|
//! | `effect` | an instance: its description, parameters and state |
//! | `play` | a call of `process`, with any buffers |
//! | `objects` | the host's objects: application, handler, streams, parameter changes |
//! | `view` | editors, in hosts with or without a run loop |
//!
//! All calls are `unsafe` underneath; the plugin under test provides the pointers, which are reference-counted.

mod effect;
mod objects;
mod play;
mod view;

pub use effect::{Effect, ParamInfo};
pub use objects::{Edit, Edits};
pub use play::{Buffers, Bus, Call, STALE};
pub use view::{FrameSupport, View};

use ::vst3::Steinberg::{
    FUnknown, IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactoryTrait, PClassInfo2, PFactoryInfo,
    TUID, kResultOk,
};
use ::vst3::{ComPtr, Interface};
use serde_json::{Value, json};
use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;

/// Category of effects in VST3.
const EFFECT: &str = "Audio Module Class";

/// The library, loaded as VST3. It stays loaded: hosts do not unload modules that they may need again.
pub struct Module {
    factory: ComPtr<IPluginFactory>,
}

impl Module {
    /// Loads the library under test.
    ///
    /// # Panics
    /// If the library does not exist or is not a VST3 module.
    pub fn load() -> Module {
        Module::load_from(&crate::programs::plugin())
    }

    /// Loads a library.
    ///
    /// # Panics
    /// If the library does not exist or is not a VST3 module.
    pub fn load_from(path: &Path) -> Module {
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path without zeros");
        // SAFETY: it is the library under test; the functions have the types that VST3 defines.
        unsafe {
            let library = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
            let function = |name: &CStr| {
                let found = if library.is_null() { null_mut() } else { libc::dlsym(library, name.as_ptr()) };
                assert!(!found.is_null(), "{}: no {name:?}", path.display());
                found
            };
            let enter: unsafe extern "system" fn(*mut c_void) -> bool = std::mem::transmute(function(c"ModuleEntry"));
            assert!(enter(library), "ModuleEntry fails");
            let get: unsafe extern "system" fn() -> *mut IPluginFactory =
                std::mem::transmute(function(c"GetPluginFactory"));
            Module { factory: ComPtr::from_raw(get()).expect("a factory") }
        }
    }

    /// Names of its effects.
    pub fn effects(&self) -> Vec<String> {
        self.classes().iter().map(|info| text(&info.name)).collect()
    }

    /// Description of an effect and of the factory.
    pub fn description(&self, name: &str) -> Value {
        let info = self.class(name);
        // SAFETY: see the module; a zeroed structure is valid.
        let factory = unsafe {
            let mut about: PFactoryInfo = std::mem::zeroed();
            assert_eq!(self.factory.getFactoryInfo(&mut about), kResultOk);
            about
        };
        let id: String = info.cid.iter().map(|byte| format!("{:02X}", *byte as u8)).collect();
        json!({
            "id": id,
            "name": text(&info.name),
            "cardinality": info.cardinality,
            "flags": info.classFlags,
            "subcategories": text(&info.subCategories),
            "vendor": text(&info.vendor),
            "factory_vendor": text(&factory.vendor),
            "factory_flags": factory.flags,
        })
    }

    /// Creates an instance of the named effect in a host with a complete context.
    ///
    /// # Panics
    /// If there is no such effect.
    pub fn effect(&self, name: &str) -> Effect {
        self.effect_in(name, Some("RTJam tests"))
    }

    /// Like [`Module::effect`], in a host with the given name, or in one without a context.
    ///
    /// # Panics
    /// If there is no such effect.
    pub fn effect_in(&self, name: &str, host: Option<&str>) -> Effect {
        Effect::new(self.create(&self.class(name).cid).expect("an instance"), host)
    }

    /// Whether the factory creates something for an unknown class id.
    pub fn makes_unknown(&self) -> bool {
        self.create(&[0x55; 16]).is_some()
    }

    fn create(&self, cid: &TUID) -> Option<ComPtr<FUnknown>> {
        // SAFETY: see the module.
        unsafe {
            let mut made = null_mut();
            self.factory.createInstance(cid.as_ptr(), FUnknown::IID.as_ptr().cast(), &mut made);
            ComPtr::from_raw(made.cast::<FUnknown>())
        }
    }

    fn class(&self, name: &str) -> PClassInfo2 {
        self.classes().into_iter().find(|info| text(&info.name) == name).expect("an effect of that name")
    }

    fn classes(&self) -> Vec<PClassInfo2> {
        let factory = self.factory.cast::<IPluginFactory2>().expect("a factory of the second kind");
        // SAFETY: see the module; a zeroed structure is valid.
        unsafe {
            let classes = (0..factory.countClasses()).filter_map(|index| {
                let mut info: PClassInfo2 = std::mem::zeroed();
                let found = factory.getClassInfo2(index, &mut info) == kResultOk;
                (found && text(&info.category) == EFFECT).then_some(info)
            });
            classes.collect()
        }
    }
}

/// An ASCII text up to its terminating zero.
fn text(units: &[c_char]) -> String {
    units.iter().take_while(|unit| **unit != 0).map(|unit| *unit as u8 as char).collect()
}

/// A UTF-16 text up to its terminating zero.
fn wide_text(units: &[u16]) -> String {
    let units: Vec<u16> = units.iter().copied().take_while(|unit| *unit != 0).collect();
    String::from_utf16(&units).expect("UTF-16")
}
