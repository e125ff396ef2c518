//! The start of the server, its output, and its errors.

mod support;

use rtjam_protocol::link::Role;
use std::process::Command;
use support::{Server, TempDir, control, failure, has_namespaces, http, invite, program, run, skipped};

/// The server prints the addresses of the web page and an invite link, and both work.
#[test]
fn page_and_invite_are_served() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    assert_eq!(server.page, format!("http://{}/", server.address()));
    assert_eq!(server.link.room.as_str(), "lobby");
    assert_eq!(server.link.key.as_ref().map(|k| k.role), Some(Role::Musician));

    let page = http(server.address(), "GET /", "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("rtjam --join"), "{page}");
    assert!(page.to_lowercase().contains("content-security-policy"), "{page}");
    assert!(http(server.address(), "GET /health", "").ends_with("\r\n\r\nok"));
    assert!(http(server.address(), "GET /nothing", "").starts_with("HTTP/1.1 404"));

    let (_control, joined) = control::join(&server.link, 1);
    let media: Vec<u16> = joined.expect("a seat").media.iter().map(|m| m.port).collect();
    assert_eq!(media, [server.address().port()]);
}

#[test]
fn ipv4_and_ipv6_are_served() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "[::1]:0", "--listen", "127.0.0.1:0"]);
    assert!(server.page.starts_with("http://[::1]:"), "{}", server.page);
    support::eventually("both in the log", || server.log().matches("TCP and UDP").count() == 2);
}

/// Without arguments the server listens on all addresses, even without a default route.
#[test]
fn default_listens_on_all_addresses() {
    if !has_namespaces() {
        return;
    }
    let dir = TempDir::new();
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_rtjam-server")).env("STATE_DIRECTORY", dir.data());
    let server = Server::launch(&dir, &mut command);
    assert_eq!(server.page, "http://127.0.0.1:7891/");
    server.wait_for_log("listening on 0.0.0.0:7891");
    server.wait_for_log("listening on [::]:7891");
    assert!(dir.data().join("rooms.sqlite3").exists());
}

#[test]
fn logs_and_page_hold_no_secret() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--log", "trace"]);
    let link = server.link.to_string();
    let (mut control, joined) = control::join(&server.link, 1);
    let joined = joined.expect("a seat");
    control.say(&rtjam_protocol::control::ClientMessage::Bye);
    while control.hear().is_some() {}
    server.wait_for_log("ended");
    let key = link.split_once('#').expect("a key").1;
    let secrets = [
        key.to_owned(),
        rtjam_protocol::control::write(&joined.resume),
        rtjam_protocol::control::write(&joined.keys.up),
        rtjam_protocol::control::write(&server.link.key.as_ref().expect("a key").secret),
    ];
    let log = server.log();
    for secret in secrets {
        assert!(!log.contains(secret.trim_matches('"')), "{log}");
    }
    assert!(!http(server.address(), "GET /", "").contains(key));
}

#[test]
fn control_without_tls_is_refused() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = http(server.address(), "GET /control", headers);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("wss://"), "{answer}");
}

/// Browsers are shown the operator's certificate, and native clients the server's own.
#[test]
fn browsers_see_the_operators_certificate() {
    let dir = TempDir::new();
    let openssl = Command::new("openssl")
        .current_dir(&dir.0)
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=jam -keyout k -out c".split(' '))
        .output();
    if !openssl.is_ok_and(|o| o.status.success()) {
        return skipped("there is no openssl here to make a certificate");
    }
    let (cert, key) = (dir.0.join("c"), dir.0.join("k"));
    let (cert, key) = (cert.to_str().expect("text"), key.to_str().expect("text"));
    let server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
    assert!(server.page.starts_with("https://"));
    let (_, native) = control::tls(server.address(), &[rtjam_protocol::control::ALPN]);
    let (_, browser) = control::tls(server.address(), &[b"http/1.1"]);
    let (_, neither) = control::tls(server.address(), &[]);
    assert_ne!(native, browser);
    assert_eq!(browser, neither);
    assert!(control::join(&server.link, 1).1.is_ok());
}

