//! Incorrect and unusual behaviour of VST3 hosts: buses, buffers, order of calls, ids and streams.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use rtjam_tests::hosting::in_own_process;
use rtjam_tests::vst3host::{Buffers, Bus, Call, Edit, Effect, Module, STALE};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use vst3::Steinberg::{kInvalidArgument, kNotInitialized, kResultOk, kResultTrue};

const MONITOR: u32 = 1;
const SEND_MUTE: u32 = 3;
/// A parameter of `RTJam Multi` only.
const MAIN_MIX_1: u32 = 1040;
const UNKNOWN: [u32; 5] = [0, 5, 999_999, 0x7fff_ffff, u32::MAX];
const NAMES: [(&str, usize); 2] = [("RTJam", 1), ("RTJam Multi", 13)];

/// Runs `test` with each plugin, active and processing, and with its number of outputs.
fn with_each(rate: f64, block: i32, test: impl Fn(&Effect, usize)) {
    let module = Module::load();
    for (name, outputs) in NAMES {
        let effect = module.effect(name);
        effect.start(rate, block);
        test(&effect, outputs);
        effect.stop();
    }
}

fn call(frames: i32) -> Call<'static> {
    Call { frames, ..Call::default() }
}

/// Plays a block of 64 frames; the musician's own signal must come out, and the aux outputs must be silent.
fn assert_plays(effect: &Effect, outputs: usize) {
    let mut buffers = Buffers::new(64, outputs);
    assert_eq!(buffers.play(effect, &call(64)).0, kResultOk);
    assert_eq!(buffers.outputs[0], buffers.input);
    assert!(buffers.outputs[1..].iter().flatten().flatten().all(|s| *s == 0.0));
}

/// The host may pass fewer, more or wider outputs than declared.
#[test]
fn wrong_number_of_outputs() {
    with_each(48_000.0, 64, |effect, _| {
        for count in 0..=20 {
            let mut memory = vec![[[STALE; 64]; 4]; 20];
            let mut pointers: Vec<[*mut f32; 4]> =
                memory.iter_mut().map(|bus| bus.each_mut().map(|c| c.as_mut_ptr())).collect();
            let mut outputs: Vec<Bus> = pointers[..count].iter_mut().map(|bus| Bus::new(bus.as_mut_ptr(), 4)).collect();
            assert_eq!(effect.call(&call(64), &mut [], &mut outputs).0, kResultOk);
            assert!(outputs.iter().all(|bus| !bus.says_silent()));
            let silent = |bus: &[[f32; 64]; 4]| bus.iter().flatten().all(|s| *s == 0.0);
            assert!(memory[..count].iter().all(silent), "{count} outputs: some were not written");
            assert!(memory[count..].iter().flatten().flatten().all(|s| *s == STALE));
        }
    });
}

/// A bus that the host has deactivated has no channels; the others still play.
#[test]
fn buses_without_channels() {
    with_each(48_000.0, 64, |effect, outputs| {
        let mut buffers = Buffers::new(64, 1);
        let mut input = buffers.input.each_mut().map(|c| c.as_mut_ptr());
        let mut main = buffers.outputs[0].each_mut().map(|c| c.as_mut_ptr());
        let mut buses = vec![Bus::new(main.as_mut_ptr(), 2)];
        buses.resize(outputs, Bus::new(null_mut(), 0));
        assert_eq!(effect.call(&call(64), &mut [Bus::new(input.as_mut_ptr(), 2)], &mut buses).0, kResultOk);
        assert_eq!(buffers.outputs[0], buffers.input);
        // The reverse: no input, and no main output.
        let mut slots = Buffers::new(64, outputs);
        let mut pointers: Vec<[*mut f32; 2]> =
            slots.outputs.iter_mut().map(|bus| bus.each_mut().map(|c| c.as_mut_ptr())).collect();
        let mut buses: Vec<Bus> = pointers.iter_mut().map(|bus| Bus::new(bus.as_mut_ptr(), 2)).collect();
        buses[0] = Bus::new(null_mut(), 0);
        assert_eq!(effect.call(&call(64), &mut [Bus::new(null_mut(), 0)], &mut buses).0, kResultOk);
        assert!(slots.outputs[1..].iter().flatten().flatten().all(|s| *s == 0.0));
    });
}

