//! What a program or library needs from the system that runs it, read from the file itself.

use std::path::Path;

use goblin::Object;
use goblin::elf::Elf;
use goblin::elf::header::{EM_AARCH64, EM_X86_64};

/// What a program or library needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requirements {
    /// Libraries that the system loads for it, by the names in the file.
    pub(crate) libraries: Vec<String>,
    /// Newest version of glibc's symbols that it uses.
    pub(crate) glibc: Option<(u32, u32)>,
    /// Debian's name of the processor architecture of a Linux program.
    pub(crate) debian_architecture: Option<&'static str>,
}

impl Requirements {
    pub(crate) fn of(file: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(file).map_err(|e| format!("cannot read {}: {e}.", file.display()))?;
        match Object::parse(&bytes) {
            Ok(Object::Elf(elf)) => Ok(Self::of_elf(&elf)),
            Ok(Object::PE(pe)) => Ok(Self { libraries: owned(&pe.libraries), glibc: None, debian_architecture: None }),
            Ok(_) => Err(format!("{} is not a program of Linux or Windows.", file.display())),
            Err(e) => Err(format!("{} is damaged: {e}.", file.display())),
        }
    }

    fn of_elf(elf: &Elf) -> Self {
        let needs = elf.verneed.iter().flat_map(|section| section.iter());
        let names =
            needs.flat_map(|need| need.iter().filter_map(|aux| elf.dynstrtab.get_at(aux.vna_name)).collect::<Vec<_>>());
        Self {
            libraries: owned(&elf.libraries),
            glibc: names.filter_map(glibc_version).max(),
            debian_architecture: match elf.header.e_machine {
                EM_X86_64 => Some("amd64"),
                EM_AARCH64 => Some("arm64"),
                _ => None,
            },
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Major and minor number of a symbol version such as "GLIBC_2.34".
fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions are compared as numbers, and names without a version are passed over.
    #[test]
    fn glibc_versions_are_numbers() {
        let names = ["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.9", "GLIBC_PRIVATE", "GCC_3.0"];
        assert_eq!(names.into_iter().filter_map(glibc_version).max(), Some((2, 34)));
    }

    /// The test program itself needs glibc, in a version that the system has.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn own_requirements_are_met() {
        let own = std::env::current_exe().expect("the test's own path is known");
        let needs = Requirements::of(&own).expect("it is a program");
        assert!(needs.libraries.iter().any(|name| name == "libc.so.6"), "{needs:?}");
        let said = std::process::Command::new("getconf").arg("GNU_LIBC_VERSION").output().expect("getconf runs");
        let said = String::from_utf8_lossy(&said.stdout).trim().replace("glibc ", "GLIBC_");
        assert!(needs.glibc.is_some() && needs.glibc <= glibc_version(&said), "{needs:?} on {said}");
    }

    /// A file that is no program is named.
    #[test]
    fn other_files_are_refused() {
        let why = Requirements::of(Path::new(env!("CARGO_MANIFEST_PATH"))).expect_err("it is no program");
        assert!(why.contains("Cargo.toml"), "{why}");
    }
}