/// `invite` works before the first start, beside a running server, and for a new room.
#[test]
fn invite_works_without_the_server() {
    let dir = TempDir::new();
    let before = invite(&dir, &[]);
    assert_eq!(before.port, 7891);
    let server = Server::start(&dir);
    assert_eq!(before.key, server.link.key);
    assert_eq!(invite(&dir, &[]), server.link);

    let thursday = invite(&dir, &["Thursday Jam", "--role", "moderator"]);
    assert_eq!(thursday.room.as_str(), "Thursday Jam");
    assert!(control::join(&thursday, 1).1.is_ok());

    let public = invite(&dir, &["--public-address", "jam.example.org:9000"]);
    assert_eq!((public.host.to_string().as_str(), public.port), ("jam.example.org", 9000));
}

/// A link that works only on this network or machine comes with a warning on stderr.
#[test]
fn private_address_causes_a_warning() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    server.wait_for_log("only on this machine");
    let data = dir.data();
    let data = data.to_str().expect("text");
    let output = run(&["invite", "--data", data]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("only on this machine"));
    let output = run(&["invite", "--data", data, "--public-address", "jam.example.org"]);
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// Settings from a file take effect; an error names the line of a wrong key.
#[test]
fn config_file_replaces_flags() {
    let dir = TempDir::new();
    let config = dir.0.join("server.toml");
    std::fs::write(&config, "listen = \"127.0.0.1:0\"\npublic-address = \"jam.example.org:9000\"\n").expect("written");
    let server = Server::launch(&dir, program().arg("--data").arg(dir.data()).arg("--config").arg(&config));
    assert_eq!(server.page, "http://jam.example.org:9000/");

    std::fs::write(&config, "# my server\nlisten = \"127.0.0.1:0\"\nmax_musicians = 5\n").expect("written");
    let (code, said) = failure(program().arg("--config").arg(&config));
    assert_eq!(code, Some(2));
    assert!(said.contains("server.toml, line 3") && said.contains("max_musicians"), "{said}");

    let (code, said) = failure(program().arg("--config").arg(dir.0.join("missing.toml")));
    assert_eq!(code, Some(2));
    assert!(said.contains("missing.toml cannot be read"), "{said}");
}

#[test]
fn error_names_a_taken_port() {
    let (dir, other) = (TempDir::new(), TempDir::new());
    let server = Server::start(&dir);
    let address = server.address().to_string();
    let (code, said) = failure(program().args(["--listen", &address, "--data"]).arg(other.data()));
    assert_eq!(code, Some(1));
    let port = server.address().port();
    assert!(said.contains(&format!("port {port} is taken")) && said.contains("--listen"), "{said}");
}

#[test]
fn second_server_is_refused() {
    let dir = TempDir::new();
    let _server = Server::start(&dir);
    let (code, said) = failure(program().args(["--listen", "127.0.0.1:0", "--data"]).arg(dir.data()));
    assert_eq!(code, Some(1));
    assert!(said.contains("Another rtjam-server") && said.contains("--data"), "{said}");
}

#[test]
fn error_names_an_unwritable_data_folder() {
    let dir = TempDir::new();
    std::fs::write(dir.data(), "in the way").expect("written");
    for arguments in [&["--listen", "127.0.0.1:0"][..], &["invite"]] {
        let (code, said) = failure(program().args(arguments).arg("--data").arg(dir.data()));
        assert_eq!(code, Some(1));
        assert!(said.contains("cannot be written") && said.contains("--data"), "{said}");
    }
}

#[test]
fn error_names_a_read_only_folder() {
    if !has_namespaces() {
        return;
    }
    let dir = TempDir::new();
    std::fs::create_dir(dir.data()).expect("a folder");
    let (code, said) = failure(&mut on_tmpfs(&dir, "size=1m,ro", &["--listen", "127.0.0.1:0"]));
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot be written") && said.contains("--data"), "{said}");
}