/// Pointers in a block may be null.
#[test]
fn null_pointers_in_a_block() {
    with_each(48_000.0, 64, |effect, outputs| {
        let mut real = Buffers::new(64, 1);
        let mut nulls = [null_mut(); 2];
        let mut half_input = [real.input[0].as_mut_ptr(), null_mut()];
        let mut left_only = [real.outputs[0][0].as_mut_ptr(), null_mut()];
        let play = |inputs: &mut [Bus], outputs: &mut [Bus]| {
            assert_eq!(effect.call(&call(64), inputs, outputs).0, kResultOk);
        };
        play(&mut [], &mut []);
        play(&mut [Bus::new(null_mut(), 2)], &mut vec![Bus::new(null_mut(), 2); outputs]);
        play(&mut [Bus::new(nulls.as_mut_ptr(), 2)], &mut vec![Bus::new(nulls.as_mut_ptr(), 2); outputs]);
        play(&mut [Bus::new(nulls.as_mut_ptr(), -1)], &mut [Bus::new(nulls.as_mut_ptr(), i32::MIN)]);
        play(&mut [Bus::new(half_input.as_mut_ptr(), 2)], &mut [Bus::new(left_only.as_mut_ptr(), 2)]);
        assert_eq!(real.outputs[0][0], real.input[0]);
        // Without an input the output is silent; it does not contain old samples.
        play(&mut [], &mut [Bus::new(left_only.as_mut_ptr(), 2)]);
        assert_eq!(real.outputs[0][0], [0.0; 64]);
        let quiet = Call { changes: None, listens: false, ..call(64) };
        assert_eq!(real.play(effect, &quiet).0, kResultOk);
        assert!(effect.answers_to_null().iter().all(|answer| *answer != kResultOk));
    });
}

/// Input and output may be the same memory.
#[test]
fn in_place_buffers() {
    with_each(48_000.0, 64, |effect, _| {
        let mut memory = Buffers::new(64, 0).input;
        let before = memory.clone();
        let mut both = memory.each_mut().map(|c| c.as_mut_ptr());
        let bus = Bus::new(both.as_mut_ptr(), 2);
        assert_eq!(effect.call(&call(64), &mut [bus], &mut [bus]).0, kResultOk);
        assert_eq!(memory, before);
        let mut both = memory.each_mut().map(|c| c.as_mut_ptr());
        let mut crossed = [both[1], both[0]];
        effect.call(&call(64), &mut [Bus::new(both.as_mut_ptr(), 2)], &mut [Bus::new(crossed.as_mut_ptr(), 2)]);
        assert_eq!(memory, [before[1].clone(), before[0].clone()]);
    });
}

/// Blocks may have no frames, or far more than announced.
#[test]
fn empty_and_oversized_blocks() {
    with_each(48_000.0, 64, |effect, outputs| {
        for frames in [0, 1, 64, 0, 8_192, 3, 20_000, 8_193] {
            let mut buffers = Buffers::new(20_000, outputs);
            assert_eq!(buffers.play(effect, &call(frames)).0, kResultOk);
            let n = frames as usize;
            for side in 0..2 {
                assert_eq!(buffers.outputs[0][side][..n], buffers.input[side][..n], "{frames}");
                assert!(buffers.outputs[0][side][n..].iter().all(|s| *s == STALE), "the plugin wrote beyond {frames}");
            }
            assert!(buffers.outputs[1..].iter().flatten().all(|c| c[..n].iter().all(|s| *s == 0.0)));
        }
        assert_eq!(Buffers::new(64, outputs).play(effect, &call(-1)).0, kInvalidArgument);
    });
}

