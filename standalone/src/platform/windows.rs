//! Windows.

use super::SignalFlags;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, CTRL_BREAK_EVENT, CTRL_C_EVENT, ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode,
    GetConsoleScreenBufferInfo, GetStdHandle, STD_OUTPUT_HANDLE, SetConsoleCtrlHandler, SetConsoleMode,
};
use windows_sys::core::BOOL;

/// The flag that the handler sets.
static END: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Installs the handler.
///
/// # Errors
/// The system refuses it.
pub(crate) fn handle_signals(flags: &SignalFlags) -> io::Result<()> {
    let _ = END.set(Arc::clone(&flags.end));
    // SAFETY: `end_program` is safe to call on any thread, at any time.
    if unsafe { SetConsoleCtrlHandler(Some(end_program), 1) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Runs on a thread that the system starts. When the console closes or the session ends, the system ends the process as soon
/// as this returns, or after some seconds; the program ends earlier by itself.
unsafe extern "system" fn end_program(event: u32) -> BOOL {
    if let Some(end) = END.get() {
        end.store(true, Ordering::Relaxed);
    }
    while !matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        thread::sleep(Duration::from_secs(1));
    }
    1
}

/// `false`: a closed console ends the program anyway.
pub(crate) fn has_terminal() -> bool {
    false
}

/// `false`: there is no SIGHUP.
pub(crate) fn hang_up_ignored() -> bool {
    false
}

/// Programs in the background may read the console.
pub(crate) fn ignore_background_stop() {}

/// Columns of the console on standard output; `None` if it is none.
pub(crate) fn terminal_width() -> Option<usize> {
    // SAFETY: a struct of integers, for which zero is a valid value.
    let mut info: CONSOLE_SCREEN_BUFFER_INFO = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is valid for writes; the call fails if standard output is no console.
    let known = unsafe { GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &raw mut info) } != 0;
    let width = i32::from(info.srWindow.Right) - i32::from(info.srWindow.Left) + 1;
    usize::try_from(width).ok().filter(|width| known && *width > 1)
}

/// Whether the console on standard output understands escape sequences. Consoles before Windows Terminal do so on request,
/// those before Windows 10 not at all.
pub(crate) fn enable_escape_sequences() -> bool {
    let mut mode = 0;
    // SAFETY: `mode` is valid for writes; the calls fail if standard output is no console.
    unsafe {
        let output = GetStdHandle(STD_OUTPUT_HANDLE);
        GetConsoleMode(output, &raw mut mode) != 0
            && SetConsoleMode(output, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0
    }
}

/// Whether there is a display to open a window on.
#[cfg(feature = "window")]
pub(crate) fn has_display() -> bool {
    true
}

/// The audio library writes no messages.
pub(crate) fn silence_audio_library() {}
