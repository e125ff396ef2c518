//! Incorrect behaviour of hosts; each case has been observed in a host.

use clap_sys::events::clap_event_transport;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_plugin_params};
use clap_sys::process::{CLAP_PROCESS_CONTINUE, CLAP_PROCESS_ERROR, clap_process};
use rtjam_tests::claphost::{Buffers, Events, IDS, Library, Plugin, STALE, call, port};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const MONITOR: u32 = 1;
const SEND_MUTE: u32 = 3;

/// Runs `test` with each plugin, active and processing, and with its number of outputs.
fn with_each(rate: f64, most_frames: u32, test: impl Fn(&Plugin, usize)) {
    let library = Library::load();
    for (id, outputs) in IDS.into_iter().zip([1, 13]) {
        let plugin = library.plugin(id);
        assert!(plugin.activate(rate, most_frames));
        assert!(plugin.raw().start());
        test(&plugin, outputs);
        plugin.raw().stop();
        plugin.deactivate();
    }
}

/// Fills the input with a signal that is never 0 and never repeats a value.
fn fill(input: &mut [Vec<f32>; 2]) {
    for (channel, samples) in input.iter_mut().enumerate() {
        let step = channel as f32 * 0.25 + 0.1;
        samples.iter_mut().enumerate().for_each(|(i, s)| *s = step + (i % 7) as f32 * 0.01);
    }
}

/// Blocks may have no frames, or far more than announced.
#[test]
fn empty_and_oversized_blocks() {
    with_each(48_000.0, 64, |plugin, outputs| {
        let mut buffers = Buffers::new(20_000, outputs);
        fill(&mut buffers.input);
        for frames in [0, 1, 64, 0, 8_192, 3, 20_000, 8_193] {
            assert_eq!(buffers.process(plugin.raw(), frames, &mut Events::none()), CLAP_PROCESS_CONTINUE);
            let n = frames as usize;
            for side in 0..2 {
                assert_eq!(buffers.outputs[0][side][..n], buffers.input[side][..n], "{frames}");
                assert!(buffers.outputs[0][side][n..].iter().all(|s| *s == STALE), "the plugin wrote beyond {frames}");
            }
            assert!(buffers.outputs[1..].iter().flatten().all(|c| c[..n].iter().all(|s| *s == 0.0)));
        }
    });
}

/// The size of blocks may change with every call.
#[test]
fn thousand_blocks_of_random_size() {
    with_each(44_100.0, 512, |plugin, outputs| {
        let mut buffers = Buffers::new(8_192, outputs);
        fill(&mut buffers.input);
        let mut random = 1_u32;
        for _ in 0..1_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let frames = (random >> 16) % if random & 0x700 == 0 { 8_193 } else { 600 };
            assert_eq!(buffers.process(plugin.raw(), frames, &mut Events::none()), CLAP_PROCESS_CONTINUE);
            assert_eq!(buffers.outputs[0][1][..frames as usize], buffers.input[1][..frames as usize]);
        }
    });
}

/// Rates from 8 to 768 kHz work, and invalid ones do no damage.
#[test]
fn valid_and_invalid_sample_rates() {
    let library = Library::load();
    for (id, outputs) in IDS.into_iter().zip([1, 13]) {
        let plugin = library.plugin(id);
        let rates = [8e3, 11_025.0, 22_050.0, 32e3, 44_099.7, 88_200.0, 176_400.0, 192e3, 384e3, 768e3];
        for rate in rates.into_iter().chain([0.0, -48e3, f64::NAN, f64::INFINITY, 1e300]) {
            // A host may ignore that the activation failed, and play.
            plugin.activate(rate, 256);
            plugin.raw().start();
            let mut buffers = Buffers::new(256, outputs);
            fill(&mut buffers.input);
            for _ in 0..4 {
                buffers.process(plugin.raw(), 256, &mut Events::none());
                assert!(buffers.outputs.iter().flatten().flatten().all(|s| s.is_finite() && *s != STALE), "{rate}");
            }
            if rates.contains(&rate) {
                assert_eq!(buffers.outputs[0], buffers.input, "{rate}");
            }
            plugin.raw().stop();
            plugin.deactivate();
        }
    }
}

