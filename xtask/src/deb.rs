//! `cargo xtask deb`: builds the Debian packages and checks their content.
//!
//! A package is a folder, some scripts and lists, packed by `dpkg-deb`. Building a packaging tool would take longer than
//! building the server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::command::{self, Stop};
use crate::debug_symbols::{self, Keep, OBJCOPY};
use crate::requirements::Requirements;
use crate::setup;
use crate::workspace::Workspace;

/// A Debian package. Its control file, lists and scripts are in `packaging/debian/NAME`.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// Programs and libraries: name in cargo's folder, path on the machine.
    binaries: &'static [(&'static str, &'static str)],
    /// Everything else: path in the workspace, path on the machine.
    files: &'static [(&'static str, &'static str)],
    /// The binaries keep their function names, which their crash logs show.
    keep: Keep,
}

const SERVER: Package = Package {
    name: "rtjam-server",
    binaries: &[("rtjam-server", "usr/bin/rtjam-server")],
    files: &[
        ("packaging/server.toml", "etc/rtjam-server/server.toml"),
        ("packaging/rtjam-server.service", "lib/systemd/system/rtjam-server.service"),
        ("packaging/60-rtjam.conf", "usr/lib/sysctl.d/60-rtjam.conf"),
        ("docs/SERVER.md", "usr/share/doc/rtjam-server/SERVER.md"),
        ("CHANGELOG.md", "usr/share/doc/rtjam-server/CHANGELOG.md"),
        ("LICENSE-MIT", "usr/share/doc/rtjam-server/LICENSE-MIT"),
        ("LICENSE-APACHE", "usr/share/doc/rtjam-server/LICENSE-APACHE"),
    ],
    keep: Keep::Nothing,
};

const PROGRAM: Package = Package {
    name: "rtjam",
    binaries: &[("rtjam", "usr/bin/rtjam")],
    files: &[
        ("packaging/rtjam.toml", "etc/rtjam/rtjam.toml"),
        ("packaging/rtjam-jackd.conf", "etc/rtjam/jackd.conf"),
        ("packaging/rtjam.service", "lib/systemd/system/rtjam.service"),
        ("packaging/rtjam-jackd.service", "lib/systemd/system/rtjam-jackd.service"),
        ("packaging/rtjam.desktop", "usr/share/applications/rtjam.desktop"),
        ("packaging/rtjam-link.desktop", "usr/share/applications/rtjam-link.desktop"),
        ("docs/PI.md", "usr/share/doc/rtjam/PI.md"),
        ("docs/REFERENCE.md", "usr/share/doc/rtjam/REFERENCE.md"),
        ("CHANGELOG.md", "usr/share/doc/rtjam/CHANGELOG.md"),
        ("LICENSE-MIT", "usr/share/doc/rtjam/LICENSE-MIT"),
        ("LICENSE-APACHE", "usr/share/doc/rtjam/LICENSE-APACHE"),
    ],
    keep: Keep::Names,
};

const PLUGIN: Package = Package {
    name: "rtjam-plugin",
    binaries: &[
        ("librtjam.so", "usr/lib/clap/RTJam.clap"),
        ("librtjam.so", "usr/lib/vst3/RTJam.vst3/Contents/@MACHINE@-linux/RTJam.so"),
    ],
    files: &[
        ("CHANGELOG.md", "usr/share/doc/rtjam-plugin/CHANGELOG.md"),
        ("LICENSE-MIT", "usr/share/doc/rtjam-plugin/LICENSE-MIT"),
        ("LICENSE-APACHE", "usr/share/doc/rtjam-plugin/LICENSE-APACHE"),
    ],
    keep: Keep::Names,
};

pub(crate) const PACKAGES: &[Package] = &[PLUGIN, PROGRAM, SERVER];

/// Where debuggers search for debug information: below it, by the path of the program.
const DEBUG: &str = "usr/lib/debug";

