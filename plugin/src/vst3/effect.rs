//! An instance as hosts hold it: component, processor and controller in one object. The calls of each interface are in
//! the modules beside this one.

use super::com::{guarded, read_wide};
use super::host_quirks::replays_after_load;
use super::link::Link;
use crate::instance::{Host, Instance};
use rtjam_ui::editor::window::Embedded;
use rtjam_ui::editor_model::{EditorModel, Kind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use vst3::Steinberg::Vst::{
    IAudioProcessor, IComponent, IEditController, IHostApplication, IHostApplicationTrait, IProcessContextRequirements,
    IUnitInfo,
};
use vst3::Steinberg::{FUnknown, IPluginBaseTrait, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComRef};

/// One instance. Hosts may destroy it on any thread; its calls but `process` come on their main thread.
pub(super) struct Effect {
    pub(super) instance: Arc<Instance>,
    pub(super) link: Arc<Link>,
    pub(super) setup: Setup,
    pub(super) active: AtomicBool,
    /// See [`replays_after_load`].
    pub(super) replays: AtomicBool,
    /// With `replays`: a state was loaded since the last block.
    pub(super) loaded: AtomicBool,
    initialized: AtomicBool,
    /// The editors that the host holds.
    views: Mutex<Vec<Weak<Embedded>>>,
}

/// What the host says before it activates.
pub(super) struct Setup {
    /// Sample rate in Hz, as bits of an `f64`.
    rate: AtomicU64,
    /// Longest block in frames.
    block: AtomicI32,
    offline: AtomicBool,
}

impl Setup {
    /// What holds for a host that activates without a word.
    fn usual() -> Setup {
        Setup {
            rate: AtomicU64::new(48_000.0_f64.to_bits()),
            block: AtomicI32::new(1024),
            offline: AtomicBool::new(false),
        }
    }

    pub(super) fn take(&self, rate: f64, block: i32, offline: bool) {
        self.rate.store(rate.to_bits(), Relaxed);
        self.block.store(block.max(1), Relaxed);
        self.offline.store(offline, Relaxed);
    }

    pub(super) fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Relaxed))
    }

    pub(super) fn block(&self) -> usize {
        usize::try_from(self.block.load(Relaxed)).unwrap_or(1)
    }

    /// Any thread.
    pub(super) fn is_offline(&self) -> bool {
        self.offline.load(Relaxed)
    }
}

impl Class for Effect {
    type Interfaces = (IComponent, IAudioProcessor, IEditController, IProcessContextRequirements, IUnitInfo);
}

impl Effect {
    /// Opens no thread, socket or file.
    pub(super) fn new(kind: Kind) -> Effect {
        let instance = Arc::new(Instance::new(kind, None));
        let link = Arc::new(Link::new(&instance));
        Effect {
            instance,
            link,
            setup: Setup::usual(),
            active: AtomicBool::new(false),
            replays: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
            initialized: AtomicBool::new(false),
            views: Mutex::default(),
        }
    }

    /// Main thread: an editor that is to be closed with the instance.
    pub(super) fn note_view(&self, view: &Arc<Embedded>) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        views.retain(|view| view.strong_count() > 0);
        views.push(Arc::downgrade(view));
    }

    fn close_views(&self) {
        let views = std::mem::take(&mut *self.views.lock().unwrap_or_else(PoisonError::into_inner));
        views.iter().filter_map(Weak::upgrade).for_each(|view| view.close());
    }
}

impl IPluginBaseTrait for Effect {
    unsafe fn initialize(&self, context: *mut FUnknown) -> tresult {
        guarded(|| {
            if self.initialized.swap(true, Relaxed) {
                return kResultFalse;
            }
            // SAFETY: null, or an object of the host's.
            let name = unsafe { host_name(context) }.unwrap_or_default();
            self.replays.store(replays_after_load(&name), Relaxed);
            self.link.begin();
            self.instance.set_host(Some(Arc::clone(&self.link) as Arc<dyn Host>));
            kResultOk
        })
    }

    /// Some hosts still hold editors, or have not deactivated.
    unsafe fn terminate(&self) -> tresult {
        guarded(|| {
            self.close_views();
            self.link.cut();
            self.instance.set_host(None);
            if self.active.swap(false, Relaxed) {
                self.instance.deactivate();
            }
            self.instance.leave();
            self.initialized.store(false, Relaxed);
            kResultOk
        })
    }
}

/// # Safety
/// `context` is null or an object of the host's.
unsafe fn host_name(context: *mut FUnknown) -> Option<String> {
    // SAFETY: see above.
    let application = unsafe { ComRef::from_raw(context) }?.cast::<IHostApplication>()?;
    let mut name = [0; 128];
    // SAFETY: the host's object, and memory for a name of 128 units.
    let told = unsafe { application.getName(&mut name) } == kResultOk;
    name[127] = 0;
    // SAFETY: it ends with a zero.
    told.then(|| unsafe { read_wide(name.as_ptr()) }).flatten()
}