/// Input and output may be the same memory, with channels in any order.
#[test]
fn in_place_buffers() {
    with_each(48_000.0, 128, |plugin, outputs| {
        let mut memory = [vec![0.0_f32; 128], vec![0.0_f32; 128]];
        fill(&mut memory);
        let before = memory.clone();
        let mut slots = Buffers::new(128, outputs);
        let mut main = memory.each_mut().map(|c| c.as_mut_ptr());
        let mut rest: Vec<[*mut f32; 2]> =
            slots.outputs[1..].iter_mut().map(|o| o.each_mut().map(|c| c.as_mut_ptr())).collect();
        let input = [port(main.as_mut_ptr(), 2)];
        let mut output = vec![port(main.as_mut_ptr(), 2)];
        output.extend(rest.iter_mut().map(|o| port(o.as_mut_ptr(), 2)));
        call(plugin.raw(), 128, &input, &mut output, &mut Events::none(), None);
        assert_eq!(memory, before);
        // Channels swapped: the left output uses the memory of the right input.
        let mut crossed = [main[1], main[0]];
        output[0] = port(crossed.as_mut_ptr(), 2);
        call(plugin.raw(), 128, &input, &mut output, &mut Events::none(), None);
        assert_eq!(memory, [before[1].clone(), before[0].clone()]);
    });
}

/// Buffers and channels may be missing, and pointers null.
#[test]
fn missing_buffers_and_null_pointers() {
    with_each(48_000.0, 128, |plugin, outputs| {
        let mut real = Buffers::new(128, outputs);
        fill(&mut real.input);
        let mut left_only = [real.outputs[0][0].as_mut_ptr(), null_mut()];
        let mut nulls = [null_mut(); 2];
        let mut input = real.input.each_mut().map(|c| c.as_mut_ptr());
        let mut half_input = [input[0], null_mut()];
        let play = |inputs: &[_], outputs: &mut [_]| {
            assert_eq!(call(plugin.raw(), 128, inputs, outputs, &mut Events::none(), None), CLAP_PROCESS_CONTINUE);
        };
        play(&[], &mut []);
        play(&[port(null_mut(), 0)], &mut [port(null_mut(), 0)]);
        play(&[port(null_mut(), 2)], &mut vec![port(null_mut(), 2); outputs]);
        play(&[port(nulls.as_mut_ptr(), 2)], &mut vec![port(nulls.as_mut_ptr(), 2); outputs]);
        play(&[port(input.as_mut_ptr(), 2)], &mut [port(left_only.as_mut_ptr(), 2)]);
        play(&[port(half_input.as_mut_ptr(), 2)], &mut [port(left_only.as_mut_ptr(), 2)]);
        play(&[port(half_input.as_mut_ptr(), 1)], &mut [port(left_only.as_mut_ptr(), 1)]);
        assert_eq!(real.outputs[0][0], real.input[0]);
        // Without an input the output is silent; it does not contain old samples.
        real.outputs[0][0].fill(STALE);
        play(&[], &mut [port(left_only.as_mut_ptr(), 2)]);
        assert_eq!(real.outputs[0][0], [0.0; 128]);
    });
}

/// The host may pass fewer, more or wider outputs than declared.
#[test]
fn wrong_number_of_outputs() {
    with_each(48_000.0, 64, |plugin, _| {
        let mut memory = vec![[[STALE; 64]; 4]; 20];
        for ports in 0..=20 {
            memory.iter_mut().flatten().for_each(|c| c.fill(STALE));
            let mut pointers: Vec<[*mut f32; 4]> =
                memory.iter_mut().map(|p| p.each_mut().map(|c| c.as_mut_ptr())).collect();
            let mut outputs: Vec<_> = pointers[..ports].iter_mut().map(|p| port(p.as_mut_ptr(), 4)).collect();
            call(plugin.raw(), 64, &[], &mut outputs, &mut Events::none(), None);
            let silent = |p: &[[f32; 64]; 4]| p.iter().flatten().all(|s| *s == 0.0);
            assert!(memory[..ports].iter().all(silent), "{ports} outputs: some were not written");
            assert!(memory[ports..].iter().flatten().flatten().all(|s| *s == STALE));
        }
    });
}

