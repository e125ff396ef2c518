//! Legacy rtjam units in a room: real server, real `rtjam`, and a unit written from its packet format.

use rtjam_tests::legacy::{ReceivedPacket, Unit, UnitStream};
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::wait::until;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Time limit for everything, also on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A server with a legacy port, and the address of that port.
fn room_with_legacy_port(arguments: &[&str]) -> (Room, SocketAddr) {
    let arguments: Vec<&str> = ["--classic", "127.0.0.1:0"].iter().chain(arguments).copied().collect();
    let mut room = Room::start_with(&arguments);
    let address = room.child.wait_out("line with the legacy port", SOON, |l| l.strip_prefix("classic: ")?.parse().ok());
    (room, address)
}

/// Frame n of the recording: a ramp that contains each value once.
fn ramp(n: usize) -> [i16; 2] {
    let v = (n % 32_768) as i16;
    [v - 16_384, 16_384_i16.saturating_sub(v)]
}

fn recording(folder: &Path) -> String {
    let path = folder.join("ramp.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).expect("a file");
    (0..32_768).flat_map(ramp).for_each(|s| wav.write_sample(s).expect("written"));
    wav.finalize().expect("written");
    path.to_str().expect("a plain path").to_owned()
}

/// Number of frames in consecutive packets that belong to the ramp, each sample one step above the previous one.
fn frames_of_the_ramp(packets: &[ReceivedPacket]) -> usize {
    let is_ramp = |pair: &[ReceivedPacket]| {
        let [a, b] = pair else { return false };
        if b.sequence() != a.sequence().wrapping_add(1) {
            return false;
        }
        let channels = [0, 1].map(|c| [a.channel(c), b.channel(c)].concat());
        let first = i32::from(channels[0][0]) - 16_384;
        (0..channels[0].len()).all(|i| {
            let expected = ramp((first + i as i32) as usize);
            (0..2).all(|c| i32::from(channels[c][i]) - 32_768 == i32::from(expected[c]))
        })
    };
    packets.windows(2).filter(|pair| is_ramp(pair)).map(|pair| pair[0].channel(0).len()).sum()
}

fn musician_named<'s>(status: &'s Value, name: &str) -> Option<&'s Value> {
    status["musicians"].as_array()?.iter().find(|m| m["name"] == name)
}

/// A legacy unit and a musician hear each other at any packet size.
#[test]
fn unit_and_musician_hear_each_other() {
    let (room, server) = room_with_legacy_port(&[]);
    let folder = Scratch::new("ramp");
    let wav = recording(folder.path());
    let unit = Unit::start(server, UnitStream::audio(17));
    for (packet, format) in [("32", "pcm16"), ("64", "pcm24"), ("128", "f32"), ("256", "pcm16")] {
        let arguments = ["--backend", "dummy", "--source", &wav, "--packet", packet, "--format", format];
        let options = Options { name: "Ann", link: &room.invite, arguments: &arguments, jack: None, prefix: &[] };
        let mut ann = Musician::start(&options);

        // The unit's audio at the musician: the sine on channel 1 at its level, and exact silence on channel 2.
        let heard = ann.wait("the unit's sound", SOON, |s| {
            let unit = musician_named(s, "Classic 17")?;
            let level = unit["dbfs"][0].as_f64()?;
            ((-23.5..=-22.5).contains(&level)).then(|| unit.clone())
        });
        assert_eq!((heard["dbfs"][1].as_f64(), &heard["classic"]), (Some(-120.0), &Value::Bool(true)), "{heard}");
        let notices = ann.status().expect("a status")["notices"].to_string();
        assert!(notices.contains("private"), "{notices}");

        // The musician's audio at the unit: every sample of a second, at any packet size of the musician.
        let (already, size) = (unit.received().len(), if packet == "32" || packet == "64" { 64 } else { 128 });
        until(&format!("a second of the recording in packets of {packet}"), SOON, || {
            let heard: Vec<ReceivedPacket> =
                unit.received().split_off(already).into_iter().filter(|g| g.bytes.len() > 28).collect();
            assert!(heard.iter().all(|g| g.bytes.len() == 28 + 4 * size), "{packet}");
            (frames_of_the_ramp(&heard) >= 48_000).then_some(())
        });
        drop(ann);
    }
}

/// A source receives nothing until it has played for half a second, so the port cannot amplify.
#[test]
fn new_source_gets_no_answer() {
    let (_room, server) = room_with_legacy_port(&[]);
    let headers = Unit::start(server, UnitStream { frames: 0, ..UnitStream::audio(1) });
    let slow = Unit::start(server, UnitStream { every: Duration::from_millis(6), ..UnitStream::audio(2) });
    let unit = Unit::start(server, UnitStream::audio(3));
    let first = until("an answer", SOON, || unit.received().first().cloned());
    let after = first.at - unit.began;
    assert!(after >= Duration::from_millis(500), "answered after {after:?}");
    // The returned header has the unit's own sequence number and id, and no audio, because nobody else plays.
    until("a second of headers", SOON, || (unit.headers().len() > 375).then_some(()));
    assert_eq!(unit.audio_from(None).len(), 0);
    assert!(
        unit.headers()
            .iter()
            .all(|g| g.client() == 3 && g.bytes[12..20] == (u64::from(g.sequence()) * 2667).to_be_bytes())
    );
    assert_eq!(
        (headers.received().len(), slow.received().len()),
        (0, 0),
        "a source that does not play receives nothing"
    );
}

