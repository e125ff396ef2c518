//! Projects of the first releases open: hosts have stored ids, names, values and state.
//!
//! The VST3 side of those releases wrote the files in `golden/vst3`. They lack later additions; their content must stay
//! valid. `RTJAM_WRITE_GOLDEN=FOLDER` writes new ones from the library under test.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use rtjam_tests::vst3::{MULTI, RTJAM};
use rtjam_tests::vst3host::{Buffers, Call, Module};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Settings that differ from the defaults, including those of the user's own computer.
const SETTINGS: &[u8] = br#"{"rtjam":1,"name":"Ann","format":"pcm24","packet":64,"playout_ms":12.5,"comfort":"safe",
    "layout":"dual-mono","link":"rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH","keep_key":true,"light":true,
    "window":[900,600],"seats":{"slots":[]}}"#;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/vst3").join(format!("{name}.json"))
}

/// Everything that hosts store about a plugin, and a project with each parameter away from its default.
fn written_now(module: &Module, name: &str) -> Value {
    let effect = module.effect(name);
    let mut description = effect.description();
    description["class"] = module.description(name);
    assert!(effect.set_state(SETTINGS));
    let params = effect.params();
    let changes: Vec<(u32, i32, f64)> =
        (0..).zip(&params).map(|(index, p)| (p.id, 0, (f64::from(index) * 0.618_033_988_749 + 0.05).fract())).collect();
    effect.start(48_000.0, 64);
    let outputs = if name == MULTI.name { 13 } else { 1 };
    Buffers::new(64, outputs).play(&effect, &Call { changes: Some(&changes), ..Call::default() });
    effect.stop();
    let state = effect.state();
    let reopened = module.effect(name);
    assert!(reopened.set_state(&state));
    let values: Vec<Value> = params.iter().map(|p| json!([p.id, reopened.value(p.id)])).collect();
    description["state"] = Value::String(String::from_utf8(state).expect("JSON"));
    description["values"] = Value::Array(values);
    description
}

/// Fails if a part of `old` is missing from `new` or differs there. Array elements are matched by index.
fn assert_holds(old: &Value, new: &Value, place: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let found = new.get(key).unwrap_or_else(|| panic!("{place}: no {key}"));
                assert_holds(value, found, &format!("{place}.{key}"));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            assert!(old.len() <= new.len(), "{place}: {} of {}", new.len(), old.len());
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                assert_holds(old, new, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(old, new, "{place}"),
    }
}

/// Indexed by id: later releases may add parameters anywhere.
fn by_id(mut description: Value) -> Value {
    let params = description["params"].as_array().expect("parameters").clone();
    let keyed = params.into_iter().map(|param| (param["id"].to_string(), param)).collect();
    description["params"] = Value::Object(keyed);
    description
}

/// Projects of the first releases open with the same ids, names, values and state.
#[test]
fn old_projects_open_unchanged() {
    let module = Module::load();
    for class in [RTJAM, MULTI] {
        if let Some(folder) = std::env::var_os("RTJAM_WRITE_GOLDEN") {
            let text = serde_json::to_string_pretty(&written_now(&module, class.name)).expect("JSON");
            std::fs::write(Path::new(&folder).join(format!("{}.json", class.name)), text + "\n").expect("writable");
            continue;
        }
        let text = std::fs::read_to_string(golden(class.name)).expect("a golden file");
        let old: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(old["class"]["id"], class.id);

        let effect = module.effect(class.name);
        let mut new = effect.description();
        new["class"] = module.description(class.name);
        let mut described = by_id(old.clone());
        for stored in ["state", "values"] {
            described.as_object_mut().expect("an object").remove(stored);
        }
        assert_holds(&described, &by_id(new), class.name);

        let state = old["state"].as_str().expect("a state");
        assert!(effect.set_state(state.as_bytes()));
        for value in old["values"].as_array().expect("values") {
            let (id, wanted) = (value[0].as_u64().expect("an id") as u32, value[1].as_f64().expect("a value"));
            assert_eq!(effect.value(id), wanted, "{} {id}", class.name);
        }
        let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        assert_holds(&parsed(state.as_bytes()), &parsed(&effect.state()), "state");
    }
}

/// Automation is stored as 0 to 1: the same number must mean the same value.
#[test]
fn old_automation_keeps_its_meaning() {
    let module = Module::load();
    for class in [RTJAM, MULTI] {
        let text = std::fs::read_to_string(golden(class.name)).expect("a golden file");
        let old: Value = serde_json::from_str(&text).expect("JSON");
        let effect = module.effect(class.name);
        let params = old["params"].as_array().expect("parameters");
        for (index, param) in params.iter().enumerate() {
            let id = param["id"].as_u64().expect("an id") as u32;
            effect.set_value(id, (index as f64 * 0.618_033_988_749 + 0.05).fract());
        }
        let [old, new] = [old["state"].as_str().expect("a state").as_bytes(), &effect.state()]
            .map(|bytes| serde_json::from_slice::<Value>(bytes).expect("JSON")["params"].clone());
        assert_holds(&old, &new, class.name);
    }
}
