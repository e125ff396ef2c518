//! A sound card that is removed and reinserted, through cpal and ALSA. The card is ALSA's plugin for JACK: it disappears
//! with the JACK server.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::machine;
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

const CARD: &str = "pcm.!default {
  type plug
  slave.pcm {
    type jack
    playback_ports { 0 system:playback_1 1 system:playback_2 }
    capture_ports { 0 system:capture_1 1 system:capture_2 }
  }
}
";

/// A device that disappears is reported, and used again when it is back.
#[test]
fn lost_device_is_reopened() {
    let plugin = ["x86_64", "aarch64"].map(|a| format!("/usr/lib/{a}-linux-gnu/alsa-lib/libasound_module_pcm_jack.so"));
    if !plugin.iter().any(|path| Path::new(path).exists()) {
        return machine::skipped("ALSA's JACK plugin is not installed (package libasound2-plugins)");
    }
    let Some(mut jackd) = Jackd::start(48_000, 128) else { return };
    let home = Scratch::new("card");
    std::fs::write(home.path().join(".asoundrc"), CARD).expect("the scratch folder can be written");
    let room = Room::start();
    let (name, home) = (jackd.name.clone(), format!("HOME={}", home.path().display()));
    let options = Options {
        arguments: &["--backend", "cpal", "--source", "demo"],
        jack: Some(&name),
        prefix: &["env", &home],
        ..Options::dummy("Ann", &room.invite)
    };
    let mut ann = Musician::start(&options);
    ann.child.wait_err("audio: ", SOON);
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.wait_hears("Ann");
    jackd.kill();
    ann.child.wait_err("back", SOON);
    let before = ben.wait_new("a status", SOON, |s| s["musicians"][0]["packets"].as_u64());
    jackd.start_again(48_000, 128);
    ben.wait_new("Ann's sound again", Duration::from_secs(15), |s| {
        s["musicians"][0]["packets"].as_u64().filter(|n| *n > before + 300)
    });
}
