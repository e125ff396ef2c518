//! What differs between operating systems: the only place that asks for which one the program is built.
//!
//! | module | systems | contents |
//! |---|---|---|
//! | `unix`, `windows` | Linux and macOS; Windows | signals, the terminal |
//! | `linux` | Linux | the display, alsa-lib's messages |
//! | `macos`, `windows` | each | there is always a display, and no alsa-lib |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What signals ask for. The handlers only set these flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalFlags {
    /// End the program: SIGINT and SIGTERM; on Windows Ctrl-C, Ctrl-Break, a closed console, the end of the user's session.
    pub(crate) end: Arc<AtomicBool>,
    /// Read the settings again: SIGHUP.
    pub(crate) reload: Arc<AtomicBool>,
    /// Send again after the loop guard has stopped it: SIGUSR1.
    pub(crate) resume: Arc<AtomicBool>,
}
