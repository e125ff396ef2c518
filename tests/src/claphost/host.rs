//! What the plugin may ask of the host.

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

/// What the plugin told its host: how often, or what.
#[derive(Default)]
pub struct Told {
    /// That there are edits to fetch.
    pub flush: AtomicU32,
    /// That values have changed.
    pub rescan: AtomicU32,
    /// That the project is to be stored.
    pub dirty: AtomicU32,
    /// That it wants a call on the main thread.
    pub callback: AtomicU32,
    /// How large it wants the host's window to be, and has not been given yet.
    pub resize: Mutex<Option<(u32, u32)>>,
    /// What it has put into the host's log.
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
    pub(super) told: Arc<Told>,
    /// Whether it has a log.
    pub(super) logs: bool,
}

impl SharedHandler<'_> for Shared {
    fn request_restart(&self) {}
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.told.callback.fetch_add(1, Relaxed);
    }
}

impl HostLogImpl for Shared {
    fn log(&self, _severity: LogSeverity, message: &str) {
        self.told.log.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
    }
}

impl HostParamsImplShared for Shared {
    fn request_flush(&self) {
        self.told.flush.fetch_add(1, Relaxed);
    }
}

pub(super) struct MainThread<'a>(pub(super) &'a Shared);

impl<'a> MainThreadHandler<'a> for MainThread<'a> {}

impl HostParamsImplMainThread for MainThread<'_> {
    fn rescan(&self, _flags: ParamRescanFlags) {
        self.0.told.rescan.fetch_add(1, Relaxed);
    }
    fn clear(&self, _param_id: ClapId, _flags: ParamClearFlags) {}
}

impl HostStateImpl for MainThread<'_> {
    fn mark_dirty(&self) {
        self.0.told.dirty.fetch_add(1, Relaxed);
    }
}

impl HostGuiImpl for Shared {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, size: GuiSize) -> Result<(), HostError> {
        *self.told.resize.lock().unwrap_or_else(PoisonError::into_inner) = Some((size.width, size.height));
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
