//! Packages on Debian and its descendants.

use std::path::Path;
use std::process::{Command, Stdio};

use super::packages::{self, Package};
use crate::command::{self, Ended};
use crate::workspace::Workspace;

/// Prints what is missing and the command that installs it, then runs that command.
pub(super) fn install_missing(workspace: &Workspace, lists: &[&[Package]]) -> Result<(), String> {
    let missing = packages::missing(lists, is_installed, is_on_path);
    if missing.is_empty() {
        return Ok(());
    }
    let described: Vec<String> = missing.iter().map(|p| format!("{} ({})", p.name, p.what)).collect();
    println!("set-up: this machine lacks {}", described.join(", "));

    let names: Vec<&str> = missing.iter().map(|p| p.name).collect();
    let by_hand = format!("apt-get install {}", names.join(" "));
    let Some(become_root) = become_root() else {
        return Err(format!("only root can install packages, and sudo is not installed. As root: {by_hand}"));
    };
    let by_hand = if is_root() { by_hand } else { format!("sudo {by_hand}") };
    let install = [&["install", "-y", "--no-install-recommends", "--no-remove"], &names[..]].concat();
    let apt = |arguments: &[&str]| {
        let arguments = [APT_OPTIONS, arguments].concat();
        let shown = [&become_root[..], &["apt-get"], &arguments[..]].concat();
        println!("set-up: {}", shown.join(" "));
        run_apt(workspace, &become_root, &arguments)
    };

    let mut updated = false;
    let added = add_architectures(workspace, &become_root, &names)?;
    if added || !has_lists(Path::new("/var/lib/apt/lists")) {
        apt(&["update"])?;
        updated = true;
    }
    let mut outcome = apt(&install)?;
    if matches!(outcome, Ended::Badly(_)) && !updated {
        println!("set-up: the package lists may be outdated");
        apt(&["update"])?;
        outcome = apt(&install)?;
    }
    match outcome {
        Ended::Well => Ok(()),
        Ended::Badly(how) => {
            Err(format!("apt-get failed ({how}). Install the packages yourself, then start again: {by_hand}"))
        }
    }
}

/// Wait for another apt to finish instead of failing.
const APT_OPTIONS: &[&str] = &["-q", "-o", "DPkg::Lock::Timeout=300"];

fn run_apt(workspace: &Workspace, become_root: &[&str], arguments: &[&str]) -> Result<Ended, String> {
    run_as_root(workspace, become_root, &[&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat())
}

fn run_as_root(workspace: &Workspace, become_root: &[&str], words: &[&str]) -> Result<Ended, String> {
    let mut words = become_root.iter().chain(words);
    let mut command = workspace.command(words.next().unwrap_or(&"true"));
    command::run_in_terminal(command.args(words))
}

/// Tells dpkg the architectures of packages such as "libc6:arm64". Whether there was one that it did not know.
fn add_architectures(workspace: &Workspace, become_root: &[&str], names: &[&str]) -> Result<bool, String> {
    let known = command::output(workspace.command("dpkg").arg("--print-foreign-architectures")).unwrap_or_default();
    let mut unknown: Vec<&str> = names.iter().filter_map(|name| Some(name.split_once(':')?.1)).collect();
    unknown.retain(|architecture| !known.lines().any(|line| line == *architecture));
    unknown.dedup();
    for architecture in &unknown {
        println!("set-up: dpkg --add-architecture {architecture}");
        if let Ended::Badly(how) = run_as_root(workspace, become_root, &["dpkg", "--add-architecture", architecture])? {
            return Err(format!("dpkg does not add the architecture {architecture} ({how})."));
        }
    }
    Ok(!unknown.is_empty())
}

/// The command that runs another one as root: empty for root, sudo, or `None` if neither is possible.
fn become_root() -> Option<Vec<&'static str>> {
    if is_root() {
        return Some(Vec::new());
    }
    if !is_on_path("sudo") {
        return None;
    }
    // Without a terminal nobody could type a password: sudo must fail instead of waiting.
    let has_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
    Some(if has_terminal { vec!["sudo"] } else { vec!["sudo", "-n"] })
}

#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    // SAFETY: a system call without arguments that cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(not(unix))]
pub(crate) fn is_root() -> bool {
    false
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f=${db:Status-Status}", package]).stdin(Stdio::null());
    command::output(&mut query).is_some_and(|status| status == "installed")
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether there are package lists; a fresh container has none.
fn has_lists(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Package lists are found, and lock files are not mistaken for them.
    #[test]
    fn package_lists_are_found() {
        let folder = std::env::temp_dir().join(format!("rtjam-xtask-lists-{}", std::process::id()));
        assert!(!has_lists(&folder));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("lock"), "").expect("a file");
        assert!(!has_lists(&folder));
        std::fs::write(folder.join("deb_debian_dists_bookworm_main_binary-amd64_Packages.lz4"), "").expect("a file");
        assert!(has_lists(&folder));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
