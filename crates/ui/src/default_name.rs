//! Who plays, when nobody said.

use std::env;

/// The login name, else the computer's, else "Musician". A system account is nobody's name.
pub fn default_name() -> String {
    let login = ["LOGNAME", "USER", "USERNAME"].iter().find_map(|key| env::var(key).ok());
    login.filter(|name| !name.trim().is_empty() && name != "root").or_else(host_name).unwrap_or_else(musician)
}

fn musician() -> String {
    "Musician".to_owned()
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is writable over the given length.
    let failed = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) } != 0;
    let end = buffer.iter().position(|b| *b == 0)?;
    let name = str::from_utf8(&buffer[..end]).ok()?.split('.').next()?.to_owned();
    (!failed && !name.is_empty()).then_some(name)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    env::var("COMPUTERNAME").ok()
}
