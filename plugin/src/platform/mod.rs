//! What differs between operating systems: the only place that asks for which one the plugin is built.
//!
//! | module | systems | contents |
//! |---|---|---|
//! | `linux`, `macos`, `windows` | each | the functions by which VST3 hosts load the library; a host's window |
//! | `linux/run_loop.rs`, `no_run_loop` | Linux; all others | waking the host's main thread |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(target_os = "linux"))]
mod no_run_loop;
#[cfg(not(target_os = "linux"))]
pub(crate) use no_run_loop::*;
