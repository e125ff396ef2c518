//! RTJam as a plugin.
//!
//! | module | what lives there |
//! |---|---|
//! | [`instance`] | a plugin instance without its format |
//! | [`clap`](mod@clap), [`vst3`](mod@vst3) | the plugin's formats |
//!
//! Its parameters and its editor are those of [`rtjam_ui`].

pub mod clap;
pub mod instance;
pub mod vst3;
