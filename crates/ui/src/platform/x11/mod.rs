//! What the window library does not do on X11.

mod libraries;
mod side_connection;

pub(crate) use libraries::keep as keep_graphics_libraries;
pub(crate) use side_connection::{SideConnection, mark_embeddable, screen_scale};

/// Whether a window takes its parent's size, even if the host does not report that.
pub(crate) const WINDOW_FOLLOWS_PARENT: bool = true;

/// The system's id of the calling thread, where windows have threads of their own.
pub(crate) fn current_thread() -> Option<i32> {
    // SAFETY: takes no arguments and cannot fail.
    Some(unsafe { libc::gettid() })
}

/// Whether this process still has the thread.
pub(crate) fn thread_exists(id: i32) -> bool {
    // SAFETY: signal 0 only checks that the thread exists.
    id != 0 && unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), id, 0) } == 0
}
