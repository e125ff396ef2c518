//! The faces of RTJam: the standalone program, and what the plugin and the editor are made of.
//!
//! | module | what lives there |
//! |---|---|
//! | [`params`] | what a host may automate |
//! | [`board`] | what a face draws from and asks of |
//! | [`editor`] | what a musician sees: widgets, and windows in a host's or their own |
//! | [`standalone`] | the program `rtjam` |

pub mod board;
pub mod editor;
pub mod params;
pub mod standalone;
