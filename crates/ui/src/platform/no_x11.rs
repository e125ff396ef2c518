//! Windows and macOS: windows live on the host's main thread, the system asks visible ones for frames, and keys go to the
//! window that has the focus.

use std::error::Error;
use std::time::Instant;

/// Whether a window takes its parent's size, even if the host does not report that.
pub(crate) const WINDOW_FOLLOWS_PARENT: bool = false;

/// Libraries may be unloaded.
pub(crate) fn keep_graphics_libraries() {}

/// `None`: windows have no threads of their own.
pub(crate) fn current_thread() -> Option<i32> {
    None
}

/// Windows have no threads of their own.
pub(crate) fn thread_exists(_: i32) -> bool {
    false
}

/// `None`: only an open window knows.
pub(crate) fn screen_scale() -> Option<f64> {
    None
}

/// Hosts expect no mark.
pub(crate) fn mark_embeddable(_: u32) {}

/// There is none: see the module.
pub(crate) enum SideConnection {}

impl SideConnection {
    pub(crate) fn new(_: u32, _: Option<u32>) -> Option<SideConnection> {
        None
    }

    pub(crate) fn is_visible(&self) -> Option<bool> {
        match *self {}
    }

    pub(crate) fn return_keys(&mut self, _: Instant, _: impl Fn(bool) -> bool) -> Result<(), Box<dyn Error>> {
        match *self {}
    }
}
