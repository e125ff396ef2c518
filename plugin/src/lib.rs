//! The faces of RTJam: the plugin, its editor and the standalone program.
//!
//! | module | what lives there |
//! |---|---|
//! | [`params`] | what a host may automate |
//! | [`board`] | what a face draws from and asks of |
//! | [`instance`] | a plugin instance without its format |
//! | [`clap`](mod@clap), [`vst3`](mod@vst3) | the plugin's formats |
//! | [`editor`] | what a musician sees: widgets, and windows in a host's or their own |
//! | [`standalone`] | the program `rtjam` |

pub mod board;
pub mod clap;
pub mod editor;
pub mod instance;
pub mod params;
pub mod standalone;
pub mod vst3;
mod who;
