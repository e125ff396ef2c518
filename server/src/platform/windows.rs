//! Windows.

use rtjam_protocol::Micros;
use socket2::Socket;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::AsRawSocket as _;
use std::path::Path;
use std::ptr::null_mut;
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Networking::WinSock::{SO_EXCLUSIVEADDRUSE, SOCKET_ERROR, SOL_SOCKET, setsockopt};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetCurrentThread, GetThreadTimes};

/// Completes when Ctrl-C or Ctrl-Break, a closed window, or the end of the user's session asks the server to end.
///
/// # Errors
/// When the system refuses a handler.
pub fn shutdown_requested() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (mut logoff, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = close.recv() => {}
            _ = logoff.recv() => {}
            _ = shutdown.recv() => {}
        }
    })
}

/// The real-time priority of media threads, in the operator's words.
pub fn real_time_priority() -> String {
    "MMCSS (Pro Audio)".to_owned()
}

/// The requests to read the settings again. Windows has no signal for them.
pub struct ReloadRequests(());

impl ReloadRequests {
    /// Never fails.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> io::Result<ReloadRequests> {
        Ok(ReloadRequests(()))
    }

    /// `None`: there are no requests.
    #[allow(clippy::unused_async, reason = "on other systems it waits")]
    pub async fn next(&mut self) -> Option<()> {
        None
    }
}

/// Processor time that the calling thread has used. Windows counts in steps of up to 15.6 ms.
pub fn thread_cpu_time() -> Option<Micros> {
    let [mut created, mut ended, mut kernel, mut user] = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    // SAFETY: the handle names the calling thread, and all four times are valid for writes.
    let told =
        unsafe { GetThreadTimes(GetCurrentThread(), &raw mut created, &raw mut ended, &raw mut kernel, &raw mut user) };
    // In steps of 100 ns.
    let micros = |time: FILETIME| (u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)) / 10;
    (told != 0).then(|| Micros(micros(kernel) + micros(user)))
}

/// Does nothing: the number of open sockets has no limit.
pub fn raise_open_file_limit() {}

/// `None`: the number of open sockets has no limit.
pub fn open_file_limit() -> Option<u64> {
    None
}

/// This process's resident memory in KiB, if the system tells.
pub fn resident_kib() -> Option<u64> {
    // SAFETY: a struct of integers, for which zero is a valid value.
    let mut memory: PROCESS_MEMORY_COUNTERS = unsafe { std::mem::zeroed() };
    let len = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    // SAFETY: the handle names this process, and `memory` has the stated length.
    let told = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut memory, len) };
    (told != 0).then_some(memory.WorkingSetSize as u64 / 1024)
}

/// Bytes that this user may still write to the disk of a folder; `None` if the folder does not exist.
pub fn free_disk_space(folder: &Path) -> Option<u64> {
    let path: Vec<u16> = folder.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0;
    // SAFETY: the path ends with zero, and `free` is valid for writes; the other results are not wanted.
    let told = unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &raw mut free, null_mut(), null_mut()) };
    (told != 0).then_some(free)
}

/// `None`: Windows identifies interfaces by number, which `SocketAddr` parses itself.
pub fn interface_index(_: &str) -> Option<u32> {
    None
}

/// Lets no other socket bind the same port, not even one that asks to share it.
///
/// # Errors
/// When the system refuses.
pub fn claim_port(socket: &Socket) -> io::Result<()> {
    let on = 1_i32;
    // SAFETY: the call reads the four bytes of `on`, which lives through it.
    let result = unsafe {
        setsockopt(socket.as_raw_socket() as usize, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (&raw const on).cast(), 4)
    };
    if result == SOCKET_ERROR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The same. Windows lets a restarted server listen anyway.
///
/// # Errors
/// When the system refuses.
pub fn claim_listening_port(socket: &Socket) -> io::Result<()> {
    claim_port(socket)
}