/// Hosts may pass one scratch buffer for all unconnected channels.
#[test]
fn shared_buffer_for_unused_outputs() {
    with_each(44_100.0, 64, |plugin, outputs| {
        let mut real = Buffers::new(64, 1);
        fill(&mut real.input);
        let mut scratch = [STALE; 64];
        let mut shared = [scratch.as_mut_ptr(); 2];
        let mut input = real.input.each_mut().map(|c| c.as_mut_ptr());
        let mut main = real.outputs[0].each_mut().map(|c| c.as_mut_ptr());
        let mut all = vec![port(main.as_mut_ptr(), 2)];
        all.extend((1..outputs).map(|_| port(shared.as_mut_ptr(), 2)));
        for _ in 0..10 {
            call(plugin.raw(), 64, &[port(input.as_mut_ptr(), 2)], &mut all, &mut Events::none(), None);
        }
        assert_eq!(real.outputs[0], real.input);
    });
}

/// 64-bit buffers, which the plugin does not offer, are filled with silence.
#[test]
fn double_buffers_are_silenced() {
    with_each(48_000.0, 64, |plugin, _| {
        let mut wide = [[0.7_f64; 64]; 2];
        let mut pointers = wide.each_mut().map(|c| c.as_mut_ptr());
        let mut output = port(null_mut(), 2);
        output.data64 = pointers.as_mut_ptr();
        output.constant_mask = 3;
        let mut outputs = [output];
        call(plugin.raw(), 64, &[], &mut outputs, &mut Events::none(), None);
        assert_eq!((wide, outputs[0].constant_mask), ([[0.0; 64]; 2], 0));
    });
}

/// NaN, infinities and denormals in the input do not reach the output.
#[test]
fn nan_and_denormals_are_silenced() {
    with_each(48_000.0, 64, |plugin, outputs| {
        for offline in [false, true] {
            assert!(plugin.set_offline(offline));
            let mut buffers = Buffers::new(64, outputs);
            let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, 3e38, -3e38];
            buffers.input.iter_mut().for_each(|c| c.iter_mut().zip(bad.iter().cycle()).for_each(|(s, b)| *s = *b));
            buffers.process(plugin.raw(), 64, &mut Events::none());
            assert!(buffers.outputs.iter().flatten().flatten().all(|s| *s == 0.0 || s.is_normal()));
        }
    });
}

/// Values may be NaN, ids unknown and times out of range.
#[test]
fn invalid_parameter_events() {
    with_each(48_000.0, 64, |plugin, outputs| {
        let mut buffers = Buffers::new(64, outputs);
        let mut events = Events::none();
        for value in [f64::NAN, f64::INFINITY, -1e300, 1e300, 5e-324] {
            for param in plugin.params() {
                events.push(u32::MAX, param.id, value);
            }
            events.push(7, 999_999, value);
        }
        buffers.process(plugin.raw(), 64, &mut events);
        for param in plugin.params() {
            let value = plugin.value(param.id).expect("it has one");
            assert!((param.range[0]..=param.range[1]).contains(&value), "{param:?} is {value}");
        }
        assert!(buffers.outputs.iter().flatten().flatten().all(|s| s.is_finite()));
    });
}

/// The transport may consist of zero bits or of one bits.
#[test]
fn garbage_transport() {
    with_each(48_000.0, 64, |plugin, outputs| {
        let mut buffers = Buffers::new(64, outputs);
        fill(&mut buffers.input);
        for byte in [0_u8, 0xff] {
            // SAFETY: the structure consists of numbers, for which all bit patterns are valid.
            let mut transport: clap_event_transport = unsafe { std::mem::zeroed() };
            // SAFETY: as above; pointer and size are those of the structure.
            unsafe { std::ptr::write_bytes(&raw mut transport, byte, 1) };
            buffers.transport = Some(transport);
            buffers.process(plugin.raw(), 64, &mut Events::none());
            assert_eq!(buffers.outputs[0], buffers.input);
        }
    });
}

/// The event lists may be missing.
#[test]
fn missing_event_lists() {
    with_each(48_000.0, 64, |plugin, _| {
        // SAFETY: the structure consists of numbers and pointers, which may be null.
        let mut nothing: clap_process = unsafe { std::mem::zeroed() };
        nothing.frames_count = 64;
        // SAFETY: the plugin lives and is active; no memory is passed.
        let answer = unsafe { (*plugin.raw().as_ptr()).process.expect("it has one")(plugin.raw().as_ptr(), &nothing) };
        assert_eq!(answer, CLAP_PROCESS_CONTINUE);
    });
}

