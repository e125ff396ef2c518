//! The host's side of the extensions that the plugin uses.

use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl};
use clack_extensions::log::{HostLog, HostLogImpl, LogSeverity};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamRescanFlags,
};
use clack_extensions::state::{HostState, HostStateImpl};
use clack_host::host::{HostError, HostExtensions, HostHandlers, MainThreadHandler, SharedHandler};
use clack_host::utils::ClapId;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Calls that the plugin made to its host.
#[derive(Default)]
pub struct HostCalls {
    /// Number of requests to fetch parameter changes.
    pub flush: AtomicU32,
    /// Number of rescans of parameter values.
    pub rescan: AtomicU32,
    /// Number of times that the project was marked as changed.
    pub dirty: AtomicU32,
    /// Number of requests for a call on the main thread.
    pub callback: AtomicU32,
    /// A window size that the plugin requested and the host has not set yet.
    pub resize: Mutex<Option<(u32, u32)>>,
    /// Messages in the host's log.
    pub log: Mutex<Vec<String>>,
}

pub(super) struct TestHost;

impl HostHandlers for TestHost {
    type Shared<'a> = Shared;
    type MainThread<'a> = MainThread<'a>;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, shared: &Shared) {
        builder.register::<HostGui>().register::<HostParams>().register::<HostState>();
        if shared.logs {
            builder.register::<HostLog>();
        }
    }
}

pub(super) struct Shared {
    pub(super) host_calls: Arc<HostCalls>,
    /// Whether the host offers a log.
    pub(super) logs: bool,
}

impl SharedHandler<'_> for Shared {
    fn request_restart(&self) {}
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.host_calls.callback.fetch_add(1, Relaxed);
    }
}

impl HostLogImpl for Shared {
    fn log(&self, _severity: LogSeverity, message: &str) {
        self.host_calls.log.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
    }
}

impl HostParamsImplShared for Shared {
    fn request_flush(&self) {
        self.host_calls.flush.fetch_add(1, Relaxed);
    }
}

pub(super) struct MainThread<'a>(pub(super) &'a Shared);

impl<'a> MainThreadHandler<'a> for MainThread<'a> {}

impl HostParamsImplMainThread for MainThread<'_> {
    fn rescan(&self, _flags: ParamRescanFlags) {
        self.0.host_calls.rescan.fetch_add(1, Relaxed);
    }
    fn clear(&self, _param_id: ClapId, _flags: ParamClearFlags) {}
}

impl HostStateImpl for MainThread<'_> {
    fn mark_dirty(&self) {
        self.0.host_calls.dirty.fetch_add(1, Relaxed);
    }
}

impl HostGuiImpl for Shared {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, size: GuiSize) -> Result<(), HostError> {
        *self.host_calls.resize.lock().unwrap_or_else(PoisonError::into_inner) = Some((size.width, size.height));
        Ok(())
    }
    fn request_show(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn request_hide(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn closed(&self, _was_destroyed: bool) {}
}
