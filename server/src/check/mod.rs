//! `rtjam-server check`: checks what a server needs from this machine, and says what to do.

mod disk;
mod machine;
mod network;
mod scheduling;

pub(crate) use rtjam_check::{Finding, worst_verdict};

use std::net::SocketAddr;
use std::path::Path;

/// Checks every part, in about a second. The server would listen on `listen`, and `data` is its folder.
pub fn run(listen: Option<&[SocketAddr]>, data: &Path) -> Vec<Finding> {
    vec![
        network::ports(listen, data),
        network::buffers(),
        network::segmentation(),
        scheduling::priority(),
        scheduling::wake_ups(),
        machine::processor(),
        machine::clock(),
        machine::open_files(),
        disk::disk(data),
    ]
}
