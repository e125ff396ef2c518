//! Clients leave no threads or descriptors behind. This file has one test, since it counts those of the process.

mod common;

use common::{client, link, listener};
use rtjam_protocol::link::{Link, Pin};
use std::fs;
use std::time::{Duration, Instant};

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.count())
}

/// The number of threads and descriptors of this process.
fn held() -> (usize, usize) {
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

/// A thousand clients leave no thread and no descriptor, and each ends within 300 ms.
#[test]
fn clients_leave_nothing_behind() {
    if !fs::exists("/proc/self/task").unwrap_or(false) {
        eprintln!("skipped: this system has no /proc/self/task to count in");
        return;
    }
    // With its `signal` feature, which the server enables for the whole workspace, tokio's first runtime in a process
    // keeps a pair of sockets.
    drop(tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime"));

    // A client that never joins has none of either.
    let before = held();
    let idle = client();
    assert_eq!(held(), before);
    drop(idle);

    let (silent, address) = listener();
    let (closed, nobody) = listener();
    drop(closed);
    let links = [
        link("127.0.0.1", nobody.port(), Pin([1; 16])),
        link("127.0.0.1", address.port(), Pin([1; 16])),
        link("no-such-server.invalid", 7891, Pin([1; 16])),
    ];
    let mut longest = Duration::ZERO;
    for n in 0..1000 {
        let client = client();
        client.join(Link::Room(links[n % 2].clone()));
        if n % 50 == 0 {
            // Some get as far as the handshake, or wait for a name server.
            client.join(Link::Room(links[n / 50 % 3].clone()));
            std::thread::sleep(Duration::from_millis(20));
        }
        let begun = Instant::now();
        drop(client);
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < Duration::from_millis(300), "leaving took {longest:?}");
    drop(silent);

    // Name lookups that hang end when the system gives up.
    let until = Instant::now() + Duration::from_secs(60);
    while held() != before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(held(), before, "threads and descriptors");
}
