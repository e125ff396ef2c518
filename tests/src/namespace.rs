//! Network namespaces, made with iproute2.

use crate::machine;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Two namespaces joined by a veth pair, with the addresses 10.78.0.1 and 10.78.0.2, fd78::1 and fd78::2, and, on the
/// interface `jam0`, fe80::78:1 and fe80::78:2.
pub struct Cable {
    /// Namespace of 10.78.0.1.
    pub left: String,
    /// Namespace of 10.78.0.2.
    pub right: String,
}

impl Cable {
    /// Creates the namespaces; returns `None`, and says so on stderr, without root or iproute2.
    ///
    /// # Panics
    /// If they cannot be created although root and iproute2 are there, or if skipping is forbidden.
    pub fn create() -> Option<Cable> {
        if !machine::is_root() || !machine::has_program("ip") {
            machine::skipped("network namespaces need root and iproute2");
            return None;
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = format!("{}{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let cable = Cable { left: format!("rtl{n}"), right: format!("rtr{n}") };
        for name in [&cable.left, &cable.right] {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        ip(&["-n", &cable.left, "link", "add", "jam0", "type", "veth", "peer", "name", "jam0", "netns", &cable.right]);
        for (name, last) in [(&cable.left, "1"), (&cable.right, "2")] {
            ip(&["-n", name, "addr", "add", &format!("10.78.0.{last}/24"), "dev", "jam0"]);
            for address in [format!("fd78::{last}/64"), format!("fe80::78:{last}/64")] {
                ip(&["-n", name, "addr", "add", &address, "dev", "jam0", "nodad"]);
            }
            ip(&["-n", name, "link", "set", "jam0", "up"]);
        }
        Some(cable)
    }

    /// Sets the right end of the link down or up.
    pub fn set_link_up(&self, up: bool) {
        ip(&["-n", &self.right, "link", "set", "jam0", if up { "up" } else { "down" }]);
    }

    /// Sets the MTU of both ends.
    pub fn set_mtu(&self, bytes: u32) {
        for name in [&self.left, &self.right] {
            ip(&["-n", name, "link", "set", "jam0", "mtu", &bytes.to_string()]);
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.left, &self.right] {
            // If it cannot be removed now, it goes away with the system.
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// A network namespace with loopback up, removed on drop.
pub struct Namespace {
    /// Name for `ip netns exec`.
    pub name: String,
}

impl Namespace {
    /// Creates a namespace. `label` identifies it in `ip netns list`.
    ///
    /// # Panics
    /// Without root or iproute2.
    pub fn add(label: &str) -> Namespace {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rt{label}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        Namespace { name }
    }

    /// Joins this namespace and `other` by a veth pair. Each end has an interface named `device` and an address with its
    /// prefix length.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn join(&self, other: &Namespace, device: [&str; 2], address: [&str; 2]) {
        let pair = ["type", "veth", "peer", "name", device[1], "netns", &other.name];
        ip(&[&["-n", &self.name, "link", "add", device[0]][..], &pair].concat());
        for (place, end) in [(self, 0), (other, 1)] {
            ip(&["-n", &place.name, "addr", "add", address[end], "dev", device[end]]);
            ip(&["-n", &place.name, "link", "set", device[end], "up"]);
        }
    }

    /// Adds an address to the interface `device`.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn add_address(&self, address: &str, device: &str) {
        ip(&["-n", &self.name, "addr", "add", address, "dev", device]);
    }

    /// Moves the calling thread into this namespace for the rest of its life. Threads and sockets that it creates from then
    /// on belong to the namespace, too.
    ///
    /// # Errors
    /// Without root.
    pub fn enter(&self) -> io::Result<()> {
        let file = File::open(format!("/var/run/netns/{}", self.name))?;
        // SAFETY: the descriptor is open during the call, which changes the calling thread alone.
        let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // If it cannot be removed now, it goes away with the system.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip can be started");
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}
