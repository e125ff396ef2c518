//! macOS.

pub(crate) use crate::unix::*;

use crate::priority::RealTimeRole;
use mach2::mach_init::mach_thread_self;
use mach2::mach_time::{mach_timebase_info, mach_timebase_info_data_t};
use mach2::thread_policy::{
    THREAD_PRECEDENCE_POLICY, THREAD_PRECEDENCE_POLICY_COUNT, THREAD_TIME_CONSTRAINT_POLICY,
    THREAD_TIME_CONSTRAINT_POLICY_COUNT, thread_policy_set, thread_precedence_policy, thread_time_constraint_policy,
};
use std::io;
use std::net::UdpSocket;

/// The time in which a real-time thread may have to finish its work, and the part of it that the work takes, in ns.
const CONSTRAINT: u64 = 2_000_000;
const COMPUTATION: u64 = 500_000;

/// The importance of threads with a lower priority, relative to others of the process.
const LOW_IMPORTANCE: i32 = -5;

/// Network and media threads get the time-constraint policy. It names no period, since packets do not arrive in regular ones.
/// Audio threads have that policy already, with the period of their device.
pub(crate) fn raise_priority(role: RealTimeRole) -> io::Result<()> {
    if role == RealTimeRole::Audio {
        return Ok(());
    }
    let mut base = mach_timebase_info_data_t { numer: 0, denom: 0 };
    // SAFETY: `base` is valid for writes.
    if unsafe { mach_timebase_info(&raw mut base) } != 0 || base.numer == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let ticks = |ns: u64| u32::try_from(ns * u64::from(base.denom) / u64::from(base.numer)).unwrap_or(u32::MAX);
    let mut policy = thread_time_constraint_policy {
        period: 0,
        computation: ticks(COMPUTATION),
        constraint: ticks(CONSTRAINT),
        preemptible: 1,
    };
    // SAFETY: the policy is of the kind and the length that the other arguments name, and lives through the call.
    let result = unsafe {
        let (kind, count) = (THREAD_TIME_CONSTRAINT_POLICY, THREAD_TIME_CONSTRAINT_POLICY_COUNT);
        thread_policy_set(mach_thread_self(), kind, (&raw mut policy).cast(), count)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::other(format!("thread_policy_set returns {result}"))) }
}

/// Threads with the time-constraint policy sleep precisely.
pub(crate) fn make_sleeps_precise() {}

pub(crate) fn lower_priority() {
    let mut policy = thread_precedence_policy { importance: LOW_IMPORTANCE };
    // SAFETY: the policy is of the kind and the length that the other arguments name, and lives through the call.
    unsafe {
        let (kind, count) = (THREAD_PRECEDENCE_POLICY, THREAD_PRECEDENCE_POLICY_COUNT);
        thread_policy_set(mach_thread_self(), kind, (&raw mut policy).cast(), count);
    }
}

pub(crate) fn allow_fragments(_: &UdpSocket, _: bool) -> io::Result<()> {
    Ok(())
}
