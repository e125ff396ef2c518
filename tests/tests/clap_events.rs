//! Checks of plugin validators that the other files do not contain: descriptors, defaults, events of any kind at any time,
//! resets and invalid states.

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_MOD, CLAP_EVENT_PARAM_VALUE,
    CLAP_EVENT_TRANSPORT, clap_event_header, clap_event_midi, clap_event_note, clap_event_param_mod,
    clap_event_param_value, clap_event_transport, clap_input_events,
};
use clap_sys::process::{CLAP_PROCESS_CONTINUE, clap_process};
use rtjam_tests::claphost::{IDS, Library, Plugin, port};
use std::ffi::CStr;
use std::mem::size_of;
use std::ptr::{null, null_mut};

/// A list of events, each of which begins with its header.
#[derive(Default)]
struct List(Vec<Box<[u64]>>);

impl List {
    /// Adds an event, a CLAP structure whose first field is the header.
    fn push<E: Copy>(&mut self, event: E) {
        let mut memory = vec![0_u64; size_of::<E>().div_ceil(8)].into_boxed_slice();
        // SAFETY: the memory has the size of the event and its alignment: all events consist of numbers of up to 8 bytes.
        unsafe { memory.as_mut_ptr().cast::<E>().write(event) };
        self.0.push(memory);
    }

    fn set(&mut self, time: u32, space: u16, id: u32, value: f64) {
        self.push(clap_event_param_value {
            header: header::<clap_event_param_value>(time, space, CLAP_EVENT_PARAM_VALUE),
            param_id: id,
            cookie: null_mut(),
            note_id: -1,
            port_index: -1,
            channel: -1,
            key: -1,
            value,
        });
    }

    fn as_clap(&self) -> clap_input_events {
        unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
            // SAFETY: `ctx` is the list below.
            unsafe { (*(*list).ctx.cast::<List>()).0.len() as u32 }
        }
        unsafe extern "C" fn get(list: *const clap_input_events, index: u32) -> *const clap_event_header {
            // SAFETY: `ctx` is the list below.
            let events = unsafe { &(*(*list).ctx.cast::<List>()).0 };
            events.get(index as usize).map_or(null(), |event| event.as_ptr().cast())
        }
        clap_input_events { ctx: std::ptr::from_ref(self).cast_mut().cast(), size: Some(size), get: Some(get) }
    }
}

fn header<E>(time: u32, space_id: u16, kind: u16) -> clap_event_header {
    clap_event_header { size: size_of::<E>() as u32, time, space_id, type_: kind, flags: 0 }
}

/// Processes one block of noise with these events and returns the output.
fn play(plugin: &Plugin, frames: usize, events: &List, random: &mut Random) -> [Vec<f32>; 2] {
    let mut input = [0, 1].map(|_| (0..frames).map(|_| random.unit() as f32 * 2.0 - 1.0).collect::<Vec<f32>>());
    let mut output = [vec![f32::NAN; frames], vec![f32::NAN; frames]];
    let (mut inputs, mut outputs) =
        (input.each_mut().map(|c| c.as_mut_ptr()), output.each_mut().map(|c| c.as_mut_ptr()));
    let (input_port, mut output_port) = (port(inputs.as_mut_ptr(), 2), port(outputs.as_mut_ptr(), 2));
    let list = events.as_clap();
    let call = clap_process {
        steady_time: -1,
        frames_count: frames as u32,
        transport: null(),
        audio_inputs: &input_port,
        audio_outputs: &mut output_port,
        audio_inputs_count: 1,
        audio_outputs_count: 1,
        in_events: &list,
        out_events: null(),
    };
    let raw = plugin.raw().as_ptr();
    // SAFETY: the plugin lives and is active; all pointers are valid until the end of this call.
    let answer = unsafe { (*raw).process.expect("it has one")(raw, &call) };
    assert_eq!(answer, CLAP_PROCESS_CONTINUE);
    assert!(
        output.iter().flatten().all(|s| *s == 0.0 || s.is_normal()),
        "the output has NaN, infinite or subnormal samples"
    );
    output
}

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }
}

fn texts(list: *const *const std::ffi::c_char) -> Vec<String> {
    // SAFETY: CLAP's lists of texts end with a null pointer, texts with a zero.
    let text = |i| unsafe {
        let text = *list.add(i);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    (0..).map_while(text).collect()
}

/// An instance has the descriptor that the library lists.
#[test]
fn descriptors_of_instance_and_library_match() {
    let library = Library::load();
    for (id, name) in library.plugins() {
        let plugin = library.plugin(&id);
        // SAFETY: the plugin lives, and its descriptor with it; texts end with a zero.
        let (own, features) = unsafe {
            let desc = (*plugin.raw().as_ptr()).desc.as_ref().expect("it has one");
            let own = [desc.id, desc.name, desc.vendor, desc.version].map(|t| CStr::from_ptr(t).to_string_lossy());
            (own, texts(desc.features))
        };
        assert_eq!([&own[0], &own[1], &own[2]], [id.as_str(), name.as_str(), "RTJam"]);
        assert!(own[3].split('.').count() == 3 && features.contains(&"audio-effect".to_owned()), "{features:?}");
        let mut once = features.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), features.len(), "{features:?}");
    }
}

/// Parameters start at their defaults, and events of other event spaces do not change them.
#[test]
fn foreign_events_change_no_parameter() {
    let library = Library::load();
    for id in IDS {
        let (plugin, mut random) = (library.plugin(id), Random(1));
        let params = plugin.params();
        let values = || params.iter().map(|p| plugin.value(p.id).expect("a value")).collect::<Vec<f64>>();
        let defaults: Vec<f64> = params.iter().map(|p| p.range[2]).collect();
        assert_eq!(values(), defaults);
        assert!(plugin.activate(44_100.0, 512) && plugin.raw().start());
        let mut foreign = List::default();
        params.iter().for_each(|p| foreign.set(0, 0xb33f, p.id, p.range[0]));
        play(&plugin, 512, &foreign, &mut random);
        assert_eq!(values(), defaults);
        plugin.raw().stop();
    }
}

