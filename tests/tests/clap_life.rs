//! Instances may be created and deleted often, and cost little while they are idle.

use rtjam_load::process::usage;
use rtjam_tests::claphost::{Buffers, Events, IDS, Library};

/// Number of threads and open files of this process.
fn threads_and_files() -> (usize, usize) {
    let count = |folder| std::fs::read_dir(folder).expect("Linux has it").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// Resident memory of this process, in KiB.
fn held() -> u64 {
    usage(std::process::id()).rss_kib
}

/// An instance that never joined has no thread, socket or open file, and so uses no processor time between calls.
#[test]
fn unjoined_instance_holds_no_resources() {
    let library = Library::load();
    let before = threads_and_files();
    let plugins: Vec<_> = IDS.iter().cycle().take(6).map(|id| library.plugin(id)).collect();
    for plugin in &plugins {
        // A project with a room does nothing before audio runs, and nothing at all if it is not to rejoin.
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

/// Loading and unloading the library 200 times leaks no memory.
#[test]
fn two_hundred_loads_leak_nothing() {
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
    assert!(grown < 4_096, "{grown} KiB were not freed");
}

/// An instance needs less than 20 MB.
#[test]
fn instance_memory_is_bounded() {
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
