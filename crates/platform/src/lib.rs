//! What several crates of RTJam need of the operating system and the standard library does not offer. Each function works
//! on Linux, macOS and Windows; the modules of the systems are private.
//!
//! | module | contents |
//! |---|---|
//! | [`priority`] | real-time priority and precise sleeps |
//! | [`private`] | files and folders that only their owner can read |
//! | [`udp`] | options of UDP sockets for media |
//!
//! What only one crate needs is in the `platform` module of that crate.

pub mod priority;
pub mod private;
pub mod udp;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

#[cfg(unix)]
mod unix;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;