/// 64-bit samples are refused, and such buffers are filled with silence.
#[test]
fn double_samples_are_refused() {
    with_each(48_000.0, 64, |effect, _| {
        assert!(!effect.takes_64_bits());
        let mut wide = [[0.7_f64; 64]; 2];
        let mut pointers = wide.each_mut().map(|c| c.as_mut_ptr().cast::<f32>());
        let refused = Call { bits: 64, ..call(64) };
        let answer = effect.call(&refused, &mut [], &mut [Bus::new(pointers.as_mut_ptr(), 2)]).0;
        assert_eq!((answer, wide), (kInvalidArgument, [[0.0; 64]; 2]));
    });
}

/// `setActive` and `setProcessing` may come in any order.
#[test]
fn activation_in_any_order() {
    let module = Module::load();
    for (name, outputs) in NAMES {
        let effect = module.effect(name);
        let mut buffers = Buffers::new(64, outputs);
        // Before anything else: silence and an error, not a crash.
        assert_eq!(buffers.play(&effect, &call(64)).0, kNotInitialized);
        assert!(buffers.outputs.iter().flatten().flatten().all(|s| *s == 0.0));
        effect.set_processing(true);
        assert_eq!(effect.set_active(true), kResultOk);
        assert_plays(&effect, outputs);
        assert_eq!(effect.set_active(true), kResultOk, "twice");
        effect.set_processing(false);
        assert_plays(&effect, outputs);
        // A new rate and block size without deactivation.
        assert_eq!(effect.set_up(96_000.0, 32, false), kResultOk);
        assert_plays(&effect, outputs);
        effect.set_active(false);
        effect.set_active(false);
        assert_eq!(buffers.play(&effect, &call(64)).0, kNotInitialized);
        for rate in [0.0, -48e3, f64::NAN, f64::INFINITY] {
            assert_ne!(effect.set_up(rate, 64, false), kResultOk, "{rate}");
        }
        for rate in [8e3, 44_099.7, 192e3, 768e3] {
            assert_eq!(effect.set_up(rate, i32::MIN, false), kResultOk);
            effect.set_active(true);
            assert_plays(&effect, outputs);
            effect.set_active(false);
        }
        // Then it is terminated while active, twice.
        effect.set_active(true);
        assert_eq!(effect.terminate(), kResultOk);
        assert_eq!(effect.terminate(), kResultOk);
    }
}

/// The host may pass no context.
#[test]
fn host_without_context() {
    let module = Module::load();
    for (name, outputs) in NAMES {
        let effect = module.effect_in(name, None);
        effect.start(48_000.0, 64);
        assert_plays(&effect, outputs);
        assert!(effect.set_state(&effect.state()));
        assert_eq!(effect.latency_and_tail(), (0, u32::MAX));
    }
}

/// Calls with unknown ids return an error.
#[test]
fn unknown_ids_are_refused() {
    with_each(48_000.0, 64, |effect, outputs| {
        let others = if outputs == 1 { vec![MAIN_MIX_1] } else { vec![] };
        for id in UNKNOWN.into_iter().chain(others) {
            assert_eq!(effect.text(id, 0.5), Err(kInvalidArgument), "{id}");
            assert_eq!(effect.parse(id, "-6 dB"), Err(kInvalidArgument), "{id}");
            assert_eq!((effect.set_value(id, 0.5), effect.value(id)), (kInvalidArgument, 0.0), "{id}");
            let before = effect.state();
            let edit = Call { changes: Some(&[(id, 0, 1.0)]), ..call(64) };
            assert_eq!(Buffers::new(64, outputs).play(effect, &edit).0, kResultOk);
            assert_eq!(effect.state(), before);
        }
        assert_eq!(effect.parse(MONITOR, "loud").map_err(|error| error != kInvalidArgument), Err(true));
    });
}

/// Values outside 0 to 1 are clamped, and NaN is refused.
#[test]
fn invalid_values_are_refused() {
    with_each(48_000.0, 64, |effect, outputs| {
        for id in effect.params().iter().map(|p| p.id) {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, 1e300, 5e-324] {
                effect.set_value(id, value);
                let edit = [(id, i32::MAX, value), (id, i32::MIN, value)];
                Buffers::new(64, outputs).play(effect, &Call { changes: Some(&edit), ..call(64) });
                assert!((0.0..=1.0).contains(&effect.value(id)), "{id}: {value} became {}", effect.value(id));
            }
        }
    });
}

