//! The library's classes. Scanning them creates no instance.

use super::com::{give, guarded, narrow, wide};
use super::effect::Effect;
use crate::instance::{CLASSES, VENDOR};
use std::ffi::{CStr, c_void};
use std::ptr::null_mut;
use vst3::Steinberg::PClassInfo_::ClassCardinality_::kManyInstances;
use vst3::Steinberg::PFactoryInfo_::FactoryFlags_::kUnicode;
use vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactory3, IPluginFactory3Trait,
    IPluginFactoryTrait, PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo, TUID, Vst, int32, kInvalidArgument,
    kResultOk, tresult,
};
use vst3::{Class, ComWrapper, uid};

/// The plugins' ids in projects, in the order of [`CLASSES`]. They never change.
///
/// Each is the name-based UUID (version 5, DNS namespace) of the plugin's CLAP id. Its bytes have the order of the VST3 SDK's
/// ids: on Windows, the first three fields are swapped as in COM. So its text in projects and presets is the same on all
/// systems.
pub const IDS: [TUID; 2] =
    [uid(0x092F_E85F, 0xA061_5831, 0xB507_D3F9, 0xDE9C_F41D), uid(0x3460_C762, 0xCE67_593C, 0xA1AA_6950, 0xFB1F_80EF)];

const CATEGORY: &str = "Audio Module Class";
const SUBCATEGORIES: &str = "Fx|Mixing|Tools";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The factory of [`super::GetPluginFactory`].
pub(super) struct Factory;

impl Class for Factory {
    type Interfaces = (IPluginFactory3, IPluginFactory2, IPluginFactory);
}

/// The version of the VST3 SDK.
fn sdk() -> &'static str {
    // SAFETY: a constant of the bindings, with a terminating zero.
    unsafe { CStr::from_ptr(Vst::SDKVersionString) }.to_str().unwrap_or_default()
}

fn class(index: int32) -> Option<(TUID, &'static str)> {
    let index = usize::try_from(index).ok()?;
    Some((*IDS.get(index)?, CLASSES.get(index)?.name))
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        let about =
            PFactoryInfo { vendor: narrow(VENDOR), url: narrow(""), email: narrow(""), flags: kUnicode as int32 };
        // SAFETY: the host's memory for the result.
        guarded(|| unsafe { give(info, about) })
    }

    unsafe fn countClasses(&self) -> int32 {
        IDS.len() as int32
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        guarded(|| {
            let Some((cid, name)) = class(index) else { return kInvalidArgument };
            let about = PClassInfo {
                cid,
                cardinality: kManyInstances as int32,
                category: narrow(CATEGORY),
                name: narrow(name),
            };
            // SAFETY: the host's memory for the result.
            unsafe { give(info, about) }
        })
    }

    unsafe fn createInstance(&self, cid: FIDString, iid: FIDString, obj: *mut *mut c_void) -> tresult {
        guarded(|| {
            if cid.is_null() || iid.is_null() || obj.is_null() {
                return kInvalidArgument;
            }
            // SAFETY: both ids have 16 bytes, and `obj` is the host's memory for a pointer.
            let wanted = unsafe {
                obj.write(null_mut());
                cid.cast::<TUID>().read_unaligned()
            };
            let Some(index) = IDS.iter().position(|id| *id == wanted) else { return kInvalidArgument };
            let effect = ComWrapper::new(Effect::new(CLASSES[index].kind));
            let Some(unknown) = effect.to_com_ptr::<FUnknown>() else { return kInvalidArgument };
            let this = unknown.as_ptr();
            // SAFETY: our own object, which gives the host a reference or none.
            unsafe { ((*(*this).vtbl).queryInterface)(this, iid.cast(), obj) }
        })
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        guarded(|| {
            let Some((cid, name)) = class(index) else { return kInvalidArgument };
            let about = PClassInfo2 {
                cid,
                cardinality: kManyInstances as int32,
                category: narrow(CATEGORY),
                name: narrow(name),
                classFlags: 0,
                subCategories: narrow(SUBCATEGORIES),
                vendor: narrow(VENDOR),
                version: narrow(VERSION),
                sdkVersion: narrow(sdk()),
            };
            // SAFETY: the host's memory for the result.
            unsafe { give(info, about) }
        })
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        guarded(|| {
            let Some((cid, name)) = class(index) else { return kInvalidArgument };
            let about = PClassInfoW {
                cid,
                cardinality: kManyInstances as int32,
                category: narrow(CATEGORY),
                name: wide(name),
                classFlags: 0,
                subCategories: narrow(SUBCATEGORIES),
                vendor: wide(VENDOR),
                version: wide(VERSION),
                sdkVersion: wide(sdk()),
            };
            // SAFETY: the host's memory for the result.
            unsafe { give(info, about) }
        })
    }

    /// Ignored: each instance gets the context again.
    unsafe fn setHostContext(&self, _context: *mut FUnknown) -> tresult {
        kResultOk
    }
}
