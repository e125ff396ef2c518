//! Linux and macOS.

use rtjam_protocol::Micros;
use socket2::Socket;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The most open files that the server asks for: enough when it is full, and accepted by systems that refuse "infinity".
const MOST_OPEN_FILES: libc::rlim_t = 65_536;

/// Completes when SIGTERM or SIGINT asks the server to end.
///
/// # Errors
/// When the system refuses a handler.
pub fn shutdown_requested() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The requests to read the settings again: SIGHUP.
pub struct ReloadRequests(Signal);

impl ReloadRequests {
    /// Installs the handler.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn new() -> io::Result<ReloadRequests> {
        signal(SignalKind::hangup()).map(ReloadRequests)
    }

    /// Waits for the next request. `None` if there are no more.
    pub async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// Processor time that the calling thread has used.
pub fn thread_cpu_time() -> Option<Micros> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (result == 0).then(|| Micros(time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000))
}

/// Raises the soft limit of open files to the hard limit, since most systems start programs with a low one.
pub fn raise_open_file_limit() {
    if let Some(mut limit) = open_files()
        && limit.rlim_cur < limit.rlim_max
    {
        limit.rlim_cur = limit.rlim_max.min(MOST_OPEN_FILES);
        // SAFETY: the call reads `limit`. It fails where the system has a lower limit, which then remains.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// The limit after [`raise_open_file_limit`]; `None` if the system does not tell or has none.
pub fn open_file_limit() -> Option<u64> {
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    open_files().map(|limit| u64::from(limit.rlim_max.min(MOST_OPEN_FILES)))
}

fn open_files() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes to `limit`, which is valid for writes.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (result == 0).then_some(limit)
}

/// Bytes that this user may still write to the disk of a folder; `None` if the folder does not exist.
pub fn free_disk_space(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is a struct of integers, for which zero is a valid value.
    let mut space: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero, and the call writes to `space`, which is valid for writes.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut space) };
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    (result == 0).then(|| (space.f_bavail as u64).saturating_mul(space.f_frsize as u64))
}

/// The number of the network interface with this name.
pub fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the call reads the name up to its terminating zero, and `name` outlives it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Lets no other socket bind the same port: what a socket does by default.
pub fn claim_port(_: &Socket) -> io::Result<()> {
    Ok(())
}

/// Lets a restarted server listen although connections of the last one linger. Two that listen on one port are still
/// refused.
///
/// # Errors
/// When the system refuses.
pub fn claim_listening_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}