/// An error at the start names a full disk.
#[test]
fn error_names_a_full_disk() {
    if !has_namespaces() {
        return;
    }
    let dir = TempDir::new();
    std::fs::create_dir(dir.data()).expect("a folder");
    for size in ["size=4k", "size=16k", "size=48k"] {
        let (code, said) = failure(&mut on_tmpfs(&dir, size, &["--listen", "127.0.0.1:0"]));
        assert_eq!(code, Some(1));
        assert!(said.contains("full") && said.contains("--data"), "{said}");
    }
}

/// Musicians can join while the disk is full, and the log names the disk once.
#[test]
fn joins_work_on_a_full_disk() {
    if !has_namespaces() {
        return;
    }
    let dir = TempDir::new();
    std::fs::create_dir(dir.data()).expect("a folder");
    let mut server = Server::launch(&dir, &mut on_tmpfs(&dir, "size=1m", &["--listen", "127.0.0.1:0"]));
    // Only the server's mount namespace contains the file system.
    let seen = format!("/proc/{}/root{}/filler", server.child.id(), dir.data().display());
    let filled = std::fs::write(&seen, vec![1; 2 << 20]).expect_err("1 MiB holds no 2 MiB");
    assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
    assert!(control::join(&server.link, 1).1.is_ok());
    server.wait_for_log("the disk is full");
    assert!(server.log().contains("Make room"), "{}", server.log());
    // Reads still work, which must neither be logged nor count as health.
    for who in 3..6 {
        assert!(control::join(&server.link, who).1.is_ok());
        assert!(http(server.address(), "GET /health", "").starts_with("HTTP/1.1 503"));
    }
    assert_eq!(server.log().matches("the disk is full").count(), 1, "{}", server.log());
    assert!(!server.log().contains("again"), "{}", server.log());

    std::fs::remove_file(&seen).expect("removed");
    // Nobody joins, but `/health` tests a write.
    support::eventually("health", || http(server.address(), "GET /health", "").ends_with("\r\n\r\nok"));
    server.wait_for_log("the database can be written again");
    assert_eq!(server.child.try_wait().expect("a child"), None);
}

/// The program with its data folder on a small file system.
fn on_tmpfs(dir: &TempDir, options: &str, arguments: &[&str]) -> Command {
    let script = format!("mount -t tmpfs -o {options} tmpfs \"$1\" && shift && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(dir.data());
    command.arg(env!("CARGO_BIN_EXE_rtjam-server")).arg("--data").arg(dir.data()).args(arguments);
    command
}

#[test]
fn error_names_bad_tls_files() {
    let dir = TempDir::new();
    let missing = dir.0.join("missing.pem");
    let command = |flags: &[&str]| {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(dir.data());
        for flag in flags {
            command.arg(flag).arg(&missing);
        }
        command
    };
    let (code, said) = failure(&mut command(&["--tls-cert", "--tls-key"]));
    assert_eq!(code, Some(1));
    assert!(said.contains("missing.pem cannot be read"), "{said}");
    let (code, said) = failure(&mut command(&["--tls-cert"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("--tls-key"), "{said}");
}

/// Wrong flags exit with 2 and show an example.
#[test]
fn bad_flags_exit_with_2() {
    for (flags, said_so) in [
        (&["--listen", "7891"][..], "0.0.0.0:7891"),
        (&["--public-address", "a b"], "jam.example.org"),
        (&["--max-musicians", "none"], "not a whole number"),
        (&["invite", "--role", "king"], "musician"),
        (&["--nonsense"], "--help"),
    ] {
        let (code, said) = failure(program().args(flags));
        assert_eq!(code, Some(2), "{flags:?}");
        assert!(said.contains(said_so), "{said}");
    }
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}