/// Random events leave finite samples and parameter values within their ranges.
#[test]
fn random_events_keep_output_valid() {
    let library = Library::load();
    for id in IDS {
        let (plugin, mut random) = (library.plugin(id), Random(7));
        let params = plugin.params();
        assert!(plugin.activate(44_100.0, 512) && plugin.raw().start());
        for round in 0..50 {
            let mut last = vec![None; params.len()];
            for _ in 0..5 {
                let mut events = List::default();
                for time in 0..512_u32 {
                    if random.below(if round % 2 == 0 { 100 } else { 8 }) > 0 {
                        continue;
                    }
                    let which = random.below(params.len());
                    let [least, most, _] = params[which].range;
                    let share = if round % 3 == 0 { random.below(2) as f64 } else { random.unit() };
                    let value = least + (most - least) * share;
                    match random.below(8) {
                        0 => events.push(clap_event_param_mod {
                            header: header::<clap_event_param_mod>(
                                time,
                                CLAP_CORE_EVENT_SPACE_ID,
                                CLAP_EVENT_PARAM_MOD,
                            ),
                            param_id: params[which].id,
                            cookie: null_mut(),
                            note_id: random.below(9) as i32 - 1,
                            port_index: -1,
                            channel: -1,
                            key: 60,
                            amount: value,
                        }),
                        1 => {
                            // SAFETY: a structure of numbers; zeros are valid.
                            let mut transport: clap_event_transport = unsafe { std::mem::zeroed() };
                            let kind = CLAP_EVENT_TRANSPORT;
                            transport.header = header::<clap_event_transport>(time, CLAP_CORE_EVENT_SPACE_ID, kind);
                            transport.flags = random.below(256) as u32;
                            transport.tempo = random.unit() * 400.0;
                            transport.song_pos_beats = random.below(1 << 40) as i64 - (1 << 39);
                            events.push(transport);
                        }
                        2 => events.push(clap_event_note {
                            header: header::<clap_event_note>(time, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_NOTE_ON),
                            note_id: -1,
                            port_index: 0,
                            channel: 0,
                            key: random.below(128) as i16,
                            velocity: random.unit(),
                        }),
                        3 => events.push(clap_event_midi {
                            header: header::<clap_event_midi>(time, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI),
                            port_index: 0,
                            data: [0x90, random.below(128) as u8, random.below(128) as u8],
                        }),
                        _ => {
                            events.set(time, CLAP_CORE_EVENT_SPACE_ID, params[which].id, value);
                            last[which] = Some(value);
                        }
                    }
                }
                play(&plugin, 512, &events, &mut random);
            }
            for (param, last) in params.iter().zip(&last) {
                let value = plugin.value(param.id).expect("a value");
                assert!((param.range[0]..=param.range[1]).contains(&value), "{param:?} is {value}");
                // The last value holds, rounded for a switch; a pan may be overridden by the layout.
                let is_coarse = param.range == [0.0, 1.0, param.range[2]] || param.name.contains("pan");
                assert!(
                    is_coarse || last.is_none_or(|last| (value - last).abs() < 1e-9),
                    "{param:?}: {last:?}, {value}"
                );
            }
        }
        plugin.raw().stop();
    }
}

/// A flush has the same effect on parameters as a block.
#[test]
fn flush_sets_values_like_process() {
    let library = Library::load();
    for id in IDS {
        let (by_flush, by_block) = (library.plugin(id), library.plugin(id));
        let mut random = Random(3);
        let mut events = rtjam_tests::claphost::Events::none();
        let mut list = List::default();
        for param in by_flush.params() {
            let value = param.range[0] + (param.range[1] - param.range[0]) * random.unit();
            events.push(0, param.id, value);
            list.set(0, CLAP_CORE_EVENT_SPACE_ID, param.id, value);
        }
        by_flush.raw().flush(&mut events);
        assert!(by_block.activate(48_000.0, 64) && by_block.raw().start());
        play(&by_block, 64, &list, &mut random);
        by_block.raw().stop();
        assert_eq!(by_flush.save(), by_block.save());
    }
}

/// Resets, and activations at fractional rates, leave a valid output.
#[test]
fn resets_and_rates_keep_output_valid() {
    let library = Library::load();
    for id in IDS {
        let (plugin, mut random) = (library.plugin(id), Random(5));
        for rate in [1_000.0, 10_000.5, 12_345.678, 44_100.0, 45_678.901, 96_000.0, 234_567.89, 768_000.0] {
            assert!(plugin.activate(rate, 511) && plugin.raw().start(), "{rate}");
            for _ in 0..5 {
                play(&plugin, 511, &List::default(), &mut random);
                let raw = plugin.raw().as_ptr();
                // SAFETY: the plugin lives and is active.
                unsafe { (*raw).reset.expect("it has one")(raw) };
            }
            plugin.raw().stop();
            plugin.deactivate();
        }
    }
}

/// Invalid state is refused and changes nothing.
#[test]
fn invalid_state_is_refused_unchanged() {
    let library = Library::load();
    for id in IDS {
        let (plugin, mut random) = (library.plugin(id), Random(9));
        let before = plugin.save();
        assert!(!plugin.load(b""));
        for size in [1, 64, 1 << 20, 3 << 20] {
            let noise: Vec<u8> = (0..size).map(|_| random.below(256) as u8).collect();
            assert!(!plugin.load(&noise), "{size}");
        }
        assert_eq!(plugin.save(), before);
    }
}
