//! A VST3 scan has no side effects, and instances cost little while they are idle.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use rtjam_tests::hosting::alone;
use rtjam_tests::vst3::{MULTI, RTJAM};
use rtjam_tests::vst3host::{Buffers, Call, Module};

/// Number of threads and open files of this process.
fn threads_and_files() -> (usize, usize) {
    let count = |folder| std::fs::read_dir(folder).expect("Linux has it").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// The calls of a plugin scanner, and a few more.
fn scan() {
    let module = Module::load();
    let before = threads_and_files();
    assert!(!module.makes_unknown());
    for class in [RTJAM, MULTI] {
        module.description(class.name);
        let effect = module.effect(class.name);
        effect.description();
        effect.set_state(&effect.state());
        drop(effect.create_view());
        effect.start(48_000.0, 64);
        Buffers::new(64, 13).play(&effect, &Call::default());
        assert_eq!(threads_and_files(), before, "{}", class.name);
        effect.stop();
    }
}

/// A scan writes nothing to standard error or to the home folder.
#[test]
fn scan_opens_and_prints_nothing() {
    if let Some((errors, entries)) = alone("scan_opens_and_prints_nothing", scan) {
        assert_eq!((errors.as_str(), entries), ("", 0), "the scan printed something, or wrote into the home folder");
    }
}

/// 200 instances leak no memory, thread or file.
#[test]
fn two_hundred_instances_leak_nothing() {
    alone("two_hundred_instances_leak_nothing", come_and_go);
}

fn come_and_go() {
    let cycle = || {
        let module = Module::load();
        for (class, outputs) in [(RTJAM, 1), (MULTI, 13)] {
            let effect = module.effect(class.name);
            effect.start(48_000.0, 64);
            Buffers::new(64, outputs).play(&effect, &Call::default());
        }
    };
    (0..10).for_each(|_| cycle());
    let (before, at_first) = (threads_and_files(), rtjam_load::process::heap_kib());
    (0..100).for_each(|_| cycle());
    assert_eq!(threads_and_files(), before);
    let grown = rtjam_load::process::heap_kib().saturating_sub(at_first);
    println!("200 instances: {grown} KiB more");
    assert!(grown < 1_024, "{grown} KiB were not freed");
}

/// The flag by which a host finds the parameter of its bypass button.
const IS_BYPASS: u64 = 1 << 16;

/// The host's bypass parameter passes the own signal unchanged.
#[test]
fn bypass_passes_signal_unchanged() {
    let module = Module::load();
    for (class, outputs) in [(RTJAM, 1), (MULTI, 13)] {
        let effect = module.effect(class.name);
        let described = effect.description();
        let params = described["params"].as_array().expect("parameters");
        let bypasses: Vec<_> = params.iter().filter(|p| p["flags"].as_u64().expect("flags") & IS_BYPASS != 0).collect();
        assert_eq!(bypasses.len(), 1, "{bypasses:?}");
        let (bypass, monitor) = (bypasses[0]["id"].as_u64().expect("an id") as u32, 1);
        assert_eq!((bypass, &bypasses[0]["steps"]), (4, &serde_json::json!(1)));
        effect.start(48_000.0, 1_024);
        let mut buffers = Buffers::new(1_024, outputs);
        let tone = |i: usize| (i as f32 * 0.05).sin() * 0.5;
        buffers.input.iter_mut().for_each(|c| c.iter_mut().enumerate().for_each(|(i, s)| *s = tone(i)));
        let mut play = |changes: &[(u32, i32, f64)]| {
            // One block for the fade.
            buffers.play(&effect, &Call { frames: 1_024, changes: Some(changes), ..Call::default() });
            buffers.play(&effect, &Call { frames: 1_024, ..Call::default() });
            (buffers.input.clone(), buffers.outputs[0].clone())
        };
        let (_, off) = play(&[(monitor, 0, 0.0)]);
        assert!(off.iter().flatten().all(|s| *s == 0.0));
        let (own, bypassed) = play(&[(bypass, 0, 1.0)]);
        assert_eq!(own, bypassed, "bit for bit");
        let (_, off) = play(&[(bypass, 0, 0.0)]);
        assert!(off.iter().flatten().all(|s| *s == 0.0));
        effect.stop();
    }
}
