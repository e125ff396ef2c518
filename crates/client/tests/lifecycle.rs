//! Clients come and go without a trace. One test a process: it counts the process's threads and descriptors.

mod common;

use common::{client, link, listener};
use rtjam_protocol::link::Pin;
use std::fs;
use std::time::{Duration, Instant};

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.count())
}

/// Threads and descriptors of this process.
fn held() -> (usize, usize) {
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

#[test]
fn a_thousand_clients_leave_no_thread_and_no_descriptor_and_each_is_gone_in_time() {
    if !fs::exists("/proc/self/task").unwrap_or(false) {
        eprintln!("skipped: this system has no /proc/self/task to count in");
        return;
    }
    // Of its first runtime tokio keeps a pair of sockets for signals, once a process, where the build has its `signal`
    // feature: the server asks for it, and so in the workspace's build this test has it, too.
    drop(tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime"));

    // One that never joins has nothing to leave behind.
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
        client.join(links[n % 2].clone().into());
        if n % 50 == 0 {
            // Some get as far as the handshake, or hang at a name server.
            client.join(links[n / 50 % 3].clone().into());
            std::thread::sleep(Duration::from_millis(20));
        }
        let begun = Instant::now();
        drop(client);
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < Duration::from_millis(300), "leaving took {longest:?}");
    drop(silent);

    // Lookups that hang are the system's, and end when it gives up.
    let until = Instant::now() + Duration::from_secs(60);
    while held() != before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(held(), before, "threads and descriptors");
}
