//! The values that the plugin and its host share: compiles `crates/ui/src/params`.

#[path = "../../../crates/ui/src/params/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod params;

use loom::sync::Arc;
use loom::thread;
use params::{Param, SyncedValues};
use rtjam_models::times;

const PARAM: Param = Param::Room;

/// The host fetches the changes that it has not been told of; `knows` is the value that the host then assumes.
fn fetch(values: &SyncedValues, knows: &mut f64) {
    values.drain_unsent(|param, value| {
        assert_eq!(param, PARAM);
        *knows = value;
        true
    });
}

/// Whether RTJam or the host edits last, the host knows the value in the end.
#[test]
fn host_knows_every_final_value() {
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

/// An edit that the host refuses once is sent again, even if another edit comes between.
#[test]
fn refused_edit_is_sent_again() {
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

/// A thread that sees a change flag also sees its value: the last value that the host is told is never stale.
#[test]
fn change_flag_follows_its_value() {
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
