//! RTJam as a CLAP and VST3 plugin.
//!
//! | module | contents |
//! |---|---|
//! | [`instance`] | a plugin instance, independent of the format |
//! | [`clap`](mod@clap), [`vst3`](mod@vst3) | the plugin formats |
//! | `platform` | what differs between operating systems |
//!
//! Parameters, settings and editor come from [`rtjam_ui`].

pub mod clap;
pub mod instance;
mod platform;
pub mod vst3;
