//! Network namespaces by iproute2.

use crate::skip;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Two namespaces joined by a virtual cable: addresses 10.78.0.1 and 10.78.0.2, and fd78::1 and fd78::2.
pub struct Cable {
    /// Namespace of 10.78.0.1.
    pub left: String,
    /// Namespace of 10.78.0.2.
    pub right: String,
}

impl Cable {
    /// Lays one; `None` (said on stderr) without root or iproute2.
    ///
    /// # Panics
    /// When it should be possible and is not, or where nothing may be skipped.
    pub fn lay() -> Option<Cable> {
        if !skip::is_root() || !skip::has_program("ip") {
            skip::skipped("network namespaces need root and iproute2");
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
            ip(&["-n", name, "addr", "add", &format!("fd78::{last}/64"), "dev", "jam0", "nodad"]);
            ip(&["-n", name, "link", "set", "jam0", "up"]);
        }
        Some(cable)
    }

    /// Pulls the plug of the right end, or puts it back.
    pub fn plug(&self, up: bool) {
        ip(&["-n", &self.right, "link", "set", "jam0", if up { "up" } else { "down" }]);
    }

    /// Sets the largest packet of both ends.
    pub fn mtu(&self, bytes: u32) {
        for name in [&self.left, &self.right] {
            ip(&["-n", name, "link", "set", "jam0", "mtu", &bytes.to_string()]);
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.left, &self.right] {
            // Ends with the system if it cannot be removed now.
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip can be started");
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}
