//! The kind of operating system.

/// Systems that need the same advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Debian, Ubuntu, Raspberry Pi OS and their descendants: apt.
    Debian,
    Fedora,
    Arch,
    OtherUnix,
    MacOs,
    Windows,
}

impl Family {
    pub(crate) fn here() -> Self {
        if cfg!(windows) {
            return Self::Windows;
        }
        if cfg!(target_os = "macos") {
            return Self::MacOs;
        }
        let text = std::fs::read_to_string("/etc/os-release")
            .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
            .unwrap_or_default();
        Self::of_os_release(&text)
    }

    /// By `ID`, otherwise by the first known name in `ID_LIKE` (os-release(5)).
    fn of_os_release(text: &str) -> Self {
        let names = [value(text, "ID"), value(text, "ID_LIKE")].into_iter().flatten();
        names.flat_map(str::split_whitespace).find_map(Self::named).unwrap_or(Self::OtherUnix)
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "debian" | "ubuntu" | "raspbian" => Some(Self::Debian),
            "fedora" | "rhel" | "centos" => Some(Self::Fedora),
            "arch" => Some(Self::Arch),
            _ => None,
        }
    }
}

/// What the user has to install.
pub(crate) fn advice(family: Family) -> &'static str {
    match family {
        Family::Debian => "needs nothing else",
        Family::Fedora => {
            "if the build lacks something: sudo dnf install gcc pkgconf-pkg-config alsa-lib-devel \
             pipewire-jack-audio-connection-kit-devel"
        }
        Family::Arch => "if the build lacks something: sudo pacman -S --needed base-devel alsa-lib jack2",
        Family::OtherUnix => {
            "if the build lacks something, install a C compiler, pkg-config, and the development files of \
             JACK and ALSA"
        }
        Family::MacOs => "if the build lacks something: xcode-select --install; for JACK: brew install jack pkg-config",
        Family::Windows => {
            "if the build lacks something, install the Visual Studio Build Tools with the C++ workload; for JACK, \
             its installer from jackaudio.org"
        }
    }
}

/// The value of `key`, without quotes.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
        Some(value.trim_matches(|c| c == '"' || c == '\''))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system is recognised by `ID` or `ID_LIKE`.
    #[test]
    fn families_follow_id_and_id_like() {
        for (text, family) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n", Family::Debian),
            ("ID=ubuntu\nID_LIKE=debian\n", Family::Debian),
            ("ID=raspbian\nID_LIKE=debian\n", Family::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Family::Debian),
            ("ID='fedora'\n", Family::Fedora),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Family::Fedora),
            ("ID=manjaro\nID_LIKE=arch\n", Family::Arch),
            ("VERSION_ID=debian\nBUILD_ID=ubuntu\nID=alpine\n", Family::OtherUnix),
            ("", Family::OtherUnix),
        ] {
            assert_eq!(Family::of_os_release(text), family, "{text}");
        }
    }
}
