//! What RTJam's user interfaces, the plugin and the standalone program, share.
//!
//! | module | what lives there |
//! |---|---|
//! | [`params`] | what a host may automate |
//! | [`default_name`] | a musician's name until they choose one |
//! | [`board`] | the interface between the editor and what it edits (feature `editor`) |
//! | [`editor`] | what a musician sees: widgets, and windows in a host's or their own (feature `editor`) |

#[cfg(feature = "editor")]
pub mod board;
mod default_name;
#[cfg(feature = "editor")]
pub mod editor;
pub mod params;
pub mod settings;

pub use default_name::default_name;
