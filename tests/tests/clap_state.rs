//! The state that the host stores in its project.

use rtjam_tests::claphost::{Buffers, Events, IDS, Library};
use std::sync::atomic::Ordering::Relaxed;

/// Each value is restored to the last bit, and the host is informed.
#[test]
fn state_round_trips_exactly() {
    let library = Library::load();
    for id in IDS {
        let plugin = library.plugin(id);
        let params = plugin.params();
        let mut events = Events::none();
        for (index, param) in params.iter().enumerate() {
            let share = (index as f64 * 0.618_033_988_749).fract();
            events.push(0, param.id, param.range[0] + (param.range[1] - param.range[0]) * share);
        }
        plugin.raw().flush(&mut events);
        let values: Vec<_> = params.iter().map(|p| plugin.value(p.id)).collect();
        let saved = plugin.save();
        let other = library.plugin(id);
        assert!(other.load(&saved));
        assert_eq!(other.host_calls.rescan.load(Relaxed), 1);
        assert_eq!(params.iter().map(|p| other.value(p.id)).collect::<Vec<_>>(), values);
        assert_eq!(other.save(), saved);
        // Neither activation nor a block changes it.
        assert!(other.activate(48_000.0, 64));
        Buffers::new(64, 1).process(other.raw(), 64, &mut Events::none());
        assert_eq!(other.save(), saved);
    }
}

/// A project keeps names in any script.
#[test]
fn state_keeps_unicode() {
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    let name = "Ångström 🎸 奏者";
    let project = format!("{{\"rtjam\":1,\"name\":\"{name}\",\"params\":{{\"2\":-3.25}}}}");
    assert!(plugin.load(project.as_bytes()));
    assert_eq!(plugin.value(2), Some(-3.25));
    assert!(String::from_utf8(plugin.save()).expect("UTF-8").contains(name));
}

/// Truncated and random state is refused and changes nothing.
#[test]
fn damaged_state_is_refused() {
    let library = Library::load();
    let plugin = library.plugin(IDS[1]);
    plugin.raw().flush(&mut Events::set(2, -9.0));
    let good = plugin.save();
    for cut in (0..good.len()).step_by(7) {
        assert!(!plugin.load(&good[..cut]), "{cut} bytes");
    }
    let mut random = 1_u32;
    for length in 0..500 {
        let mut byte = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        let noise: Vec<u8> = (0..length).map(|_| byte()).collect();
        assert!(!plugin.load(&noise));
        let said = plugin.host_calls.log.lock().expect("no panic").pop().expect("a reason");
        assert!(said.contains("project"), "{said}");
        // Valid state with some bytes changed may be accepted or refused, but must not crash.
        let mut damaged = good.clone();
        for _ in 0..3 {
            let at = usize::from(byte()) * good.len() / 256;
            damaged[at] = byte();
        }
        if plugin.load(&damaged) {
            assert!(plugin.load(&good));
        }
    }
    assert!(!plugin.load(&vec![b' '; 3 << 20]));
    assert_eq!(plugin.save(), good);
}
