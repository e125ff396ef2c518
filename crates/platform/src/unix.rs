//! Linux and macOS.

use crate::private::Readers;
use socket2::{SockAddr, SockRef};
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

pub(crate) fn readers(path: &Path) -> io::Result<Readers> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    Ok(match (mode & 0o077, mode & 0o1000) {
        (0, _) => Readers::OwnerOnly,
        (_, 0) => Readers::Others,
        // The sticky bit.
        _ => Readers::AllUsers,
    })
}

pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    let mode = if std::fs::metadata(path)?.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// New files and folders get their mode when they are created.
pub(crate) fn restrict_new(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn private_mode(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

pub(crate) fn private_folder_mode(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder.mode(0o700)
}

pub(crate) fn share_with_all(path: &Path) -> io::Result<()> {
    let mode = if std::fs::metadata(path)?.is_dir() { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

pub(crate) fn set_traffic_class_v6(options: &SockRef<'_>, class: u32) -> io::Result<()> {
    options.set_tclass_v6(class)
}

pub(crate) fn ignore_rejections(_: &std::net::UdpSocket) -> io::Result<()> {
    Ok(())
}

pub(crate) fn send_without_waiting(socket: &SockRef<'_>, datagram: &[u8], to: &SockAddr) -> io::Result<usize> {
    socket.send_to_with_flags(datagram, to, libc::MSG_DONTWAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder for temporary files, which has the sticky bit, belongs to all users.
    #[test]
    fn temporary_folder_belongs_to_all() {
        assert_eq!(readers("/tmp".as_ref()).expect("there"), Readers::AllUsers);
    }
}
