//! What RTJam's user interfaces, the plugin and the standalone program, share.
//!
//! | module | what lives there |
//! |---|---|
//! | [`params`] | the parameters that a host may automate |
//! | [`settings`] | everything else that a musician sets: one schema, and the rooms they have joined |
//! | [`messages`] | the texts of the user interface in the user's language |
//! | [`audio`] | the audio system, as the program's audio page shows it |
//! | [`editor_model`] | the interface between the editor and what it edits (feature `editor`) |
//! | `platform` | what differs between operating systems |
//! | [`editor`] | the editor: widgets, and windows in a host's window or of their own (feature `editor`) |

pub mod audio;
#[cfg(feature = "editor")]
pub mod editor;
#[cfg(feature = "editor")]
pub mod editor_model;
pub mod messages;
pub mod params;
mod platform;
pub mod settings;
