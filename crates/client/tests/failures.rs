//! Each way in which a server cannot be reached has its own condition, and is retried where that can help.

mod common;

use common::{ServerKey, client, link, listener, wait_for, wait_for_error};
use rtjam_client::{Condition, ConnectionError, SessionState};
use rtjam_protocol::link::{Link, Pin};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const ANY: Pin = Pin([9; 16]);

/// Handles each connection with `serve` on a thread of its own, as long as the test runs.
fn serve(listener: TcpListener, serve: impl Fn(TcpStream) + Send + Sync + 'static) {
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
}

/// What a server receives.
struct Received {
    dials: Receiver<()>,
    requests: Receiver<String>,
}

/// A TLS server that answers every request with `answer`.
fn serve_tls(listener: TcpListener, config: Arc<ServerConfig>, answer: &'static str) -> Received {
    let (dialled, dials) = channel();
    let (requests, received) = channel();
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
            // Until the client closes.
            while tls.read(&mut buffer).is_ok_and(|len| len > 0) {}
        }
    });
    Received { dials, requests: received }
}

/// A link without its key is refused at once.
#[test]
fn link_without_key_is_refused() {
    let client = client();
    client.join("rtjam://127.0.0.1/lobby".parse().expect("a link"));
    let status = wait_for(&client, "refusal", Duration::from_secs(10), |s| s.condition == Some(Condition::NoKey));
    assert_eq!((status.state, status.room.as_deref()), (SessionState::Refused, Some("lobby")));
}

/// A name without an address is reported and tried again.
#[test]
fn unknown_name_is_reported() {
    let client = client();
    client.join(Link::Room(link("no-such-server.invalid", 7891, ANY)));
    assert_eq!(client.status().state, SessionState::Connecting);
    let status = wait_for_error(&client, ("no-such-server.invalid", 7891), &ConnectionError::NameNotFound);
    assert_eq!(status.state, SessionState::Connecting);
}

/// A server that does not run is reported, and joined once it does.
#[test]
fn stopped_server_is_retried() {
    let (listener, address) = listener();
    drop(listener);
    let client = client();
    client.join(Link::Room(link("127.0.0.1", address.port(), ANY)));
    wait_for_error(&client, ("127.0.0.1", address.port()), &ConnectionError::NothingListens);
    let listener = TcpListener::bind(address).expect("the port again");
    let (dialled, dials) = channel();
    serve(listener, move |_| _ = dialled.send(()));
    dials.recv_timeout(Duration::from_secs(2)).expect("another try within 2 s");
}

/// A server that accepts the connection and stays silent is reported.
#[test]
fn silent_server_is_reported() {
    let (listener, address) = listener();
    let client = client();
    client.join(Link::Room(link("127.0.0.1", address.port(), ANY)));
    let status = wait_for_error(&client, ("127.0.0.1", address.port()), &ConnectionError::NoAnswer);
    assert_eq!(status.state, SessionState::Connecting);
    drop(listener);
}

/// Another protocol on the port is not an RTJam server.
#[test]
fn foreign_protocol_is_not_rtjam() {
    let (listener, address) = listener();
    serve(listener, |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let client = client();
    client.join(Link::Room(link("127.0.0.1", address.port(), ANY)));
    wait_for_error(&client, ("127.0.0.1", address.port()), &ConnectionError::NotRtjam);
}

/// The pinned key counts, not the dates and names of its certificate.
#[test]
fn pin_ignores_certificate_dates() {
    let key = ServerKey::new();
    let (listener, address) = listener();
    let received = serve_tls(listener, key.tls(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let client = client();
    client.join(Link::Room(link("127.0.0.1", address.port(), key.pin)));
    let request = received.requests.recv_timeout(Duration::from_secs(5)).expect("a request");
    assert!(request.starts_with("GET /control HTTP/1.1\r\n"), "{request}");
    // The key is right, but this is a web server.
    wait_for_error(&client, ("127.0.0.1", address.port()), &ConnectionError::NotRtjam);
}

/// A server with another key is sent nothing and is tried again, with pauses, until the musician leaves.
#[test]
fn wrong_server_hears_nothing_and_is_retried() {
    let (key, another) = (ServerKey::new(), ServerKey::new());
    let (listener, address) = listener();
    let received = serve_tls(listener, another.tls(), "");
    let client = client();
    client.join(Link::Room(link("127.0.0.1", address.port(), key.pin)));
    let status = wait_for_error(&client, ("127.0.0.1", address.port()), &ConnectionError::WrongServer);
    assert_eq!(status.state, SessionState::Connecting);
    for _ in 0..3 {
        received.dials.recv_timeout(Duration::from_secs(30)).expect("another try");
    }
    assert!(received.requests.try_recv().is_err(), "a wrong server was sent something");
    client.leave();
    wait_for(&client, "leave", Duration::from_secs(1), |s| s.state == SessionState::Offline && s.condition.is_none());
}

/// A server must prove that it holds the private key of the pinned certificate.
#[test]
fn showing_the_pinned_certificate_is_not_enough() {
    let (key, thief) = (ServerKey::new(), ServerKey::new());
    let (listener, address) = listener();
    let received = serve_tls(listener, key.tls_signing_as(&thief), "");
    let client = client();
    client.join(Link::Room(link("127.0.0.1", address.port(), key.pin)));
    let status = wait_for_error(&client, ("127.0.0.1", address.port()), &ConnectionError::WrongServer);
    assert_eq!(status.state, SessionState::Connecting);
    assert!(received.requests.try_recv().is_err(), "a thief was sent something");
}

/// Joining another room leaves the first one alone.
#[test]
fn joining_elsewhere_ends_first_attempt() {
    let (first, first_address) = listener();
    let (second, second_address) = listener();
    let client = client();
    client.join(Link::Room(link("127.0.0.1", first_address.port(), ANY)));
    client.join(Link::Room(link("127.0.0.1", second_address.port(), ANY)));
    wait_for_error(&client, ("127.0.0.1", second_address.port()), &ConnectionError::NoAnswer);
    drop((first, second));
}
