//! Instances come and go, and cost little while they do nothing.

use rtjam_load::process::usage;
use rtjam_tests::claphost::{Buffers, Events, IDS, Library};

/// Threads and open files of this process.
fn threads_and_files() -> (usize, usize) {
    let count = |folder| std::fs::read_dir(folder).expect("Linux has it").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// Resident memory of this process, in KiB.
fn held() -> u64 {
    usage(std::process::id()).rss_kib
}

/// So between calls it takes no processor time either.
#[test]
fn an_instance_that_never_joined_has_no_thread_socket_or_file() {
    let library = Library::load();
    let before = threads_and_files();
    let plugins: Vec<_> = IDS.iter().cycle().take(6).map(|id| library.plugin(id)).collect();
    for plugin in &plugins {
        // A project with a room: nothing happens before there is audio, and without the wish to rejoin not even then.
        let project = br#"{"rtjam":1,"link":"rtjam://127.0.0.1:9/lobby#AQEHBwcHBwcHBwcHBwcHBwcH","rejoin":false}"#;
        assert!(plugin.load(project));
        assert!(plugin.activate(48_000.0, 64));
        let mut buffers = Buffers::new(64, 13);
        for _ in 0..200 {
            buffers.process(plugin.raw(), 64, &mut Events::none());
        }
    }
    assert_eq!(threads_and_files(), before);
}

#[test]
fn two_hundred_loads_and_unloads() {
    let cycle = || {
        let library = Library::load();
        let plugins = IDS.map(|id| library.plugin(id));
        for plugin in &plugins {
            assert!(plugin.activate(48_000.0, 64));
            Buffers::new(64, 13).process(plugin.raw(), 64, &mut Events::none());
        }
    };
    (0..20).for_each(|_| cycle());
    let (before, at_first) = (threads_and_files(), held());
    (0..180).for_each(|_| cycle());
    assert_eq!(threads_and_files(), before);
    let grown = held().saturating_sub(at_first);
    println!("180 loads and unloads: {grown} KiB more");
    assert!(grown < 4_096, "{grown} KiB were not given back");
}

#[test]
fn an_instance_costs_less_than_twenty_megabytes() {
    let library = Library::load();
    for id in IDS {
        let at_first = held();
        let plugin = library.plugin(id);
        assert!(plugin.activate(48_000.0, 64));
        let mut buffers = Buffers::new(64, 13);
        for _ in 0..1_000 {
            buffers.process(plugin.raw(), 64, &mut Events::none());
        }
        let grown = held().saturating_sub(at_first);
        println!("{id}: {grown} KiB");
        assert!(grown < 20_000, "{id} takes {grown} KiB");
    }
}
