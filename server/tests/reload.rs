//! SIGHUP reloads settings and certificates without interruption.
#![cfg(unix)]

mod support;

use rtjam_protocol::control::{ClientMessage, Refusal, ServerMessage};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::control::{Control, join, tls};
use support::{Server, TempDir, eventually, http, skipped};

/// Makes a certificate and its key; `false` without openssl.
fn make_certificate(dir: &Path) -> bool {
    let openssl = Command::new("openssl")
        .current_dir(dir)
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=jam -keyout k -out c".split(' '))
        .output();
    openssl.is_ok_and(|output| output.status.success())
}

fn write(file: &PathBuf, text: &str) {
    std::fs::write(file, text).expect("written");
}

fn reload(server: &Server, times: usize) {
    server.signal(libc::SIGHUP);
    eventually("a reload", || server.log().matches("reloaded settings and certificates").count() == times);
}

fn still_answers(control: &mut Control, id: u32) {
    control.say(&ClientMessage::Ping { id });
    control.wait_for(|m| matches!(m, ServerMessage::Pong { id: answered } if *answered == id).then_some(()));
}

/// Live settings take effect, the log names those that need a restart, and sessions continue.
#[test]
fn sighup_reloads_without_interruption() {
    let dir = TempDir::new();
    let file = dir.0.join("server.toml");
    write(&file, "max-sessions = 1\n");
    let config = file.to_str().expect("text");
    let mut server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--config", config]);
    let (mut ann, joined) = join(&server.link, 1);
    assert!(joined.is_ok());
    assert_eq!(join(&server.link, 2).1.err(), Some(Refusal::ServerFull));

    write(&file, "max-sessions = 9\nmedia-threads = 3\nlog = \"debug\"\n");
    reload(&server, 1);
    assert!(join(&server.link, 2).1.is_ok());
    server.wait_for_log("media-threads has changed");
    eventually("debug lines", || {
        let mut nonsense = TcpStream::connect(server.address()).expect("connected");
        nonsense.write_all(b"\x01 is not a request\r\n\r\n").expect("sent");
        server.log().contains("DEBUG")
    });

    write(&file, "max-sessions = nonsense\n");
    server.signal(libc::SIGHUP);
    server.wait_for_log("All settings stay as they are");
    assert!(join(&server.link, 3).1.is_ok());
    still_answers(&mut ann, 7);
    assert_eq!(server.child.try_wait().expect("a child"), None);
}

/// The certificate and the token are reloaded even without a config file.
#[test]
fn sighup_reloads_the_certificate() {
    let dir = TempDir::new();
    if !make_certificate(&dir.0) {
        return skipped("there is no openssl here to make a certificate");
    }
    let (cert, key, token) = (dir.0.join("c"), dir.0.join("k"), dir.0.join("token"));
    write(&token, "0123456789abcdef\n");
    let text = |path: &PathBuf| path.to_str().expect("text").to_owned();
    let flags = ["--tls-cert", &text(&cert), "--tls-key", &text(&key), "--metrics-token-file", &text(&token)];
    let server = Server::start_with(&dir, &[&["--listen", "127.0.0.1:0"], &flags[..]].concat());
    let shown = || tls(server.address(), &[b"http/1.1"]).1.expect("a key");
    let first = shown();
    assert!(make_certificate(&dir.0));
    write(&token, "fedcba9876543210\n");
    assert_eq!(shown(), first);
    reload(&server, 1);
    assert_ne!(shown(), first);
    let elsewhere = |token: &str| {
        let header = format!("Forwarded: for=203.0.113.7\r\nAuthorization: Bearer {token}\r\n");
        http(server.address(), "GET /metrics", &header).starts_with("HTTP/1.1 200")
    };
    assert!(elsewhere("fedcba9876543210") && !elsewhere("0123456789abcdef"));
    assert!(join(&server.link, 1).1.is_ok());

    write(&cert, "not a certificate\n");
    let now = shown();
    server.signal(libc::SIGHUP);
    server.wait_for_log("holds no certificate");
    assert_eq!(shown(), now);
}
