//! `cargo xtask deb`: builds the room server's Debian package and checks its content.
//!
//! The package is a folder, four scripts and two lists, packed by `dpkg-deb`. Building a packaging tool would take longer
//! than building the server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::command::{self, Stop};
use crate::debug_symbols::{self, Keep};
use crate::setup;
use crate::workspace::Workspace;

/// Content of the package: path in the workspace, path on the machine.
const FILES: &[(&str, &str)] = &[
    ("packaging/server.toml", "etc/rtjam-server/server.toml"),
    ("packaging/rtjam-server.service", "lib/systemd/system/rtjam-server.service"),
    ("packaging/60-rtjam.conf", "usr/lib/sysctl.d/60-rtjam.conf"),
    ("docs/SERVER.md", "usr/share/doc/rtjam-server/SERVER.md"),
    ("CHANGELOG.md", "usr/share/doc/rtjam-server/CHANGELOG.md"),
    ("LICENSE-MIT", "usr/share/doc/rtjam-server/LICENSE-MIT"),
    ("LICENSE-APACHE", "usr/share/doc/rtjam-server/LICENSE-APACHE"),
];

const PROGRAM: &str = "usr/bin/rtjam-server";

/// Where debuggers search for the debug information of [`PROGRAM`].
const DEBUG: &str = "usr/lib/debug/usr/bin";

/// Control files that `dpkg` reads; the scripts are executable.
const LISTS: &[&str] = &["conffiles"];
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];

pub(crate) fn run(workspace: &Workspace, stop: &Stop, bin: Option<PathBuf>) -> Result<ExitCode, String> {
    let bin = match bin {
        Some(bin) => bin,
        None => {
            setup::system_packages(workspace, &[setup::BUILD])?;
            workspace.build_release(stop)?
        }
    };
    let facts = Facts::of_this_machine(workspace)?;
    let folder = bin.join("deb");
    let tree = folder.join("tree");
    let debug_tree = folder.join("debug-tree");
    lay_out(workspace, &bin, &tree, &facts)?;
    lay_out_debug(workspace, &tree, &debug_tree, &facts)?;
    let named = |name: &str| folder.join(format!("{name}_{}_{}.deb", facts.version, facts.architecture));
    let (package, debug_package) = (named("rtjam-server"), named("rtjam-server-dbgsym"));
    pack(workspace, &tree, &package)?;
    pack(workspace, &debug_tree, &debug_package)?;
    look_into(workspace, &package)?;
    judge_unit(workspace)?;
    println!("{}", debug_package.display());
    println!("{}", package.display());
    Ok(ExitCode::SUCCESS)
}

/// Properties of the machine on which the package is built.
struct Facts {
    version: &'static str,
    architecture: String,
    /// Newest glibc version of the program's symbols.
    libc: String,
}

impl Facts {
    fn of_this_machine(workspace: &Workspace) -> Result<Facts, String> {
        let said = |program: &str, argument: &str| command::output(workspace.command(program).arg(argument));
        let architecture =
            said("dpkg", "--print-architecture").ok_or("Debian packages can only be built on Debian or Ubuntu.")?;
        let libc = said("getconf", "GNU_LIBC_VERSION").ok_or("`getconf GNU_LIBC_VERSION` prints nothing.")?;
        Ok(Facts {
            version: env!("CARGO_PKG_VERSION"),
            architecture: architecture.trim().to_owned(),
            libc: libc.split_whitespace().last().unwrap_or_default().to_owned(),
        })
    }

    fn fill_in(&self, template: &str) -> String {
        let filled = template.replace("@VERSION@", self.version).replace("@ARCHITECTURE@", &self.architecture);
        filled.replace("@LIBC@", &self.libc)
    }
}

fn lay_out(workspace: &Workspace, bin: &Path, tree: &Path, facts: &Facts) -> Result<(), String> {
    if tree.exists() {
        fs::remove_dir_all(tree).map_err(|e| format!("cannot remove {}: {e}.", tree.display()))?;
    }
    let program = tree.join(PROGRAM);
    copy(&bin.join("rtjam-server"), &program, 0o755)?;
    for (from, to) in FILES {
        copy(&workspace.path(from), &tree.join(to), 0o644)?;
    }
    let scripts = workspace.path("packaging/debian");
    for (names, mode) in [(LISTS, 0o644), (SCRIPTS, 0o755)] {
        for name in names {
            copy(&scripts.join(name), &tree.join("DEBIAN").join(name), mode)?;
        }
    }
    let template = scripts.join("control");
    let control = fs::read_to_string(&template).map_err(|e| format!("cannot read {}: {e}.", template.display()))?;
    fs::write(tree.join("DEBIAN/control"), facts.fill_in(&control))
        .map_err(|e| format!("cannot write the control file: {e}."))
}

