//! System packages that the workspace needs, by their Debian names.

/// A package, and alternatives to it.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// Description for the user.
    pub(crate) what: &'static str,
    /// Any of these programs on the search path is an alternative.
    programs: &'static [&'static str],
    /// Any of these packages is an alternative.
    others: &'static [&'static str],
}

/// Packages that the build needs.
pub(crate) const BUILD: &[Package] = &[
    Package { name: "build-essential", what: "a C compiler", programs: &["cc"], others: &[] },
    Package { name: "pkg-config", what: "finds the audio libraries", programs: &["pkg-config"], others: &[] },
    // JACK 1 conflicts with these packages and works as well.
    Package { name: "libjack-jackd2-dev", what: "JACK", programs: &[], others: &["libjack-dev"] },
    Package { name: "libasound2-dev", what: "ALSA", programs: &[], others: &[] },
];

const SCREEN: Package = Package { name: "xvfb", what: "a virtual screen", programs: &["Xvfb"], others: &[] };
const OPENGL: Package =
    Package { name: "libgl1-mesa-dri", what: "OpenGL without a graphics card", programs: &[], others: &[] };

/// Further packages that the tests need.
pub(crate) const TEST: &[Package] = &[
    Package { name: "ardour", what: "a DAW", programs: &[], others: &[] },
    Package { name: "python3-venv", what: "the environment of pedalboard", programs: &[], others: &[] },
    Package { name: "jackd2", what: "a JACK server", programs: &["jackd"], others: &[] },
    Package { name: "libasound2-plugins", what: "a virtual sound card", programs: &[], others: &[] },
    Package { name: "openssl", what: "makes certificates", programs: &["openssl"], others: &[] },
    Package { name: "iproute2", what: "network namespaces", programs: &[], others: &[] },
    Package { name: "systemd", what: "checks the service units", programs: &["systemd-analyze"], others: &[] },
    SCREEN,
    Package { name: "xdotool", what: "typing and clicking on that screen", programs: &["xdotool"], others: &[] },
    OPENGL,
    Package { name: "libegl1", what: "OpenGL for windows", programs: &[], others: &[] },
    Package { name: "libx11-xcb1", what: "windows", programs: &[], others: &[] },
    Package { name: "libxkbcommon-x11-0", what: "keyboards in windows", programs: &[], others: &[] },
    Package { name: "libfaketime", what: "a wall clock that the tests can step", programs: &[], others: &[] },
];

/// Packages that the build for Windows needs.
pub(crate) const CROSS_WINDOWS: &[Package] = &[
    Package { name: "gcc-mingw-w64-x86-64-posix", what: "a C compiler for Windows", programs: &[], others: &[] },
    Package { name: "binutils-mingw-w64-x86-64", what: "a linker for Windows", programs: &[], others: &[] },
];

/// Packages that the build for Linux on arm64 needs.
pub(crate) const CROSS_ARM64: &[Package] = &[
    Package { name: "pkg-config", what: "finds the audio libraries", programs: &["pkg-config"], others: &[] },
    Package { name: "libasound2-dev:arm64", what: "ALSA for arm64", programs: &[], others: &[] },
    Package { name: "binutils-aarch64-linux-gnu", what: "separates debug information", programs: &[], others: &[] },
];

/// Packages that run programs for Linux on arm64.
pub(crate) const QEMU: &[Package] = &[
    Package { name: "qemu-user", what: "an emulator of arm64", programs: &["qemu-aarch64"], others: &[] },
    Package { name: "libc6:arm64", what: "the C library for arm64", programs: &[], others: &[] },
];

/// Packages that run programs for Windows.
pub(crate) const WINE: &[Package] = &[
    Package { name: "wine64", what: "runs programs for Windows", programs: &["wine64"], others: &[] },
    SCREEN,
    OPENGL,
];

/// Packages that build a standard library of Rust for another system, where rustup does not have it.
pub(crate) const RUST_SOURCES: &[Package] = &[
    Package { name: "rustc-web", what: "a Rust compiler", programs: &[], others: &[] },
    Package { name: "cargo-web", what: "its cargo", programs: &[], others: &[] },
    Package { name: "rust-web-src", what: "the sources of its standard library", programs: &[], others: &[] },
];

/// Python, whose packages zig and pedalboard are.
pub(crate) const PYTHON: &[Package] =
    &[Package { name: "python3-venv", what: "an environment for Python's packages", programs: &[], others: &[] }];

/// Packages that make the archives of a release.
pub(crate) const DIST: &[Package] = &[
    Package { name: "nsis", what: "makes the installer for Windows", programs: &["makensis"], others: &[] },
    Package { name: "zip", what: "makes archives for Windows", programs: &["zip"], others: &[] },
];

/// The packages of `lists` that are missing. `installed` checks for a package, `on_path` for a program.
pub(crate) fn missing<'a>(
    lists: &[&'a [Package]],
    installed: impl Fn(&str) -> bool,
    on_path: impl Fn(&str) -> bool,
) -> Vec<&'a Package> {
    let is_there = |package: &Package| {
        package.programs.iter().any(|p| on_path(p))
            || installed(package.name)
            || package.others.iter().any(|p| installed(p))
    };
    lists.iter().flat_map(|list| list.iter()).filter(|package| !is_there(package)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: &[&Package]) -> Vec<&'static str> {
        packages.iter().map(|p| p.name).collect()
    }

    /// A bare machine lacks all packages.
    #[test]
    fn bare_machine_lacks_all() {
        let all = missing(&[BUILD, TEST], |_| false, |_| false);
        assert_eq!(all.len(), BUILD.len() + TEST.len());
        assert_eq!(
            names(&missing(&[BUILD], |_| false, |_| false)),
            ["build-essential", "pkg-config", "libjack-jackd2-dev", "libasound2-dev"]
        );
    }

    /// Alternative programs and packages are accepted.
    #[test]
    fn alternatives_are_accepted() {
        let by_program = missing(&[BUILD], |_| false, |program| program == "cc");
        assert_eq!(names(&by_program), ["pkg-config", "libjack-jackd2-dev", "libasound2-dev"]);
        let by_package = missing(&[BUILD], |name| name == "libjack-dev", |_| true);
        assert_eq!(names(&by_package), ["libasound2-dev"]);
    }
}