/// A value that the host sets is in the state at once: by the controller, by a block, by an empty block; with and without
/// audio.
#[test]
fn host_edit_reaches_state_immediately() {
    let module = Module::load();
    for (name, outputs) in NAMES {
        let saved = |effect: &Effect| {
            let state: serde_json::Value = serde_json::from_slice(&effect.state()).expect("JSON");
            state["params"]["1"].as_f64().expect("a value")
        };
        let effect = module.effect(name);
        assert_eq!(effect.set_value(MONITOR, 0.5), kResultTrue);
        assert_eq!((saved(&effect), effect.value(MONITOR)), (-24.0, 0.5));
        effect.start(48_000.0, 64);
        effect.set_value(MONITOR, 1.0);
        assert_eq!(saved(&effect), 12.0);
        let mut buffers = Buffers::new(64, outputs);
        for (frames, normalized, value) in [(64, 0.0, -60.0), (0, 0.5, -24.0)] {
            buffers.play(&effect, &Call { changes: Some(&[(MONITOR, 0, normalized)]), ..call(frames) });
            assert_eq!((saved(&effect), effect.value(MONITOR)), (value, normalized));
        }
        // The last of several changes counts.
        buffers.play(&effect, &Call { changes: Some(&[(MONITOR, 0, 0.0), (MONITOR, 63, 1.0)]), ..call(64) });
        assert_eq!(saved(&effect), 12.0);
        assert_eq!(effect.edits.all(), [], "the host's changes are not echoed");
    }
}

/// A project that rejoins a room which does not exist.
const REJOINS: &[u8] = br#"{"rtjam":1,"link":"rtjam://127.0.0.1:9/lobby#AQEHBwcHBwcHBwcHBwcHBwcH","rejoin":true}"#;

/// The mute after loading a project is reported once, with the next block; a value that the host sets first replaces it.
#[test]
fn host_edit_replaces_own_edit() {
    in_own_process("host_edit_replaces_own_edit", own_edits);
}

fn own_edits() {
    let module = Module::load();
    for (name, outputs) in NAMES {
        for unmutes_first in [false, true] {
            let effect = module.effect(name);
            assert!(effect.set_state(REJOINS));
            assert_eq!(effect.set_active(true), kResultOk);
            assert_eq!(effect.value(SEND_MUTE), 1.0);
            if unmutes_first {
                effect.set_value(SEND_MUTE, 0.0);
            }
            let mut buffers = Buffers::new(64, outputs);
            // A host that does not listen is informed later.
            assert_eq!(buffers.play(&effect, &Call { listens: false, ..call(64) }).0, kResultOk);
            let told = buffers.play(&effect, &call(64)).1;
            assert_eq!(told, if unmutes_first { vec![] } else { vec![(SEND_MUTE, 1.0)] });
            let unmute = Call { changes: Some(&[(SEND_MUTE, 0, 0.0)]), ..call(64) };
            for _ in 0..5 {
                assert_eq!(buffers.play(&effect, &unmute).1, []);
            }
            assert_eq!(effect.value(SEND_MUTE), 0.0);
        }
    }
}

