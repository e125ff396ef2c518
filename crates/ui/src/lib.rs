//! What RTJam's user interfaces, the plugin and the standalone program, share.
//!
//! | module | what lives there |
//! |---|---|
//! | [`params`] | the parameters that a host may automate |
//! | [`settings`] | everything else that a musician sets: one schema, and the rooms they have joined |
//! | [`board`] | the interface between the editor and what it edits (feature `editor`) |
//! | [`editor`] | what a musician sees: widgets, and windows in a host's or their own (feature `editor`) |

#[cfg(feature = "editor")]
pub mod board;
#[cfg(feature = "editor")]
pub mod editor;
pub mod params;
pub mod settings;