/// Control files that `dpkg` reads, where a package has them; the scripts are executable.
const LISTS: &[&str] = &["conffiles"];
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];

/// Builds a package of each program that is in `bin`, and prints their paths, the server's last.
pub(crate) fn run(workspace: &Workspace, stop: &Stop, bin: Option<PathBuf>) -> Result<ExitCode, String> {
    let bin = match bin {
        Some(bin) => bin,
        None => {
            setup::system_packages(workspace, &[setup::BUILD])?;
            workspace.build_release(stop)?
        }
    };
    let is_built = |package: &&Package| package.binaries.iter().all(|(name, _)| bin.join(name).is_file());
    let packages: Vec<&Package> = PACKAGES.iter().filter(is_built).collect();
    if packages.is_empty() {
        return Err(format!("{} contains none of RTJam's programs.", bin.display()));
    }
    let made =
        packages.into_iter().map(|package| make(workspace, package, &bin, OBJCOPY)).collect::<Result<Vec<_>, _>>()?;
    judge_unit(workspace)?;
    for path in made.iter().flatten() {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the package, and another one of its debug information, in the folder `deb` of `bin`. Returns the paths of both, the
/// package last. `objcopy` is the program for the architecture of the binaries.
pub(crate) fn make(
    workspace: &Workspace,
    package: &Package,
    bin: &Path,
    objcopy: &str,
) -> Result<[PathBuf; 2], String> {
    let facts = Facts::of(package, bin)?;
    let folder = bin.join("deb");
    let (tree, debug_tree) = (folder.join(package.name), folder.join(format!("{}-dbgsym", package.name)));
    lay_out(workspace, package, bin, &tree, &facts)?;
    lay_out_debug(workspace, package, objcopy, &tree, &debug_tree, &facts)?;
    let named = |tree: &Path| {
        let name = tree.file_name().unwrap_or_default().to_string_lossy();
        folder.join(format!("{name}_{}_{}.deb", facts.version, facts.architecture))
    };
    let made = [(&debug_tree, named(&debug_tree)), (&tree, named(&tree))];
    for (tree, path) in &made {
        pack(workspace, tree, path)?;
    }
    let made = made.map(|(_, path)| path);
    look_into(workspace, package, &made[1], &facts)?;
    Ok(made)
}

/// What the control file says of the binaries.
struct Facts {
    package: &'static str,
    version: &'static str,
    architecture: &'static str,
    /// Packages whose libraries the binaries need.
    libraries: String,
}

impl Facts {
    fn of(package: &Package, bin: &Path) -> Result<Facts, String> {
        let (name, _) = package.binaries.first().ok_or("a package without a program")?;
        let needs = Requirements::of(&bin.join(name))?;
        Ok(Facts {
            package: package.name,
            version: env!("CARGO_PKG_VERSION"),
            architecture: needs.debian_architecture.ok_or("Debian has no packages for this processor.")?,
            libraries: debian_packages(&needs)?,
        })
    }

    fn fill_in(&self, template: &str) -> String {
        let filled = template.replace("@VERSION@", self.version).replace("@ARCHITECTURE@", self.architecture);
        filled.replace("@PACKAGE@", self.package).replace("@LIBRARIES@", &self.libraries)
    }

    /// Path of a file of the package. A VST3 bundle names the processor in the compiler's words.
    fn place(&self, path: &str) -> String {
        let machine = if self.architecture == "arm64" { "aarch64" } else { "x86_64" };
        path.replace("@MACHINE@", machine)
    }
}

/// The packages of the libraries that a program needs.
fn debian_packages(needs: &Requirements) -> Result<String, String> {
    let (major, minor) = needs.glibc.unwrap_or((2, 0));
    let mut packages = vec![format!("libc6 (>= {major}.{minor})")];
    for library in &needs.libraries {
        match library.as_str() {
            "libc.so.6" | "libm.so.6" | "libdl.so.2" | "libpthread.so.0" | "librt.so.1" => {}
            loader if loader.starts_with("ld-linux-") => {}
            "libgcc_s.so.1" => packages.push("libgcc-s1".to_owned()),
            // Its name since Debian 13 and Ubuntu 24.04.
            "libasound.so.2" => packages.push("libasound2 | libasound2t64".to_owned()),
            other => return Err(format!("which package has {other}? Add it to `debian_packages`.")),
        }
    }
    Ok(packages.join(", "))
}

fn lay_out(workspace: &Workspace, package: &Package, bin: &Path, tree: &Path, facts: &Facts) -> Result<(), String> {
    remove(tree)?;
    for (name, to) in package.binaries {
        let mode = if to.contains("/bin/") { 0o755 } else { 0o644 };
        copy(&bin.join(name), &tree.join(facts.place(to)), mode)?;
    }
    for (from, to) in package.files {
        copy(&workspace.path(from), &tree.join(to), 0o644)?;
    }
    let (from, to) = (workspace.path("packaging/debian").join(package.name), tree.join("DEBIAN"));
    for (names, mode) in [(LISTS, 0o644), (SCRIPTS, 0o755)] {
        for name in names.iter().filter(|name| from.join(name).exists()) {
            copy(&from.join(name), &to.join(name), mode)?;
        }
    }
    write_control(&from.join("control"), &to, facts)
}

/// Moves the debug information of the binaries into a package of its own.
fn lay_out_debug(
    workspace: &Workspace,
    package: &Package,
    objcopy: &str,
    tree: &Path,
    debug_tree: &Path,
    facts: &Facts,
) -> Result<(), String> {
    remove(debug_tree)?;
    for (_, path) in package.binaries {
        let path = facts.place(path);
        let folder = debug_tree.join(DEBUG).join(Path::new(&path).parent().unwrap_or(Path::new("")));
        let symbols = debug_symbols::split(workspace, objcopy, &tree.join(path), &folder, package.keep)?;
        fs::set_permissions(&symbols, fs::Permissions::from_mode(0o644))
            .map_err(|e| format!("cannot set the mode of {}: {e}.", symbols.display()))?;
    }
    write_control(&workspace.path("packaging/debian/control-dbgsym"), &debug_tree.join("DEBIAN"), facts)
}

fn write_control(template: &Path, folder: &Path, facts: &Facts) -> Result<(), String> {
    let control = fs::read_to_string(template).map_err(|e| format!("cannot read {}: {e}.", template.display()))?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(folder.join("control"), facts.fill_in(&control)))
        .map_err(|e| format!("cannot write the control file: {e}."))
}

fn remove(tree: &Path) -> Result<(), String> {
    if tree.exists() {
        fs::remove_dir_all(tree).map_err(|e| format!("cannot remove {}: {e}.", tree.display()))?;
    }
    Ok(())
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
    // Quick and small enough: debug symbols are large.
    build.args(["--root-owner-group", "-Zxz", "-z1", "--build"]).arg(tree).arg(package);
    command::output(&mut build).map(|_| ()).ok_or_else(|| {
        format!("dpkg-deb cannot pack {}. Debian packages can only be built on Debian or Ubuntu.", tree.display())
    })
}

fn look_into(workspace: &Workspace, package: &Package, path: &Path, facts: &Facts) -> Result<(), String> {
    let mut list = workspace.command("dpkg-deb");
    let contents = command::output(list.arg("--contents").arg(path))
        .ok_or_else(|| format!("dpkg-deb cannot read {}.", path.display()))?;
    match missing(package, facts, &contents) {
        Some(file) => Err(format!("{} lacks {file}, or it has another mode or owner.\n{contents}", path.display())),
        None => Ok(()),
    }
}

fn missing(package: &Package, facts: &Facts, contents: &str) -> Option<String> {
    let mut wanted = package.files.iter().chain(package.binaries).map(|(_, file)| facts.place(file));
    wanted.find(|file| {
        let mode = if file.contains("/bin/") { "-rwxr-xr-x" } else { "-rw-r--r--" };
        !contents.lines().any(|line| is_listed(line, mode, file))
    })
}

/// Whether a line of `dpkg-deb --contents` lists this file with this mode, owned by root.
fn is_listed(line: &str, mode: &str, file: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.first() == Some(&mode)
        && words.get(1) == Some(&"root/root")
        && words.last().and_then(|name| name.strip_prefix("./")) == Some(file)
}

/// If systemd is installed, checks the exposure of the server's unit.
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

    fn facts(package: &Package) -> Facts {
        let libraries = "libc6 (>= 2.31)".to_owned();
        Facts { package: package.name, version: "1.2.3", architecture: "arm64", libraries }
    }

    /// A file that the package lacks is named.
    #[test]
    fn missing_package_files_are_named() {
        let line = |mode: &str, file: &str| format!("{mode} root/root         12 2026-11-20 10:00 ./{file}\n");
        let files: String = SERVER.files.iter().map(|(_, file)| line("-rw-r--r--", file)).collect();
        let all = files + &line("-rwxr-xr-x", "usr/bin/rtjam-server");
        let missing = |contents: &str| missing(&SERVER, &facts(&SERVER), contents);
        assert_eq!(missing(&all), None);
        assert_eq!(missing(&all.replace("60-rtjam", "61-rtjam")).as_deref(), Some("usr/lib/sysctl.d/60-rtjam.conf"));
        assert_eq!(missing(&all.replace("-rwxr-xr-x", "-rw-r--r--")).as_deref(), Some("usr/bin/rtjam-server"));
        assert_eq!(missing(&all.replace("root/root", "ann/ann")).as_deref(), Some("etc/rtjam-server/server.toml"));
    }

    /// Each packaged file exists in the workspace, and the control files have no placeholders left.
    #[test]
    fn packaged_files_and_control_exist() {
        let workspace = Workspace::find();
        for package in PACKAGES {
            for (from, _) in package.files {
                assert!(workspace.path(from).is_file(), "{from}");
            }
            let facts = facts(package);
            for template in [format!("{}/control", package.name), "control-dbgsym".to_owned()] {
                let template = workspace.path("packaging/debian").join(template);
                let control = facts.fill_in(&fs::read_to_string(&template).expect("the template"));
                assert!(
                    control.contains("Version: 1.2.3\nArchitecture: arm64\n") && !control.contains('@'),
                    "{control}"
                );
                assert!(control.contains(&format!("Package: {}", package.name)), "{control}");
            }
        }
        for (package, file) in
            ["rtjam-server", "rtjam"].iter().flat_map(|p| LISTS.iter().chain(SCRIPTS).map(move |f| (p, f)))
        {
            let file = workspace.path("packaging/debian").join(package).join(file);
            assert!(file.is_file(), "{}", file.display());
        }
    }

    /// The architecture names the VST3 bundle's folder.
    #[test]
    fn bundle_folder_names_the_processor() {
        let (_, library) = PLUGIN.binaries[1];
        let placed = facts(&PLUGIN).place(library);
        assert_eq!(placed, "usr/lib/vst3/RTJam.vst3/Contents/aarch64-linux/RTJam.so");
    }

    /// Each library is in a package, and one that nobody named is an error.
    #[test]
    fn libraries_name_their_packages() {
        let needs = |library: &str| Requirements {
            libraries: vec!["libc.so.6".to_owned(), library.to_owned()],
            glibc: Some((2, 31)),
            debian_architecture: Some("arm64"),
        };
        let packages = debian_packages(&needs("libasound.so.2"));
        assert_eq!(packages.as_deref(), Ok("libc6 (>= 2.31), libasound2 | libasound2t64"));
        assert!(debian_packages(&needs("libfoo.so.1")).is_err_and(|why| why.contains("libfoo.so.1")));
    }
}
