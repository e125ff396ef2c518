//! macOS.

/// Whether there is a display to open a window on.
#[cfg(feature = "window")]
pub(crate) fn has_display() -> bool {
    true
}

/// The audio library writes no messages.
pub(crate) fn silence_audio_library() {}