/// `process` may be called while inactive, and `activate` twice.
#[test]
fn process_outside_activation() {
    let library = Library::load();
    for (id, outputs) in IDS.into_iter().zip([1, 13]) {
        let plugin = library.plugin(id);
        let raw = plugin.raw();
        let mut buffers = Buffers::new(64, outputs);
        assert_eq!(buffers.process(raw, 64, &mut Events::none()), CLAP_PROCESS_ERROR);
        plugin.deactivate();
        assert!(plugin.activate(48_000.0, 64));
        assert!(!plugin.activate(44_100.0, 128), "twice");
        fill(&mut buffers.input);
        // Also without start_processing.
        assert_eq!(buffers.process(raw, 64, &mut Events::none()), CLAP_PROCESS_CONTINUE);
        assert_eq!(buffers.outputs[0], buffers.input);
        plugin.deactivate();
        plugin.deactivate();
        assert_eq!(buffers.process(raw, 64, &mut Events::none()), CLAP_PROCESS_ERROR);
        for _ in 0..20 {
            assert!(plugin.activate(96_000.0, 1));
            plugin.deactivate();
        }
        // Then it is destroyed while active.
        assert!(plugin.activate(96_000.0, u32::MAX));
    }
}

/// `flush` may run beside `process`, on two threads.
#[test]
fn concurrent_flush_and_process() {
    with_each(48_000.0, 64, |plugin, outputs| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|threads| {
            for _ in 0..2 {
                let (raw, stop) = (plugin.raw(), &stop);
                threads.spawn(move || {
                    let mut value = 0.0;
                    while !stop.load(Relaxed) {
                        raw.flush(&mut Events::set(MONITOR, value));
                        value = if value < -20.0 { 0.0 } else { value - 1.0 };
                    }
                });
            }
            let raw = plugin.raw();
            let audio = threads.spawn(move || {
                let mut buffers = Buffers::new(64, outputs);
                fill(&mut buffers.input);
                let until = Instant::now() + Duration::from_millis(300);
                while Instant::now() < until {
                    assert_eq!(buffers.process(raw, 64, &mut Events::set(SEND_MUTE, 1.0)), CLAP_PROCESS_CONTINUE);
                    assert!(buffers.outputs.iter().flatten().flatten().all(|s| s.is_finite() && *s != STALE));
                }
            });
            audio.join().expect("no panic");
            stop.store(true, Relaxed);
        });
        assert_eq!(plugin.value(SEND_MUTE), Some(1.0));
    });
}

/// A value that the host sets applies at once, with and without audio.
#[test]
fn host_edits_apply_immediately() {
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    plugin.raw().flush(&mut Events::set(MONITOR, -6.5));
    assert_eq!(plugin.value(MONITOR), Some(-6.5));
    assert!(plugin.activate(48_000.0, 64));
    plugin.raw().flush(&mut Events::set(MONITOR, -60.0));
    assert_eq!(plugin.value(MONITOR), Some(-60.0));
    let mut buffers = Buffers::new(64, 1);
    fill(&mut buffers.input);
    // The fade takes 15 ms.
    for _ in 0..20 {
        buffers.process(plugin.raw(), 64, &mut Events::none());
    }
    assert_eq!(buffers.outputs[0], [vec![0.0; 64], vec![0.0; 64]]);
    assert!(plugin.extension::<clap_plugin_params>(CLAP_EXT_PARAMS).flush.is_some());
}

/// Offline rendering outputs the musician's own signal at the monitor level and nothing else.
#[test]
fn offline_renders_own_signal_only() {
    with_each(48_000.0, 64, |plugin, outputs| {
        assert!(plugin.set_offline(true));
        let mut buffers = Buffers::new(64, outputs);
        fill(&mut buffers.input);
        let silence = [vec![0.0; 64], vec![0.0; 64]];
        for (monitor, heard) in [(0.0, buffers.input.clone()), (-60.0, silence), (0.0, buffers.input.clone())] {
            // The fade takes 15 ms.
            for _ in 0..20 {
                buffers.process(plugin.raw(), 64, &mut Events::set(MONITOR, monitor));
                assert!(buffers.outputs[1..].iter().flatten().flatten().all(|s| *s == 0.0));
            }
            assert_eq!(buffers.outputs[0], heard, "{monitor} dB");
        }
    });
}
