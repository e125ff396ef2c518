//! Windows.

mod access;

pub(crate) use access::{readers, restrict, restrict_new, share_with_all};

use crate::priority::RealTimeRole;
use socket2::{SockAddr, SockRef};
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::net::UdpSocket;
use std::os::windows::io::AsRawSocket as _;
use windows_sys::Win32::Media::{timeBeginPeriod, timeEndPeriod};
use windows_sys::Win32::Networking::WinSock::{
    IP_DONTFRAGMENT, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG, SIO_UDP_CONNRESET, SOCKET_ERROR, WSAIoctl, setsockopt,
};
use windows_sys::Win32::System::Threading::{
    AvSetMmThreadCharacteristicsW, GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_BELOW_NORMAL,
    THREAD_PRIORITY_TIME_CRITICAL,
};
use windows_sys::core::w;

/// Registers the thread with MMCSS, until it ends. Where that service does not run, the thread gets the highest ordinary
/// priority.
pub(crate) fn raise_priority(_: RealTimeRole) -> io::Result<()> {
    let mut task = 0;
    // SAFETY: the name ends with zero, and `task` is valid for writes.
    let registered = unsafe { AvSetMmThreadCharacteristicsW(w!("Pro Audio"), &raw mut task) };
    if !registered.is_null() || set_priority(THREAD_PRIORITY_TIME_CRITICAL) {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

pub(crate) fn lower_priority() {
    set_priority(THREAD_PRIORITY_BELOW_NORMAL);
}

fn set_priority(priority: i32) -> bool {
    // SAFETY: the handle names the calling thread; the call has no memory effects.
    unsafe { SetThreadPriority(GetCurrentThread(), priority) != 0 }
}

/// Timers of 1 ms, in place of 15.6, until the thread ends.
pub(crate) fn make_sleeps_precise() {
    struct TimerPeriod;

    impl Drop for TimerPeriod {
        fn drop(&mut self) {
            // SAFETY: the call takes a number and has no memory effects.
            unsafe { timeEndPeriod(1) };
        }
    }

    thread_local! {
        static PERIOD: TimerPeriod = {
            // SAFETY: the call takes a number and has no memory effects.
            unsafe { timeBeginPeriod(1) };
            TimerPeriod
        };
    }
    PERIOD.with(|_| ());
}

/// Files get their permissions by `restrict_new`.
pub(crate) fn private_mode(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

pub(crate) fn private_folder_mode(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

pub(crate) fn set_traffic_class_v6(_: &SockRef<'_>, _: u32) -> io::Result<()> {
    Ok(())
}

pub(crate) fn allow_fragments(socket: &UdpSocket, is_v6: bool) -> io::Result<()> {
    let (level, option) = if is_v6 { (IPPROTO_IPV6, IPV6_DONTFRAG) } else { (IPPROTO_IP, IP_DONTFRAGMENT) };
    let off = 0_u32;
    // SAFETY: the call reads the four bytes of `off`, which lives through it.
    let result = unsafe {
        setsockopt(socket.as_raw_socket() as usize, level, option, (&raw const off).cast(), size_of_val(&off) as i32)
    };
    if result == SOCKET_ERROR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn ignore_rejections(socket: &UdpSocket) -> io::Result<()> {
    let (off, mut returned) = (0_u32, 0);
    // SAFETY: the call reads the four bytes of `off` and writes `returned`; both live through it.
    let result = unsafe {
        let input = (&raw const off).cast();
        let none = std::ptr::null_mut();
        WSAIoctl(
            socket.as_raw_socket() as usize,
            SIO_UDP_CONNRESET,
            input,
            4,
            none,
            0,
            &raw mut returned,
            std::ptr::null_mut(),
            None,
        )
    };
    if result == SOCKET_ERROR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn send_without_waiting(socket: &SockRef<'_>, datagram: &[u8], to: &SockAddr) -> io::Result<usize> {
    socket.send_to(datagram, to)
}
