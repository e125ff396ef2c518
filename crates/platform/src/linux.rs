//! Linux.

pub(crate) use crate::unix::*;

use crate::priority::RealTimeRole;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// The `nice` value of threads with a lower priority.
const NICENESS: libc::c_int = 5;

pub(crate) fn raise_priority(role: RealTimeRole) -> io::Result<()> {
    let wanted = libc::sched_param { sched_priority: role.linux_priority() };
    let policy = if role == RealTimeRole::Audio { libc::SCHED_FIFO } else { libc::SCHED_RR };
    // SAFETY: the call reads `wanted`, which lives through it; 0 names the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy | libc::SCHED_RESET_ON_FORK, &raw const wanted) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Without real-time priority, Linux extends sleeps by up to 50 µs.
pub(crate) fn make_sleeps_precise() {
    // SAFETY: this call takes numbers and has no memory effects.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

pub(crate) fn lower_priority() {
    // SAFETY: the call takes numbers and has no memory effects; 0 names the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Turns path MTU discovery off.
pub(crate) fn allow_fragments(socket: &UdpSocket, is_v6: bool) -> io::Result<()> {
    let (level, option, value) = if is_v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    };
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option is an int; `value` is one and outlives the call, and `len` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
