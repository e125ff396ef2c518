//! The VST3 plugin in scans, in hosts that create many instances, and in pedalboard, a JUCE host that renders offline.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use rtjam_tests::child::Child;
use rtjam_tests::hosting::in_own_process;
use rtjam_tests::machine::{self, Scratch};
use rtjam_tests::programs;
use rtjam_tests::vst3::{self, MULTI, RTJAM};
use rtjam_tests::vst3host::{Buffers, Call, Module};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

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
    if let Some((errors, entries)) = in_own_process("scan_opens_and_prints_nothing", scan) {
        assert_eq!((errors.as_str(), entries), ("", 0), "the scan printed something, or wrote into the home folder");
    }
}

/// 200 instances leak no memory, thread or file.
#[test]
fn two_hundred_instances_leak_nothing() {
    in_own_process("two_hundred_instances_leak_nothing", come_and_go);
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

/// The host's bypass parameter passes the musician's own signal unchanged.
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

/// pedalboard loads the plugin, stores its state, and renders the musician's own signal without the room.
#[test]
fn pedalboard_renders_without_the_room() {
    let python = programs::target_folder().join("pedalboard/bin/python");
    if !python.is_file() {
        machine::skipped("pedalboard is not installed (`cargo xtask setup` installs it if there is pip and a network)");
        return;
    }
    let home = Scratch::new("pedalboard");
    let bundle = home.path().join(vst3::BUNDLE);
    vst3::bundle(&programs::plugin(), &bundle);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pedalboard_host.py");
    let mut command = Command::new(python);
    command.arg(script).arg(&bundle).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    for class in [RTJAM, MULTI] {
        let project = "{\"rtjam\":1,\"name\":\"Ångström 🎸 奏者\",\"params\":{\"2\":-3.25}}";
        let preset = home.path().join(format!("{}.vstpreset", class.name));
        std::fs::write(&preset, vst3::preset(&class, project.as_bytes())).expect("our own folder");
        command.arg(preset);
    }
    let mut child = Child::start(&mut command, None);
    assert_eq!(child.wait_exit(Duration::from_secs(120)), 0, "{}", child.transcript());
    assert_eq!(child.out().newest(|line| Some(line.to_owned())).as_deref(), Some("ok"), "{}", child.transcript());
}
