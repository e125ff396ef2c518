//! Windows: in a host's window, and the program's own.
//!
//! | thread | what it does |
//! |---|---|
//! | the window's (X11: baseview's own; elsewhere the main thread) | `frame`: draws, takes mouse and keys |
//! | `editor-watch`, one per window | `watch`: takes scenes, requests a frame when one has changed, returns keys to the host |
//!
//! The audio thread never comes here. An [`EditorHandle`] belongs to the host's main thread.

mod embedded;
mod frame;
mod handle;
mod watch;

pub use embedded::{BadScale, Embedded, Size};
pub use handle::{Closer, EditorHandle, open_embedded, open_window, screen_scale};
pub use watch::WindowShared;
