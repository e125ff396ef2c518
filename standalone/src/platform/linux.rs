//! Linux.

/// Whether there is a display to open a window on.
#[cfg(feature = "window")]
pub(crate) fn has_display() -> bool {
    std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty())
}

/// Collects alsa-lib's messages on this thread until the next call; nothing reads them.
pub(crate) fn silence_audio_library() {
    let _ = alsa::Output::local_error_handler();
}
