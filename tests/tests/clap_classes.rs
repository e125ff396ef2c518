//! The content of the library as a host sees it: two plugins, their ports and parameters.

use clap_sys::ext::audio_ports::{CLAP_EXT_AUDIO_PORTS, clap_audio_port_info, clap_plugin_audio_ports};
use clap_sys::ext::latency::{CLAP_EXT_LATENCY, clap_plugin_latency};
use clap_sys::ext::tail::{CLAP_EXT_TAIL, clap_plugin_tail};
use clap_sys::process::CLAP_PROCESS_CONTINUE;
use rtjam_tests::claphost::{Buffers, Events, IDS, Library, Plugin};
use std::collections::HashSet;

/// The library contains exactly the two plugins.
#[test]
fn library_contains_two_plugins() {
    let library = Library::load();
    let plugins = library.plugins();
    let known = [(IDS[0], "RTJam"), (IDS[1], "RTJam Multi")].map(|(id, name)| (id.to_owned(), name.to_owned()));
    assert_eq!(plugins, known);
}

/// Other exports would collide with other plugins and with the host's libraries; a C++ library is not needed.
#[cfg(target_os = "linux")]
#[test]
fn library_exports_four_symbols() {
    let library = rtjam_tests::programs::plugin();
    let asked = |program: &str, argument: &str| {
        let output = std::process::Command::new(program).arg(argument).arg(&library).output();
        let output = output.unwrap_or_else(|e| panic!("cannot run {program} (part of the compiler's tools): {e}"));
        String::from_utf8(output.stdout).expect("text")
    };
    let shown = asked("nm", "-gDP");
    let mut shown: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, kind)| (!kind.starts_with(['U', 'w', 'v'])).then_some(name))
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, ["GetPluginFactory", "ModuleEntry", "ModuleExit", "clap_entry"]);
    let needed = asked("objdump", "-p");
    let needed: Vec<&str> = needed.lines().filter(|line| line.contains("NEEDED")).collect();
    assert!(!needed.is_empty() && needed.iter().all(|line| !line.contains("libstdc++")), "{needed:?}");
}

/// Number of channels of each port.
fn ports(plugin: &Plugin, is_input: bool) -> Vec<u32> {
    let (raw, ports) = (plugin.raw().as_ptr(), plugin.extension::<clap_plugin_audio_ports>(CLAP_EXT_AUDIO_PORTS));
    // SAFETY: the plugin lives; the structure consists of numbers and arrays of numbers.
    unsafe {
        let count = ports.count.expect("it has one")(raw, is_input);
        let mut info: clap_audio_port_info = std::mem::zeroed();
        assert!(!ports.get.expect("it has one")(raw, count, is_input, &mut info), "there is one port too many");
        let channels = |index| {
            let mut info: clap_audio_port_info = std::mem::zeroed();
            assert!(ports.get.expect("it has one")(raw, index, is_input, &mut info));
            assert_eq!((info.id, info.flags & 1), (index, u32::from(index == 0)));
            info.channel_count
        };
        (0..count).map(channels).collect()
    }
}

/// RTJam is stereo; RTJam Multi has a further output per slot.
#[test]
fn plugins_declare_their_ports() {
    let library = Library::load();
    let [one, multi] = IDS.map(|id| library.plugin(id));
    assert_eq!((ports(&one, true), ports(&one, false)), (vec![2], vec![2]));
    assert_eq!((ports(&multi, true), ports(&multi, false)), (vec![2], vec![2; 13]));
}

/// The plugin reports no latency for the musician's own signal, and an infinite tail.
#[test]
fn latency_is_zero_and_tail_infinite() {
    let library = Library::load();
    for (id, outputs) in IDS.into_iter().zip([1, 13]) {
        let plugin = library.plugin(id);
        for rate in [44_100.0, 48_000.0, 96_000.0] {
            assert!(plugin.activate(rate, 64));
            let raw = plugin.raw();
            // SAFETY: the plugin lives and is active.
            let (latency, tail) = unsafe {
                let latency = plugin.extension::<clap_plugin_latency>(CLAP_EXT_LATENCY).get.expect("it has one");
                let tail = plugin.extension::<clap_plugin_tail>(CLAP_EXT_TAIL).get.expect("it has one");
                (latency(raw.as_ptr()), tail(raw.as_ptr()))
            };
            assert_eq!((latency, tail), (0, i32::MAX as u32));
            let mut buffers = Buffers::new(64, outputs);
            buffers.input = [vec![0.25; 64], vec![-0.5; 64]];
            assert!(raw.start());
            assert_eq!(buffers.process(raw, 64, &mut Events::none()), CLAP_PROCESS_CONTINUE);
            assert_eq!(buffers.outputs[0], buffers.input, "{id} at {rate}");
            assert!(buffers.outputs[1..].iter().flatten().flatten().all(|s| *s == 0.0));
            raw.stop();
            plugin.deactivate();
        }
    }
}

/// Each parameter has an id and a range, and the text of each value parses to that value.
#[test]
fn parameter_texts_parse_to_values() {
    let library = Library::load();
    for (id, count) in IDS.into_iter().zip([4 + 12 * 8, 4 + 12 * 9]) {
        let plugin = library.plugin(id);
        let params = plugin.params();
        assert_eq!(params.len(), count);
        assert_eq!(params.iter().map(|p| p.id).collect::<HashSet<_>>().len(), count);
        assert_eq!(params.iter().map(|p| &p.name).collect::<HashSet<_>>().len(), count);
        for param in &params {
            let [least, most, default] = param.range;
            assert!(least < most && (least..=most).contains(&default), "{param:?}");
            assert_eq!(plugin.value(param.id), Some(default), "{param:?}");
            for step in 0..=20 {
                let text = plugin.text(param.id, least + (most - least) * f64::from(step) / 20.0).expect("a text");
                let value = plugin.parse(param.id, &text).unwrap_or_else(|| panic!("{param:?}: {text}"));
                assert_eq!(plugin.text(param.id, value), Some(text));
            }
        }
        let mute = params.iter().find(|p| p.name == "Send mute").expect("there");
        assert_eq!((plugin.text(mute.id, 1.0), plugin.parse(mute.id, "open")), (Some("muted".to_owned()), Some(0.0)));
        assert_eq!((plugin.value(999_999), plugin.text(999_999, 0.0), plugin.parse(1, "loud")), (None, None, None));
    }
}