/// Moves the program's debug information into a package of its own.
fn lay_out_debug(workspace: &Workspace, tree: &Path, debug_tree: &Path, facts: &Facts) -> Result<(), String> {
    if debug_tree.exists() {
        fs::remove_dir_all(debug_tree).map_err(|e| format!("cannot remove {}: {e}.", debug_tree.display()))?;
    }
    let symbols = debug_symbols::split(workspace, &tree.join(PROGRAM), &debug_tree.join(DEBUG), Keep::Nothing)?;
    fs::set_permissions(&symbols, fs::Permissions::from_mode(0o644))
        .map_err(|e| format!("cannot set the mode of {}: {e}.", symbols.display()))?;
    let template = workspace.path("packaging/debian/control-dbgsym");
    let control = fs::read_to_string(&template).map_err(|e| format!("cannot read {}: {e}.", template.display()))?;
    let folder = debug_tree.join("DEBIAN");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("control"), facts.fill_in(&control)))
        .map_err(|e| format!("cannot write the control file: {e}."))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    let copied = || {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from, to)?;
        fs::set_permissions(to, fs::Permissions::from_mode(mode))
    };
    copied().map_err(|e| format!("cannot copy {} to {}: {e}.", from.display(), to.display()))
}

fn pack(workspace: &Workspace, tree: &Path, package: &Path) -> Result<(), String> {
    let mut build = workspace.command("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(tree).arg(package);
    command::output(&mut build).map(|_| ()).ok_or_else(|| format!("dpkg-deb cannot pack {}.", tree.display()))
}

fn look_into(workspace: &Workspace, package: &Path) -> Result<(), String> {
    let mut list = workspace.command("dpkg-deb");
    let contents = command::output(list.arg("--contents").arg(package))
        .ok_or_else(|| format!("dpkg-deb cannot read {}.", package.display()))?;
    match missing(&contents) {
        Some(file) => Err(format!("{} lacks {file}, or it has another mode or owner.\n{contents}", package.display())),
        None => Ok(()),
    }
}

fn missing(contents: &str) -> Option<&'static str> {
    let plain = FILES.iter().map(|(_, file)| ("-rw-r--r--", *file));
    let mut wanted = plain.chain([("-rwxr-xr-x", PROGRAM)]);
    wanted.find(|(mode, file)| !contents.lines().any(|line| is_listed(line, mode, file))).map(|(_, file)| file)
}

/// Whether a line of `dpkg-deb --contents` lists this file with this mode, owned by root.
fn is_listed(line: &str, mode: &str, file: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.first() == Some(&mode)
        && words.get(1) == Some(&"root/root")
        && words.last().and_then(|name| name.strip_prefix("./")) == Some(file)
}

/// If systemd is installed, checks the exposure of the unit.
fn judge_unit(workspace: &Workspace) -> Result<(), String> {
    let mut analyze = workspace.command("systemd-analyze");
    // Limit of the exposure, in tenths.
    analyze.args(["security", "--offline=true", "--threshold=20", "packaging/rtjam-server.service"]);
    match analyze.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            println!("{}", text.lines().last().unwrap_or_default());
            if output.status.success() {
                Ok(())
            } else {
                Err(format!("systemd rates the unit as too exposed:\n{text}"))
            }
        }
        Err(_) => {
            println!("skipped: systemd-analyze is not installed, so the unit was not checked");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that the package lacks is named.
    #[test]
    fn missing_package_files_are_named() {
        let line = |mode: &str, file: &str| format!("{mode} root/root         12 2026-11-20 10:00 ./{file}\n");
        let files: String = FILES.iter().map(|(_, file)| line("-rw-r--r--", file)).collect();
        let all = files + &line("-rwxr-xr-x", PROGRAM);
        assert_eq!(missing(&all), None);
        assert_eq!(missing(&all.replace("60-rtjam", "61-rtjam")), Some("usr/lib/sysctl.d/60-rtjam.conf"));
        assert_eq!(missing(&all.replace("-rwxr-xr-x", "-rw-r--r--")), Some(PROGRAM));
        assert_eq!(missing(&all.replace("root/root", "ann/ann")), Some("etc/rtjam-server/server.toml"));
    }

    /// Each packaged file exists in the workspace, and the control files have no placeholders left.
    #[test]
    fn packaged_files_and_control_exist() {
        let workspace = Workspace::find();
        let lists = LISTS.iter().chain(SCRIPTS).map(|name| format!("packaging/debian/{name}"));
        for file in FILES.iter().map(|(from, _)| (*from).to_owned()).chain(lists) {
            assert!(workspace.path(&file).is_file(), "{file}");
        }
        let facts = Facts { version: "1.2.3", architecture: "arm64".to_owned(), libc: "2.36".to_owned() };
        let template = fs::read_to_string(workspace.path("packaging/debian/control")).expect("the template");
        let control = facts.fill_in(&template);
        assert!(control.contains("Version: 1.2.3\nArchitecture: arm64\n") && control.contains("libc6 (>= 2.36)"));
        assert!(!control.contains('@'), "{control}");
        let template = fs::read_to_string(workspace.path("packaging/debian/control-dbgsym")).expect("the template");
        let control = facts.fill_in(&template);
        assert!(control.contains("Depends: rtjam-server (= 1.2.3)\n") && !control.contains('@'), "{control}");
    }
}
