//! Linux and macOS.

use std::env;

/// The computer's name, without its domain.
pub(crate) fn host_name() -> Option<String> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is writable over the given length.
    let failed = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) } != 0;
    let end = buffer.iter().position(|b| *b == 0)?;
    let name = str::from_utf8(&buffer[..end]).ok()?.split('.').next()?.to_owned();
    (!failed && !name.is_empty()).then_some(name)
}

/// The locale of the user's messages, such as `de_DE.UTF-8`.
pub(crate) fn system_locale() -> Option<String> {
    ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| env::var(name).ok()).find(|value| !value.is_empty())
}
