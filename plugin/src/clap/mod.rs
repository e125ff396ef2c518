//! The plugin as CLAP, with clack. [`crate::instance::Instance`] does what is independent of the format.
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `entry` | any | the library's entry point, which protects clack from invalid calls |
//! | `host_proxy` | any | the host that clack sees |
//! | `library` | main | the factory and its two plugins |
//! | `shared` | any | what the threads of an instance share, and notifications to the host |
//! | `main_thread`, `gui` | main | ports, state, render mode, and the editor in a host's window |
//! | `parameters` | main, audio | parameters and their events |
//! | `processor` | audio | the buffers of a call |

// clack's extension traits share method names (`count`, `get`), so each is implemented and used in a file of its own.
mod entry;
mod gui;
mod host_proxy;
mod library;
mod main_thread;
mod parameters;
mod processor;
mod shared;

pub use entry::clap_entry;
pub use library::{IDS, Library};
