//! The server's Debian package: built, unpacked into a root folder, and run from there as its unit describes.

use rtjam_tests::child::Child;
use rtjam_tests::machine::Scratch;
use rtjam_tests::room::{START, free_port};
use rtjam_tests::{machine, programs};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Time limit for everything, also on a busy machine; cargo may have to build xtask first.
const SOON: Duration = Duration::from_secs(300);

const UNIT: &str = "lib/systemd/system/rtjam-server.service";

/// The package installs a server that runs as its systemd unit describes.
#[test]
fn package_installs_a_working_server() {
    if !machine::has_program("dpkg-deb") {
        return machine::skipped("dpkg-deb is not installed (Debian and its relatives have it)");
    }
    let (work, root) = (Scratch::new("deb"), Scratch::new("root"));
    let package = build_package(work.path());
    let root = root.path();
    output_of(Command::new("dpkg-deb").arg("-x").arg(&package).arg(root));
    contains_all_files(root);
    output_of(Command::new("dpkg-deb").arg("-e").arg(&package).arg(root.join("DEBIAN")));
    has_metadata(root);
    has_its_debug_information_apart(&package, root);
    systemd_accepts_its_unit(root);
    runs_as_its_unit_says(root);
}

/// Builds the package of the server under test and returns its path.
fn build_package(work: &Path) -> PathBuf {
    fs::copy(programs::server(), work.join("rtjam-server")).expect("the server can be copied");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "-p", "xtask", "--", "deb", "--bin"]).arg(work).current_dir(workspace);
    let mut child = Child::start(&mut command, None);
    assert_eq!(child.wait_exit(SOON), 0, "{}", child.transcript());
    let path = child.out().newest(|line| line.ends_with(".deb").then(|| PathBuf::from(line)));
    path.unwrap_or_else(|| panic!("no package is named\n{}", child.transcript()))
}

fn output_of(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it can be started");
    assert!(status.success(), "{command:?}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

fn mode(path: &Path) -> u32 {
    let file = fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.permissions().mode() & 0o7777
}

fn contains_all_files(root: &Path) {
    for (file, wanted) in [
        ("usr/bin/rtjam-server", 0o755),
        ("etc/rtjam-server/server.toml", 0o644),
        (UNIT, 0o644),
        ("usr/lib/sysctl.d/60-rtjam.conf", 0o644),
        ("usr/share/doc/rtjam-server/SERVER.md", 0o644),
        ("usr/share/doc/rtjam-server/CHANGELOG.md", 0o644),
        ("usr/share/doc/rtjam-server/LICENSE-MIT", 0o644),
        ("usr/share/doc/rtjam-server/LICENSE-APACHE", 0o644),
    ] {
        assert_eq!(mode(&root.join(file)), wanted, "{file}");
    }
}

/// Its version is the program's, its settings survive an upgrade, and its scripts are executable shell scripts.
fn has_metadata(root: &Path) {
    let control = fs::read_to_string(root.join("DEBIAN/control")).expect("a control file");
    let version = output_of(Command::new(root.join("usr/bin/rtjam-server")).arg("--version"));
    let version = version.split_whitespace().last().expect("a version");
    assert!(control.lines().any(|l| l == format!("Version: {version}")), "{control}");
    assert!(control.lines().any(|l| l == "Package: rtjam-server") && !control.contains('@'), "{control}");
    let kept = fs::read_to_string(root.join("DEBIAN/conffiles")).expect("a list");
    assert_eq!(kept.trim(), "/etc/rtjam-server/server.toml");
    for script in ["postinst", "prerm", "postrm"] {
        let script = root.join("DEBIAN").join(script);
        assert_eq!(mode(&script), 0o755);
        output_of(Command::new("sh").arg("-n").arg(&script));
    }
}

/// Debug information is a separate package, in which debuggers find it by the program's build id.
fn has_its_debug_information_apart(package: &Path, root: &Path) {
    let name = package.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let apart = package.with_file_name(name.replace("rtjam-server_", "rtjam-server-dbgsym_"));
    let symbols = "usr/lib/debug/usr/bin/rtjam-server.debug";
    let debug_root = Scratch::new("debug-root");
    output_of(Command::new("dpkg-deb").arg("-x").arg(&apart).arg(debug_root.path()));
    assert_eq!(mode(&debug_root.path().join(symbols)), 0o644);
    assert!(!root.join("usr/lib/debug").exists(), "the server's package has no debug information");
    let program = output_of(Command::new("objdump").arg("-h").arg(root.join("usr/bin/rtjam-server")));
    assert!(!program.contains(".debug_line") && program.contains(".gnu_debuglink"), "{program}");
    assert!(output_of(Command::new("objdump").arg("-h").arg(debug_root.path().join(symbols))).contains(".debug_line"));
    let control = output_of(Command::new("dpkg-deb").arg("-f").arg(&apart));
    assert!(control.contains("Package: rtjam-server-dbgsym") && control.contains("Section: debug"), "{control}");
}

/// If systemd is installed, it accepts the unit. systemd checks that the program exists, so this verifies a copy of the
/// unit whose paths begin with the root folder.
fn systemd_accepts_its_unit(root: &Path) {
    if !machine::has_program("systemd-analyze") {
        eprintln!("systemd-analyze is not installed: the unit is not verified");
        return;
    }
    let unit = root.join("rtjam-server.service");
    let text = fs::read_to_string(root.join(UNIT)).expect("a unit");
    let program = root.join("usr/bin/rtjam-server");
    fs::write(&unit, text.replace("=/usr/bin/rtjam-server", &format!("={}", program.display()))).expect("written");
    let mut verify = Command::new("systemd-analyze");
    let Output { stderr, .. } = verify.arg("verify").arg("--man=no").arg(&unit).output().expect("it can be started");
    // Other units of this machine may be faulty.
    let complaints = String::from_utf8_lossy(&stderr);
    let ours: Vec<&str> = complaints.lines().filter(|l| l.contains("rtjam-server.service")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

fn runs_as_its_unit_says(root: &Path) {
    let unit = fs::read_to_string(root.join(UNIT)).expect("a unit");
    let start = unit.lines().find_map(|l| l.strip_prefix("ExecStart=")).expect("it starts something");
    let words: Vec<&str> = start.split_whitespace().collect();
    // Absolute paths are those of the machine on which the package is installed.
    let here = |word: &str| word.strip_prefix('/').map_or(PathBuf::from(word), |path| root.join(path));
    let state = root.join("var/lib/rtjam-server");
    fs::create_dir_all(&state).expect("a folder");
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(here(words[0]));
    command.args(words[1..].iter().map(|word| here(word))).env("STATE_DIRECTORY", &state);
    // Not this machine's default port and addresses.
    command.args(["--listen", &address, "--public-address", &address]);
    let mut server = Child::start(&mut command, None);
    let invite = server.wait_out("invite line", START, |l| l.strip_prefix("invite: ").map(str::to_owned));
    assert!(invite.starts_with(&format!("rtjam://{address}/lobby#")), "{invite}");
    assert!(get(port, "/health").contains("200 OK"));
    assert!(state.join("rooms.sqlite3").is_file(), "its data are in the unit's folder");
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait_exit(START), 0, "{}", server.transcript());
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}
