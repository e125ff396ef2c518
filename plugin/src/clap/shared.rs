//! What the threads of an instance share: the instance, and the notifications to its host.

use crate::instance::{HostNotifier, Instance, lock};
use clack_extensions::params::HostParams;
use clack_plugin::host::HostSharedHandle;
use clack_plugin::plugin::PluginShared;
use rtjam_ui::editor_model::Kind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// An instance and its host.
pub(crate) struct Shared {
    pub(super) instance: Arc<Instance>,
    pub(super) notifier: Arc<ClapHostNotifier>,
}

impl PluginShared<'_> for Shared {}

impl Shared {
    pub(super) fn new(kind: Kind, host: HostSharedHandle<'_>) -> Shared {
        let instance = Arc::new(Instance::new(kind, None));
        let notifier = Arc::new(ClapHostNotifier::new(host));
        instance.set_host(Some(Arc::clone(&notifier) as Arc<dyn HostNotifier>));
        Shared { instance, notifier }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // An editor may hold the instance a little longer than the host exists.
        self.notifier.disconnect();
        self.instance.set_host(None);
    }
}

/// Notifies the host while it exists. Any thread but the audio thread.
pub(super) struct ClapHostNotifier {
    host: Mutex<Option<HostSharedHandle<'static>>>,
    params: Option<HostParams>,
    /// Whether the host is to be told, on the main thread, that the project has changed.
    dirty: AtomicBool,
}

impl ClapHostNotifier {
    pub(super) fn new(host: HostSharedHandle<'_>) -> ClapHostNotifier {
        let params = host.get_extension::<HostParams>();
        // SAFETY: only the lifetime changes. The handle is valid until the plugin is destroyed. That drops `Shared`, which
        // removes the handle by `disconnect`; every use is under the lock.
        let host = unsafe { std::mem::transmute::<HostSharedHandle<'_>, HostSharedHandle<'static>>(host) };
        ClapHostNotifier { host: Mutex::new(Some(host)), params, dirty: AtomicBool::new(false) }
    }

    /// Stops all notifications: the plugin is being destroyed.
    pub(super) fn disconnect(&self) {
        *lock(&self.host) = None;
    }

    /// Main thread. Whether the project has changed since the last call.
    pub(super) fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Relaxed)
    }

    fn with_host(&self, notify: impl FnOnce(&HostSharedHandle<'static>)) {
        if let Some(host) = &*lock(&self.host) {
            notify(host);
        }
    }
}

impl HostNotifier for ClapHostNotifier {
    fn edited(&self) {
        self.with_host(|host| match &self.params {
            Some(params) => params.request_flush(host),
            None => host.request_process(),
        });
    }

    fn changed(&self) {
        self.dirty.store(true, Relaxed);
        // A host that never calls back still asks for the state when it saves.
        self.with_host(HostSharedHandle::request_callback);
    }
}
