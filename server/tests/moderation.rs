//! Renewing links, kicking and banning while the server runs.

mod support;

use rtjam_protocol::control::{Refusal, SeatRole, ServerMessage};
use rtjam_protocol::server::rooms::identity_text;
use std::time::{Duration, Instant};
use support::control::{Control, join, join_as};
use support::{Server, TempDir, failure, invite, program};

/// Runs a command on the server's data folder and returns its output.
fn command(dir: &TempDir, arguments: &[&str]) -> String {
    let (command, rest) = arguments.split_first().expect("a command");
    let output = program().arg(command).arg("--data").arg(dir.data()).args(rest).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn refusal(control: &mut Control) -> Refusal {
    control.wait_for(|m| if let ServerMessage::Refused(refused) = m { Some(refused.reason) } else { None })
}

/// `invite --renew` ends the sessions of the old link within 2 s and invalidates their resume tokens. Other roles are not
/// affected.
#[test]
fn renewed_link_ends_its_sessions() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let listeners = invite(&dir, &["--role", "listener"]);
    let (mut ann, joined) = join(&server.link, 1);
    let (mut cat, listens) = join_as(&listeners, 3, SeatRole::Listener, None);
    assert!(listens.is_ok());
    let renewed = invite(&dir, &["--renew"]);
    let start = Instant::now();
    assert_eq!(refusal(&mut ann), Refusal::SecretRenewed);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(ann.hear(), None, "the connection is closed");
    let resume = joined.expect("a seat").resume;
    assert_eq!(join_as(&server.link, 1, SeatRole::Musician, Some(resume)).1.err(), Some(Refusal::SecretRenewed));
    assert!(join(&renewed, 1).1.is_ok());
    let listeners =
        cat.wait_for(|m| if let ServerMessage::Roster { listeners, .. } = m { Some(*listeners) } else { None });
    assert_eq!(listeners, 1);
}

/// With `--keep-sessions`, sessions continue and can resume, but the old link admits nobody new.
#[test]
fn kept_sessions_continue_after_renewal() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (ann, joined) = join(&server.link, 1);
    invite(&dir, &["--renew", "--keep-sessions"]);
    assert_eq!(join(&server.link, 2).1.err(), Some(Refusal::WrongSecret));
    // The answer shows that the server has read its store since then.
    assert!(command(&dir, &["list", "lobby"]).contains("Musician 1"));
    drop(ann);
    let resume = joined.expect("a seat").resume;
    let (_ann, again) = join_as(&server.link, 1, SeatRole::Musician, Some(resume));
    assert!(again.is_ok_and(|joined| joined.resumed));
}

/// A musician who is kicked by slot, name, identity or address is told so and can join again.
#[test]
fn kick_ends_the_session() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (mut ben, joined) = join(&server.link, 2);
    let joined = joined.expect("a seat");
    let listed = command(&dir, &["list", "lobby"]);
    let musician = ben.hello(2).musician;
    assert_eq!(listed, format!("lobby\t1\tmusician\tMusician 2\t127.0.0.1\t{}\n", identity_text(&musician)));
    assert_eq!(joined.source.0, 1);
    for who in ["1", "Musician 2", &identity_text(&musician), "127.0.0.1"] {
        let said = command(&dir, &["kick", "lobby", "--", who]);
        assert!(said.starts_with("Kicked from lobby: 1\tmusician\tMusician 2\t"), "{said}");
        assert_eq!(refusal(&mut ben), Refusal::Kicked);
        let again = join(&server.link, 2);
        assert!(again.1.is_ok());
        ben = again.0;
    }
}

/// A ban keeps out identity and address, even after a restart, until it is lifted.
#[cfg(unix)]
#[test]
fn ban_survives_restart_until_lifted() {
    let dir = TempDir::new();
    let mut server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--limit-loopback"]);
    let (mut ann, _) = join(&server.link, 1);
    let said = command(&dir, &["ban", "lobby", "Musician 1"]);
    assert!(
        said.starts_with("Banned from lobby: Musician 1, identity ") && said.ends_with("address 127.0.0.1\n"),
        "{said}"
    );
    assert_eq!(refusal(&mut ann), Refusal::Banned);
    server.signal(libc::SIGTERM);
    server.wait();
    let address = server.address().to_string();
    let server = Server::start_with(&dir, &["--listen", &address, "--limit-loopback"]);
    assert_eq!(join(&server.link, 1).1.err(), Some(Refusal::Banned));
    assert_eq!(join(&server.link, 2).1.err(), Some(Refusal::Banned), "the address is banned too");
    assert!(command(&dir, &["bans"]).starts_with("1\tlobby\tMusician 1, identity "));
    assert!(command(&dir, &["unban", "lobby", "1"]).starts_with("No longer banned from lobby: Musician 1"));
    assert!(join(&server.link, 1).1.is_ok());
    // A ban by identity needs no running server.
    let (mut ben, _) = join(&server.link, 2);
    let identity = identity_text(&ben.hello(2).musician);
    command(&dir, &["ban", "lobby", "--", &identity]);
    assert_eq!(refusal(&mut ben), Refusal::Banned);
    assert_eq!(join(&server.link, 2).1.err(), Some(Refusal::Banned));
    assert!(join(&server.link, 3).1.is_ok());
}

/// Errors say what to do.
#[test]
fn wrong_commands_say_what_to_do() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let fails = |arguments: &[&str]| failure(program().args(arguments).arg("--data").arg(dir.data()));
    for (arguments, said) in [
        (&["kick", "lobby", "7"][..], "Nobody in the room lobby matches slot 7. To see who is there"),
        (&["kick", "cellar", "7"], "There is no room \"cellar\" in this data folder. Its rooms are: \"lobby\"."),
        (&["ban", "lobby", "Zoe"], "Nobody in the room lobby matches \"Zoe\""),
        (&["unban", "lobby", "Zoe"], "No ban of the room lobby matches. To see its bans"),
    ] {
        let (code, message) = fails(arguments);
        assert!(code == Some(1) && message.contains(said), "{arguments:?}: {code:?} {message}");
    }
    drop(server);
    let (code, message) = fails(&["list"]);
    assert!(code == Some(1) && message.contains("No rtjam-server is running on the data folder"), "{message}");
}

/// An identity has at most four seats of a room, and an address at most sixteen new identities a minute.
#[test]
fn one_link_fills_no_room() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--limit-loopback"]);
    let mut seated: Vec<_> = (0..4).map(|_| join(&server.link, 1)).collect();
    assert!(seated.iter().all(|(_, joined)| joined.is_ok()));
    assert_eq!(join(&server.link, 1).1.err(), Some(Refusal::TooManyInstances));
    seated.extend((2..=16).map(|who| join(&server.link, who)));
    assert!(seated.iter().all(|(_, joined)| joined.is_ok()));
    assert_eq!(join(&server.link, 17).1.err(), Some(Refusal::TooManyFromNetwork));
    assert!(join(&server.link, 16).1.is_ok(), "the identity is known");
    drop(server);

    let dir = TempDir::new();
    let exempt = ["--listen", "127.0.0.1:0", "--limit-loopback", "--exempt-network", "127.0.0.0/8"];
    let server = Server::start_with(&dir, &exempt);
    let seated: Vec<_> = (1..=20).map(|who| join(&server.link, who)).collect();
    assert!(seated.iter().all(|(_, joined)| joined.is_ok()));
}
