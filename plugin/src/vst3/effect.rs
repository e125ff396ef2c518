//! An instance as a VST3 object: component, processor and controller in one. The other modules implement its interfaces.
//! [`replays_after_load`] is a workaround for hosts that are known by name.

use super::com::{guarded, read_wide};
use super::host_notifier::Vst3HostNotifier;
use crate::instance::{HostNotifier, Instance, lock};
use rtjam_ui::editor::window::Embedded;
use rtjam_ui::editor_model::{EditorModel, Kind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use vst3::Steinberg::Vst::{
    IAudioProcessor, IComponent, IEditController, IHostApplication, IHostApplicationTrait, IProcessContextRequirements,
    IUnitInfo,
};
use vst3::Steinberg::{FUnknown, IPluginBaseTrait, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComRef};

/// A VST3 instance. Hosts may destroy it on any thread, and call all functions but `process` on their main thread.
pub(super) struct Effect {
    pub(super) instance: Arc<Instance>,
    pub(super) notifier: Arc<Vst3HostNotifier>,
    pub(super) setup: Setup,
    pub(super) active: AtomicBool,
    /// See [`replays_after_load`].
    pub(super) replays: AtomicBool,
    /// With `replays`: whether a state was loaded since the last block.
    pub(super) loaded: AtomicBool,
    initialized: AtomicBool,
    /// The editors of the host's views.
    views: Mutex<Vec<Weak<Embedded>>>,
}

/// The host's process setup.
pub(super) struct Setup {
    /// Sample rate in Hz, as bits of an `f64`.
    rate: AtomicU64,
    /// The longest block in frames.
    block: AtomicI32,
    offline: AtomicBool,
}

/// The setup of a host that activates without one.
impl Default for Setup {
    fn default() -> Setup {
        Setup {
            rate: AtomicU64::new(48_000.0_f64.to_bits()),
            block: AtomicI32::new(1024),
            offline: AtomicBool::new(false),
        }
    }
}

impl Setup {
    pub(super) fn set(&self, rate: f64, block: i32, offline: bool) {
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
        let notifier = Arc::new(Vst3HostNotifier::new(&instance));
        Effect {
            instance,
            notifier,
            setup: Setup::default(),
            active: AtomicBool::new(false),
            replays: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
            initialized: AtomicBool::new(false),
            views: Mutex::default(),
        }
    }

    /// Main thread. Adds an editor to close with the instance.
    pub(super) fn add_view(&self, view: &Arc<Embedded>) {
        let mut views = lock(&self.views);
        views.retain(|view| view.strong_count() > 0);
        views.push(Arc::downgrade(view));
    }

    fn close_views(&self) {
        let views = std::mem::take(&mut *lock(&self.views));
        views.iter().filter_map(Weak::upgrade).for_each(|view| view.close());
    }
}

impl IPluginBaseTrait for Effect {
    unsafe fn initialize(&self, context: *mut FUnknown) -> tresult {
        guarded(|| {
            if self.initialized.swap(true, Relaxed) {
                return kResultFalse;
            }
            // SAFETY: null, or an object of the host.
            let name = unsafe { host_name(context) }.unwrap_or_default();
            self.replays.store(replays_after_load(&name), Relaxed);
            self.notifier.begin();
            self.instance.set_host(Some(Arc::clone(&self.notifier) as Arc<dyn HostNotifier>));
            kResultOk
        })
    }

    /// Also for hosts that still hold editors or have not deactivated.
    unsafe fn terminate(&self) -> tresult {
        guarded(|| {
            self.close_views();
            self.notifier.disconnect();
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
/// `context` is null or an object of the host.
unsafe fn host_name(context: *mut FUnknown) -> Option<String> {
    // SAFETY: see above.
    let application = unsafe { ComRef::from_raw(context) }?.cast::<IHostApplication>()?;
    let mut name = [0; 128];
    // SAFETY: the host's object, and memory for a name of 128 units.
    let told = unsafe { application.getName(&mut name) } == kResultOk;
    name[127] = 0;
    // SAFETY: it is null-terminated.
    told.then(|| unsafe { read_wide(name.as_ptr()) }).flatten()
}

/// Ardour and Mixbus, which derives from it.
const ARDOUR_HOSTS: [&str; 2] = ["Ardour", "Mixbus"];

/// Whether the host, in the first block after a load, sets every parameter to its value before the load.
///
/// With such a host the project's values would be lost, and a muted rejoin would be audible. Ardour 7.3 also deadlocks when
/// a plugin reports new values during a load, because it holds the lock of its audio thread. So such a host gets the values
/// as output changes of the first block, and the input changes of that block are ignored.
fn replays_after_load(host: &str) -> bool {
    ARDOUR_HOSTS.iter().any(|name| host.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ardour_and_mixbus_replay() {
        assert!(replays_after_load("Ardour") && replays_after_load("Mixbus32C"));
        assert!(!replays_after_load("REAPER") && !replays_after_load(""));
    }
}