/// A host that repeats its old values after loading a project, as Ardour does, is told the new ones.
#[test]
fn replayed_old_values_are_corrected() {
    let module = Module::load();
    for (name, outputs) in NAMES {
        for (host, replays) in [("Ardour", true), ("REAPER", false)] {
            let effect = module.effect_in(name, Some(host));
            effect.start(48_000.0, 64);
            assert!(effect.set_state(br#"{"rtjam":1,"params":{"1":-24,"3":1}}"#));
            let restarts = effect.edits.all().iter().filter(|edit| matches!(edit, Edit::Restart(4))).count();
            assert_eq!(restarts, usize::from(!replays), "{host}");
            let old = Call { changes: Some(&[(MONITOR, 0, 1.0), (SEND_MUTE, 0, 0.0)]), ..call(64) };
            let mut buffers = Buffers::new(64, outputs);
            let told = buffers.play(&effect, &old).1;
            let expected = if replays { effect.params().len() } else { 0 };
            assert_eq!(told.len(), expected, "{host}");
            assert!(told.iter().all(|(id, value)| *value == effect.value(*id)));
            let wanted = if replays { (0.5, 1.0) } else { (1.0, 0.0) };
            assert_eq!((effect.value(MONITOR), effect.value(SEND_MUTE)), wanted, "{host}");
            // Afterwards the host's values apply.
            assert_eq!(buffers.play(&effect, &old).1, []);
            assert_eq!((effect.value(MONITOR), effect.value(SEND_MUTE)), (1.0, 0.0));
        }
    }
}

/// Streams may transfer few bytes per call, and states may be invalid.
#[test]
fn slow_streams_and_invalid_states() {
    with_each(48_000.0, 64, |effect, _| {
        effect.set_value(MONITOR, 0.25);
        let state = effect.state();
        for most in [1, 3, 4_096] {
            assert_eq!(effect.state_in_parts(most).as_ref(), Some(&state));
            effect.set_value(MONITOR, 0.75);
            assert!(effect.set_state_in_parts(&state, most));
            assert_eq!(effect.value(MONITOR), 0.25);
        }
        assert_eq!(effect.state_in_parts(0), None);
        for bad in [&b""[..], b"{}", b"\xff\xfe", &state[..state.len() - 1], &[b' '; 3 << 20]] {
            assert!(!effect.set_state(bad));
            assert_eq!(effect.state(), state);
        }
        assert!(!effect.set_state_in_parts(&state, 0));
    });
}

/// Offline rendering outputs the musician's own signal at unity and nothing else.
#[test]
fn offline_renders_own_signal_only() {
    let module = Module::load();
    for (name, outputs) in NAMES {
        for (by_setup, by_block) in [(true, false), (false, true)] {
            let effect = module.effect(name);
            assert_eq!(effect.set_up(48_000.0, 64, by_setup), kResultOk);
            effect.set_active(true);
            let mut buffers = Buffers::new(64, outputs);
            for _ in 0..20 {
                let call = Call { changes: Some(&[(SEND_MUTE, 0, 1.0)]), offline: by_block, ..call(64) };
                assert_eq!(buffers.play(&effect, &call).0, kResultOk);
                assert_eq!(buffers.outputs[0], buffers.input);
                assert!(buffers.outputs[1..].iter().flatten().flatten().all(|s| *s == 0.0));
            }
        }
    }
}

/// The controller may be called beside `process`.
#[test]
fn concurrent_controller_and_process() {
    with_each(48_000.0, 64, |effect, outputs| {
        struct Shared<'a>(&'a Effect);
        // SAFETY: VST3 permits concurrent calls of the controller's thread and the audio thread.
        unsafe impl Sync for Shared<'_> {}
        let (shared, stop) = (Shared(effect), AtomicBool::new(false));
        std::thread::scope(|threads| {
            let (shared, stopped) = (&shared, &stop);
            threads.spawn(move || {
                let mut buffers = Buffers::new(64, outputs);
                while !stopped.load(Relaxed) {
                    let edit = Call { changes: Some(&[(SEND_MUTE, 0, 1.0)]), ..call(64) };
                    assert_eq!(buffers.play(shared.0, &edit).0, kResultOk);
                    assert!(buffers.outputs.iter().flatten().flatten().all(|s| s.is_finite() && *s != STALE));
                }
            });
            let until = Instant::now() + Duration::from_millis(300);
            while Instant::now() < until {
                effect.set_value(MONITOR, 0.5);
                effect.set_state(&effect.state());
                assert!(effect.text(MONITOR, 0.5).is_ok());
            }
            stop.store(true, Relaxed);
        });
        assert_eq!(effect.value(SEND_MUTE), 1.0);
    });
}
