//! RTJam as VST3 in pedalboard, a host by JUCE that renders offline.

use rtjam_tests::child::Child;
use rtjam_tests::scratch::Scratch;
use rtjam_tests::vst3::{self, MULTI, RTJAM};
use rtjam_tests::{programs, skip};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn it_loads_keeps_its_state_and_leaves_the_room_out_of_what_is_rendered() {
    let python = programs::target_folder().join("pedalboard/bin/python");
    if !python.is_file() {
        skip::skipped("pedalboard is not installed (`cargo xtask setup` does it where there is pip and a network)");
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
