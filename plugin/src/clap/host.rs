//! What an instance tells its host, from any thread but the audio thread.

use crate::instance::Host;
use clack_extensions::params::HostParams;
use clack_plugin::host::HostSharedHandle;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The host, as long as it is there.
pub(super) struct HostLink {
    host: Mutex<Option<HostSharedHandle<'static>>>,
    params: Option<HostParams>,
    /// The project has to be stored again; told on the main thread.
    dirty: AtomicBool,
}

impl HostLink {
    pub(super) fn new(host: HostSharedHandle<'_>) -> HostLink {
        let params = host.get_extension::<HostParams>();
        // SAFETY: only the lifetime changes. The handle is good until the plugin is destroyed; `Shared`'s drop, which
        // is part of that, takes it out by `cut`, and everybody uses it under the lock.
        let host = unsafe { std::mem::transmute::<HostSharedHandle<'_>, HostSharedHandle<'static>>(host) };
        HostLink { host: Mutex::new(Some(host)), params, dirty: AtomicBool::new(false) }
    }

    /// The plugin is destroyed: the host is not to be called any more.
    pub(super) fn cut(&self) {
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Main thread: whether the project has to be stored again. Asks once.
    pub(super) fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Relaxed)
    }

    fn with_host(&self, tell: impl FnOnce(&HostSharedHandle<'static>)) {
        if let Some(host) = &*self.host.lock().unwrap_or_else(PoisonError::into_inner) {
            tell(host);
        }
    }
}

impl Host for HostLink {
    fn edited(&self) {
        self.with_host(|host| match &self.params {
            Some(params) => params.request_flush(host),
            None => host.request_process(),
        });
    }

    fn changed(&self) {
        self.dirty.store(true, Relaxed);
        // Where the main thread is never called (VST3 on Linux without an editor) the host asks when it saves anyway.
        self.with_host(HostSharedHandle::request_callback);
    }
}
