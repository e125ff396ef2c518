//! `cargo xtask dist`: the archives of a release, from what `cargo xtask cross` put into `target/dist`.

mod dependencies;
mod licences;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use crate::bundle;
use crate::command::{self, Ended, Stop};
use crate::cross::{self, SYSTEMS, System};
use crate::setup;
use crate::test::duration;
use crate::workspace::Workspace;
use dependencies::Dependencies;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Files that each archive has beside the programs.
const DOCUMENTS: &[&str] =
    &["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "docs/REFERENCE.md", "docs/SERVER.md"];

/// Files that a Linux archive has to install itself.
const LINUX_FILES: &[&str] = &["packaging/install.sh", "packaging/rtjam.desktop", "packaging/rtjam-link.desktop"];

pub(crate) fn run(workspace: &Workspace, stop: &Stop) -> Result<ExitCode, String> {
    setup::system_packages(workspace, &[setup::DIST])?;
    let dist = workspace.target_folder()?.join("dist");
    let built: Vec<&System> = SYSTEMS.iter().filter(|system| dist.join(system.name).is_dir()).collect();
    if built.is_empty() {
        return Err(format!("there is nothing in {}. Start with `cargo xtask cross all`.", dist.display()));
    }
    let release = Release { workspace, stop, folder: dist.join("release"), date: commit_date(workspace) };
    bundle::remove(&release.folder).map_err(|e| bundle::told(&release.folder, &e))?;
    fs::create_dir_all(&release.folder).map_err(|e| bundle::told(&release.folder, &e))?;

    let dependencies = Dependencies::of_products(workspace)?;
    release.write(&format!("rtjam-{VERSION}.cdx.json"), &sbom::render(&dependencies)?)?;
    let licences = licences::render(&dependencies)?;
    for system in built {
        let start = Instant::now();
        release.pack(system, &dist.join(system.name), &licences)?;
        println!("dist {}: done after {}", system.name, duration(start.elapsed()));
    }
    release.sum_up()?;
    Ok(ExitCode::SUCCESS)
}

/// Time of the last commit, which the files of the archives get: the same commit makes the same archives.
fn commit_date(workspace: &Workspace) -> SystemTime {
    let seconds = command::output(workspace.command("git").args(["log", "-1", "--format=%ct"]));
    let seconds = seconds.and_then(|text| text.trim().parse().ok());
    seconds.map_or_else(SystemTime::now, |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

struct Release<'a> {
    workspace: &'a Workspace,
    stop: &'a Stop,
    folder: PathBuf,
    date: SystemTime,
}

impl Release<'_> {
    /// Makes the archives, the installer and the Debian packages of a system from its folder `built`.
    fn pack(&self, system: &System, built: &Path, licences: &str) -> Result<(), String> {
        cross::judge(system, built)?;
        let name = format!("rtjam-{VERSION}-{}", system.name);
        let (stage, debug) = (Stage::new(self, &name)?, Stage::new(self, &format!("{name}-debug"))?);
        for entry in fs::read_dir(built).map_err(|e| bundle::told(built, &e))?.flatten() {
            let path = entry.path();
            if path.ends_with(bundle::DEBUG) {
                debug.put(&path, ".")?;
            } else if path.extension().is_some_and(|e| e == "deb") {
                let to = self.folder.join(entry.file_name());
                bundle::put(&path, &to).map_err(|e| bundle::told(&to, &e))?;
            } else if !path.ends_with(cross::TEST) {
                stage.put(&path, &entry.file_name().to_string_lossy())?;
            }
        }
        let files = DOCUMENTS.iter().chain(if system.is_linux() { LINUX_FILES } else { &[] });
        for file in files {
            let from = self.workspace.path(file);
            stage.put(&from, &from.file_name().unwrap_or_default().to_string_lossy())?;
        }
        stage.write("THIRD-PARTY-LICENSES.txt", licences)?;
        if !system.is_linux() {
            self.installer(&stage, &name)?;
        }
        for stage in [stage, debug] {
            stage.pack(!system.is_linux())?;
        }
        Ok(())
    }

    fn installer(&self, stage: &Stage, name: &str) -> Result<(), String> {
        let mut makensis = self.workspace.command("makensis");
        makensis.arg("-V2").arg(format!("-DVERSION={VERSION}"));
        makensis.arg(format!("-DSOURCE={}", stage.folder().display()));
        makensis.arg(format!("-DOUT={}", self.folder.join(format!("{name}-setup.exe")).display()));
        makensis.arg(self.workspace.path("packaging/windows/rtjam.nsi"));
        self.run(&mut makensis)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|e| bundle::told(&path, &e))
    }

    /// Prints the files of the release, and writes their checksums beside them.
    fn sum_up(&self) -> Result<(), String> {
        let entries = fs::read_dir(&self.folder).map_err(|e| bundle::told(&self.folder, &e))?;
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        let mut sum = self.workspace.command("sha256sum");
        let sums = command::output(sum.current_dir(&self.folder).args(&names)).ok_or("sha256sum fails.")?;
        for name in &names {
            let path = self.folder.join(name);
            println!(
                "{}: {:.1} MB",
                path.display(),
                bundle::size(&path).map_err(|e| bundle::told(&path, &e))? as f64 / 1e6
            );
        }
        self.write("SHA256SUMS", &sums)
    }

    fn run(&self, command: &mut Command) -> Result<(), String> {
        let program = command.get_program().to_string_lossy().into_owned();
        match command::run(command, self.stop, Duration::from_secs(10 * 60))? {
            Ended::Well => Ok(()),
            Ended::Badly(how) => Err(format!("{program} failed ({how}).")),
        }
    }
}

/// The content of an archive: a folder with the archive's name, beside those of other archives.
struct Stage<'a> {
    release: &'a Release<'a>,
    parent: PathBuf,
    name: String,
}

impl<'a> Stage<'a> {
    fn new(release: &'a Release<'a>, name: &str) -> Result<Self, String> {
        let parent = release.folder.with_file_name("stage");
        let stage = Self { release, parent, name: name.to_owned() };
        let folder = stage.folder();
        bundle::remove(&folder).map_err(|e| bundle::told(&folder, &e))?;
        Ok(stage)
    }

    fn folder(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// Copies a file or folder to a path in the archive.
    fn put(&self, from: &Path, to: &str) -> Result<(), String> {
        let to = if to == "." { self.folder() } else { self.folder().join(to) };
        bundle::put(from, &to).map_err(|e| bundle::told(&to, &e))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.folder().join(name);
        fs::write(&path, text).map_err(|e| bundle::told(&path, &e))
    }

    /// Makes the archive: a zip file, or one of tar and gzip.
    fn pack(self, is_zip: bool) -> Result<(), String> {
        date(&self.folder(), self.release.date).map_err(|e| bundle::told(&self.folder(), &e))?;
        let to = self.release.folder.join(format!("{}.{}", self.name, if is_zip { "zip" } else { "tar.gz" }));
        let mut pack = if is_zip {
            let mut zip = self.release.workspace.command("zip");
            zip.args(["-X", "-q", "-r"]).arg(&to).arg(&self.name);
            zip
        } else {
            let mut tar = self.release.workspace.command("tar");
            tar.args([
                "--sort=name",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--use-compress-program=gzip -n",
                "-cf",
            ]);
            tar.arg(&to).arg(&self.name);
            tar
        };
        self.release.run(pack.current_dir(&self.parent))
    }
}

/// Gives every file in a folder the same date.
fn date(path: &Path, when: SystemTime) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            date(&entry?.path(), when)?;
        }
    }
    fs::File::open(path)?.set_modified(when)
}
