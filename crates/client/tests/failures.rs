//! Every way in which a server cannot be reached is told in a sentence that says what to do, and is retried where
//! that can help.

mod common;

use common::{ServerKey, client, link, listener, wait_for, wait_for_sentence};
use rtjam_client::State;
use rtjam_protocol::link::Pin;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const ANY: Pin = Pin([9; 16]);

/// Handles each connection with `serve`, on a thread of its own, for as long as the test runs.
fn serve(listener: TcpListener, serve: impl Fn(TcpStream) + Send + Sync + 'static) {
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
}

/// What a server gets.
struct Heard {
    dials: Receiver<()>,
    requests: Receiver<String>,
}

/// A TLS server that answers every request with `answer`.
fn serve_tls(listener: TcpListener, config: Arc<ServerConfig>, answer: &'static str) -> Heard {
    let (dialled, dials) = channel();
    let (requests, heard) = channel();
    serve(listener, move |stream| {
        let _ = dialled.send(());
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        let mut tls = StreamOwned::new(connection, stream);
        let mut buffer = [0; 4096];
        if let Ok(len) = tls.read(&mut buffer)
            && len > 0
        {
            let _ = requests.send(String::from_utf8_lossy(&buffer[..len]).into_owned());
            let _ = tls.write_all(answer.as_bytes());
            let _ = tls.flush();
            // Until the client hangs up.
            while tls.read(&mut buffer).is_ok_and(|len| len > 0) {}
        }
    });
    Heard { dials, requests: heard }
}

#[test]
fn a_link_without_a_key_is_told_so_at_once() {
    let client = client();
    client.join("rtjam://127.0.0.1/lobby".parse().expect("a link"));
    let status = wait_for_sentence(&client, "Ask for the whole invite link");
    assert_eq!((status.state, status.room.as_deref()), (State::Refused, Some("lobby")));
}

#[test]
fn a_name_that_nobody_has() {
    let client = client();
    client.join(link("no-such-server.invalid", 7891, ANY).into());
    assert_eq!(client.status().state, State::Connecting);
    let status = wait_for_sentence(&client, "The server no-such-server.invalid was not found. Check the link and your");
    assert_eq!(status.state, State::Connecting);
}

#[test]
fn a_server_that_does_not_run_is_told_and_joined_once_it_does() {
    let (listener, address) = listener();
    drop(listener);
    let client = client();
    client.join(link("127.0.0.1", address.port(), ANY).into());
    wait_for_sentence(&client, &format!("Nothing answers at {address}"));
    let listener = TcpListener::bind(address).expect("the port again");
    let (dialled, dials) = channel();
    serve(listener, move |_| _ = dialled.send(()));
    dials.recv_timeout(Duration::from_secs(2)).expect("another try within 2 s");
}

#[test]
fn a_server_that_takes_the_connection_and_says_nothing() {
    let (listener, address) = listener();
    let client = client();
    client.join(link("127.0.0.1", address.port(), ANY).into());
    let status = wait_for_sentence(&client, &format!("The server {address} does not answer"));
    assert_eq!(status.state, State::Connecting);
    drop(listener);
}

#[test]
fn something_that_is_no_room_server() {
    let (listener, address) = listener();
    serve(listener, |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let client = client();
    client.join(link("127.0.0.1", address.port(), ANY).into());
    wait_for_sentence(&client, &format!("What answers at {address} is no RTJam server"));
}

#[test]
fn the_pinned_key_counts_and_not_the_dates_and_names_of_its_certificate() {
    let key = ServerKey::new();
    let (listener, address) = listener();
    let heard = serve_tls(listener, key.tls(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let client = client();
    client.join(link("127.0.0.1", address.port(), key.pin).into());
    let request = heard.requests.recv_timeout(Duration::from_secs(5)).expect("a request");
    assert!(request.starts_with("GET /control HTTP/1.1\r\n"), "{request}");
    // The key is right, but this is a web server.
    wait_for_sentence(&client, "no RTJam server");
}

/// A server with another key is told nothing and is tried again, with pauses, until the musician leaves.
#[test]
fn wrong_server_hears_nothing_and_is_retried() {
    let (key, another) = (ServerKey::new(), ServerKey::new());
    let (listener, address) = listener();
    let heard = serve_tls(listener, another.tls(), "");
    let client = client();
    client.join(link("127.0.0.1", address.port(), key.pin).into());
    let status = wait_for_sentence(&client, "is not the server that the invitation was made for");
    assert_eq!(status.state, State::Connecting);
    for _ in 0..3 {
        heard.dials.recv_timeout(Duration::from_secs(30)).expect("another try");
    }
    assert!(heard.requests.try_recv().is_err(), "something was said to a stranger");
    client.leave();
    wait_for(&client, "leave", Duration::from_secs(1), |s| s.state == State::Offline && s.sentence.is_none());
}

#[test]
fn showing_the_pinned_certificate_is_not_enough() {
    let (key, thief) = (ServerKey::new(), ServerKey::new());
    let (listener, address) = listener();
    let heard = serve_tls(listener, key.tls_signing_as(&thief), "");
    let client = client();
    client.join(link("127.0.0.1", address.port(), key.pin).into());
    let status = wait_for_sentence(&client, "is not the server that the invitation was made for");
    assert_eq!(status.state, State::Connecting);
    assert!(heard.requests.try_recv().is_err(), "something was said to a thief");
}

#[test]
fn joining_elsewhere_leaves_the_first_room_alone() {
    let (first, first_address) = listener();
    let (second, second_address) = listener();
    let client = client();
    client.join(link("127.0.0.1", first_address.port(), ANY).into());
    client.join(link("127.0.0.1", second_address.port(), ANY).into());
    wait_for_sentence(&client, &format!("The server {second_address} does not answer"));
    drop((first, second));
}
