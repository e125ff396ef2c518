//! The values that the plugin and its host share: `crates/ui/src/params` itself.

#[path = "../../../crates/ui/src/params/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod params;

use loom::sync::Arc;
use loom::thread;
use params::{Param, SyncedValues};
use rtjam_models::times;

const PARAM: Param = Param::Room;

/// The host fetches what it has yet to be told; `knows` is what it then takes the value for.
fn fetch(values: &SyncedValues, knows: &mut f64) {
    values.drain_unsent(|param, value| {
        assert_eq!(param, PARAM);
        *knows = value;
        true
    });
}

/// Whichever of an edit by RTJam and one by the host comes last, the host knows the value in the end.
#[test]
fn the_host_knows_every_value_in_the_end() {
    loom::model(|| {
        let values = Arc::new(SyncedValues::default());
        let ours = Arc::clone(&values);
        let editor = thread::spawn(move || {
            for edit in 1..=times(1, 2) {
                ours.set_and_mark(PARAM, -(edit as f64));
            }
        });
        let mut knows = values.get(PARAM);
        for edit in 1..=times(1, 2) {
            knows = values.set_from_host(PARAM, -10.0 - edit as f64);
            fetch(&values, &mut knows);
        }
        editor.join().expect("no panic");
        fetch(&values, &mut knows);
        assert_eq!(knows, values.get(PARAM));
    });
}

/// An edit that the host refuses once is told the next time, also when another edit comes between.
#[test]
fn a_refused_edit_is_told_again() {
    loom::model(|| {
        let values = Arc::new(SyncedValues::default());
        values.set_and_mark(PARAM, -1.0);
        let ours = Arc::clone(&values);
        let editor = thread::spawn(move || {
            ours.set_and_mark(PARAM, -2.0);
        });
        values.drain_unsent(|_, _| false);
        editor.join().expect("no panic");
        let mut knows = 0.0;
        fetch(&values, &mut knows);
        assert_eq!(knows, -2.0);
    });
}

/// A value that is marked is also there for whoever sees the mark: the host is never told an older one last.
#[test]
fn a_mark_is_never_ahead_of_its_value() {
    loom::model(|| {
        let values = Arc::new(SyncedValues::default());
        let ours = Arc::clone(&values);
        let editor = thread::spawn(move || {
            ours.set_and_mark(PARAM, -3.0);
        });
        let mut knows = 0.0;
        fetch(&values, &mut knows);
        editor.join().expect("no panic");
        fetch(&values, &mut knows);
        assert_eq!(knows, -3.0);
    });
}