/// Two units hear each other, and the beat follows the server's time.
#[test]
fn units_share_audio_and_beat() {
    let (_room, server) = room_with_legacy_port(&["--classic-room", "Thursday"]);
    let (a, b) = (Unit::start(server, UnitStream::audio(5)), Unit::start(server, UnitStream::audio(6)));
    for (unit, other, own) in [(&a, 6, 5), (&b, 5, 6)] {
        let heard = until("two seconds of the other unit", SOON, || {
            let heard = unit.audio_from(Some(other));
            (heard.len() > 750).then_some(heard)
        });
        assert!(unit.audio_from(Some(own)).is_empty(), "a unit does not hear itself");
        // The audio bytes arrive unchanged.
        assert!(heard.iter().all(|g| g.channel(1).iter().all(|n| *n == 32_766)));
        assert!(heard.iter().all(|g| u64::from(g.beat()) == g.server_time() / 500_000 % 4));
        let beats: std::collections::BTreeSet<u8> = unit.received().iter().map(ReceivedPacket::beat).collect();
        assert!(beats.len() >= 4, "{beats:?}");
    }
}

/// In a room that mixes by default, a unit receives one mix of the others in packets of 128 frames.
#[test]
fn room_default_mixes_for_units() {
    let (room, server) = room_with_legacy_port(&[]);
    room.invite_command(&["lobby", "--mix", "one"]);
    let folder = Scratch::new("ramp");
    let wav = recording(folder.path());
    let arguments = ["--backend", "dummy", "--source", &wav, "--packet", "64", "--mix", "separate"];
    let options = Options { name: "Ann", link: &room.invite, arguments: &arguments, jack: None, prefix: &[] };
    let mut ann = Musician::start(&options);
    let unit = Unit::start(server, UnitStream::audio(17));
    // Each value of Ann's ramp and nothing else: the unit does not hear itself.
    let heard = until("a second of the recording", SOON, || {
        let heard = unit.audio_from(None);
        (frames_of_the_ramp(&heard) >= 48_000).then_some(heard)
    });
    assert!(heard.iter().all(|g| g.client() == 40_002 && g.bytes.len() == 540), "there is one stream");
    assert!(heard.windows(2).all(|pair| pair[1].sequence() > pair[0].sequence()));
    assert!(heard.iter().all(|g| u64::from(g.beat()) == g.server_time() / 500_000 % 4));
    assert_eq!(unit.headers().len(), 0, "the mix carries the server's time");
    ann.wait_hears("Classic 17");
}

/// Units are counted in the metrics, and leave after a second without packets.
#[test]
fn silent_units_leave() {
    let (room, server) = room_with_legacy_port(&[]);
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    let (unit, twin) = (Unit::start(server, UnitStream::audio(17)), Unit::start(server, UnitStream::audio(17)));
    ann.wait_hears("Classic 17");
    ann.wait_hears("Classic 17 2");
    until("a count of two", SOON, || metrics(room.port).contains("\nrtjam_classic_musicians 2\n").then_some(()));
    assert!(metrics(room.port).contains("\nrtjam_musicians 3\n"));
    drop((unit, twin));
    ann.wait_new("an empty room", SOON, |s| s["musicians"].as_array()?.is_empty().then_some(()));
    until("a count of zero", SOON, || metrics(room.port).contains("\nrtjam_classic_musicians 0\n").then_some(()));
    // A unit that plays again rejoins.
    let _again = Unit::start(server, UnitStream::audio(17));
    ann.wait_new("the unit again", SOON, |s| musician_named(s, "Classic 17").map(|_| ()));
}

fn metrics(port: u16) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

/// The legacy thread has the scheduling policy and priority of the media threads.
#[test]
#[cfg(target_os = "linux")]
fn legacy_thread_has_media_priority() {
    let (room, _server) = room_with_legacy_port(&[]);
    let pid = room.child.pid();
    let permitted = std::thread::spawn(|| rtjam_load::process::be_real_time(1)).join().expect("it ends");
    // Round robin, or the default policy.
    let policy = if permitted { "2" } else { "0" };
    // Threads request it after they have started.
    until("the same policy and priority", SOON, || {
        let [media, classic] = ["media-0", "classic"].map(|name| scheduling(pid, name));
        (media == classic).then_some(media?).filter(|(found, _)| found == policy)
    });
}

/// Policy and real-time priority of a thread, from `/proc`.
#[cfg(target_os = "linux")]
fn scheduling(pid: u32, name: &str) -> Option<(String, String)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let thread = threads.into_iter().find(|t| text(t.path().join("comm")).trim() == name)?;
    let stat = text(thread.path().join("stat"));
    // The name may contain any character and ends with the last bracket; the fields after it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(((*fields.get(41 - 3)?).to_owned(), (*fields.get(40 - 3)?).to_owned()))
}
