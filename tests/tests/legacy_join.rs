//! `rtjam --join classic://…`: RTJam clients on a legacy server, and on the legacy port of a room server.

use rtjam_tests::child::Child;
use rtjam_tests::claphost::{AudioThread, IDS, Library, project, use_private_home};
use rtjam_tests::jackd::Jackd;
use rtjam_tests::legacy::{Unit, UnitStream, packet};
use rtjam_tests::legacy_server::{LegacyServer, LoggedPacket, Mode};
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::{Room, free_port};
use rtjam_tests::wait::until;
use rtjam_tests::{probe, programs, realtime_stalls, sound};
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Time limit for everything, also on a busy machine.
const SOON: Duration = Duration::from_secs(30);

const RATE: usize = 48_000;

/// Two musicians hear each other through a legacy server at any period.
#[test]
fn musicians_meet_on_legacy_server() {
    for (period, longest) in [(64, 284), (128, 540), (256, 540)] {
        let server = LegacyServer::start(Mode::Separate);
        sounds_alike(period, &server.link(), &server.link());
        only_sent(&server, &[28, longest]);
    }
}

/// A musician on the legacy port and one in the room hear each other.
#[test]
fn legacy_and_native_musicians_meet() {
    let (room, classic) = room_with_legacy_port();
    for period in [64, 256] {
        sounds_alike(period, &room.invite, &classic);
    }
}

/// Two musicians on the legacy port of a room server hear each other.
#[test]
fn musicians_meet_on_legacy_port() {
    let (_room, classic) = room_with_legacy_port();
    sounds_alike(128, &classic, &classic);
}

/// A room server with a legacy port, and the link to that port.
fn room_with_legacy_port() -> (Room, String) {
    let mut room = Room::start_with(&["--classic", "127.0.0.1:0"]);
    let address: SocketAddr =
        room.child.wait_out("line with the legacy port", SOON, |l| l.strip_prefix("classic: ")?.parse().ok());
    (room, format!("classic://{address}"))
}

/// Each packet has one of these lengths; in the end they echo received server times and are numbered consecutively.
fn only_sent(server: &LegacyServer, lengths: &[usize]) {
    let packets = server.packets();
    assert!(
        packets.iter().all(|c| lengths.contains(&c.len)),
        "{:?}",
        packets.iter().find(|c| !lengths.contains(&c.len))
    );
    let source = packets.last().expect("packets").from;
    let own: Vec<&LoggedPacket> = packets.iter().filter(|c| c.from == source).collect();
    assert!(own.iter().rev().take(1000).all(|c| c.returned), "the client echoes a server time that it was not sent");
    assert!(own.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)), "numbers");
    assert!((1..40_000).contains(&own[0].client), "{}", own[0].client);
}

/// On a jackd of this period, each client hears on both channels what the other plays, with a correlation above 0.999 for
/// a whole second. Recordings are repeated if xruns leave no such second.
fn sounds_alike(period: u32, ann: &str, ben: &str) {
    let Some(jackd) = Jackd::start(RATE as u32, period) else { return };
    let start = |name: &str, link: &str| {
        let arguments =
            ["--backend", "jack", "--no-connect", "--jack-name", name, "--playout", "10", "--monitor", "off"];
        Musician::start(&Options { name, link, arguments: &arguments, jack: Some(&jackd.name), prefix: &[] })
    };
    let (mut a, mut b) = (start("A", ann), start("B", ben));
    for musician in [&mut a, &mut b] {
        musician.wait("sound of the other", SOON, |s| (s["musicians"][0]["packets"].as_u64()? > 100).then_some(()));
    }
    let ports = ["A:in_1", "A:in_2", "B:in_1", "B:in_2"];
    let mut best = [0.0; 4];
    realtime_stalls::some_take(|n| {
        let play = |i: usize| (ports[i], sound::noise_16bit(5 * RATE, 10 * n + i as u32));
        let take = probe::record(&jackd.name, &[0, 1, 2, 3].map(play), &["B:out_1", "B:out_2", "A:out_1", "A:out_2"]);
        for (i, best) in best.iter_mut().enumerate() {
            for at in (RATE..3 * RATE).step_by(RATE / 2) {
                let (lag, alike) = sound::delay_at(&take.sent[i], &take.got[i], at, 1024, 4800);
                if alike > 0.9 {
                    let heard =
                        sound::similarity(&take.sent[i][at..at + RATE], &take.got[i][at + lag..at + lag + RATE]);
                    *best = heard.max(*best);
                }
                if *best > 0.999 {
                    break;
                }
            }
        }
        if best.iter().all(|best| *best > 0.999) {
            println!("period {period}: {best:?}");
            return Ok(());
        }
        Err(format!("best so far {best:?}, xruns at {:?}", take.xruns))
    });
}

/// The status warns that the link is not private, and lists the musicians.
#[test]
fn legacy_link_warns_and_lists_musicians() {
    let server = LegacyServer::start(Mode::Separate);
    let unit = Unit::start(server.address, UnitStream::audio(17));
    let mut ann = Musician::start(&Options::demo("Ann", &server.link()));
    let heard = ann.wait("the unit's sound", SOON, |s| {
        let unit = named(s, "Musician 17")?;
        let level = unit["dbfs"][0].as_f64()?;
        ((-23.5..=-22.5).contains(&level) && s["rtt_ms"].is_number()).then(|| s.clone())
    });
    assert_eq!((&heard["state"], &heard["classic"]), (&Value::from("joined"), &Value::from(true)));
    assert_eq!(heard["room"].as_str(), Some(server.link().as_str()));
    let sentence = heard["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("private"), "{sentence}");
    let unit_here = &heard["musicians"][0];
    assert_eq!((unit_here["slot"].as_u64(), &unit_here["classic"]), (Some(1), &Value::Bool(true)));
    assert_eq!(unit_here["dbfs"][1].as_f64(), Some(-120.0), "silence stays silent");
    let own = server.packets().iter().find(|c| c.client != 17).expect("Ann's packets").client;
    assert_eq!(heard["you"]["name"], format!("Musician {own}"));
    until("Ann's sound at the unit", SOON, || (unit.audio_from(Some(own)).len() > 375).then_some(()));
    drop(unit);
    ann.wait_new("an empty server", SOON, |s| s["musicians"].as_array()?.is_empty().then_some(()));
    assert!(ann.status().is_some_and(|s| s["sentence"].as_str().is_some_and(|s| s.contains("alone"))));
}

fn named<'s>(status: &'s Value, name: &str) -> Option<&'s Value> {
    status["musicians"].as_array()?.iter().find(|m| m["name"] == name)
}

/// Silence arrives as silence through a legacy server.
#[test]
fn silence_stays_silent_through_legacy() {
    let server = LegacyServer::start(Mode::Separate);
    let _ann = Musician::start(&Options::dummy("Ann", &server.link()));
    let mut ben = Musician::start(&Options::dummy("Ben", &server.link()));
    let silent = |s: &Value| {
        let ann = &s["musicians"][0];
        (ann["packets"].as_u64()? > 375).then(|| ann["dbfs"].clone())
    };
    assert_eq!(ben.wait("silence", SOON, silent), serde_json::json!([-120.0, -120.0]));
}

/// A legacy server's mix is shown as one musician.
#[test]
fn legacy_mix_is_one_musician() {
    let server = LegacyServer::start(Mode::Mix);
    let mut ann = Musician::start(&Options::dummy("Ann", &server.link()));
    let (_one, _two) =
        (Unit::start(server.address, UnitStream::audio(5)), Unit::start(server.address, UnitStream::audio(6)));
    ann.wait("both units in the mix", SOON, |s| {
        let all = s["musicians"].as_array()?;
        let level = named(s, "Mix")?["dbfs"][0].as_f64()?;
        // Two sines of −23 dBFS in any phase relation: often enough they are audible.
        (all.len() == 1 && level > -40.0).then_some(())
    });
}

/// A muted client sends headers only, and the round trip is still measured.
#[test]
fn muted_client_sends_headers_only() {
    let server = LegacyServer::start(Mode::Separate);
    let arguments = ["--backend", "dummy", "--source", "demo", "--mute"];
    let options = Options { name: "Ann", link: &server.link(), arguments: &arguments, jack: None, prefix: &[] };
    let mut ann = Musician::start(&options);
    ann.wait("a loop", SOON, |s| s["rtt_ms"].is_number().then_some(()));
    let before = server.packets().len();
    let muted =
        until("a second of headers", SOON, || Some(server.packets()).filter(|packets| packets.len() > before + 400));
    assert!(muted[before + 20..].iter().all(|c| c.len == 28 && c.returned), "{:?}", muted.last());
}

/// Packets that do not come from the server are ignored.
#[test]
fn packets_from_strangers_are_ignored() {
    let server = LegacyServer::start(Mode::Separate);
    let unit = Unit::start(server.address, UnitStream::audio(17));
    let mut ann = Musician::start(&Options::dummy("Ann", &server.link()));
    ann.wait_hears("Musician 17");
    let ann_is_at = server.packets().iter().find(|c| c.client != 17).expect("Ann's packets").from;
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let (before, mut sequence) = (unit.received().len(), 0);
    until("a second of the unit's own", SOON, || {
        for _ in 0..5 {
            stranger.send_to(&packet(666, sequence, 1, [&[40_000; 64], &[40_000; 64]]), ann_is_at).expect("sent");
            sequence += 1;
        }
        (unit.received().len() > before + 750).then_some(())
    });
    let status = ann.wait_new("a status", SOON, |s| Some(s.clone()));
    let names: Vec<&str> =
        status["musicians"].as_array().into_iter().flatten().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["Musician 17"]);
}

/// A client reports that the server is gone, and rejoins when it is back.
#[test]
fn client_rejoins_restarted_legacy_server() {
    let server = LegacyServer::start(Mode::Separate);
    let address = server.address;
    let port = address.port().to_string();
    let (mut ann, mut ben) = (demo("Ann", &server.link()), demo("Ben", &server.link()));
    let hears = |s: &Value| (s["state"] == "joined" && s["musicians"][0]["packets"].as_u64()? > 100).then_some(());
    for musician in [&mut ann, &mut ben] {
        musician.wait_new("the other", SOON, hears);
    }
    drop(server);
    for musician in [&mut ann, &mut ben] {
        musician.wait_new("the report that it is gone", SOON, |s| {
            let gone = s["sentence"].as_str()?.contains(&port);
            (gone && s["state"] == "connecting" && s["musicians"].as_array()?.is_empty()).then_some(())
        });
    }
    let _server = LegacyServer::start_at(Mode::Separate, address);
    for musician in [&mut ann, &mut ben] {
        musician.wait_new("the other again", SOON, hears);
    }
}

fn demo(name: &str, link: &str) -> Musician {
    Musician::start(&Options::demo(name, link))
}

/// A wrong port and a malformed link produce messages that say what to do.
#[test]
fn wrong_legacy_links_are_explained() {
    // A room server's own port does not answer datagrams that fail to open.
    let room = Room::start();
    for port in [room.port, free_port()] {
        let mut ann = demo("Ann", &format!("classic://127.0.0.1:{port}"));
        let sentence = ann.wait("a sentence", SOON, |s| s["sentence"].as_str().map(str::to_owned));
        assert!(sentence.contains(&port.to_string()) && sentence.contains("7891"), "{sentence}");
        assert_eq!(ann.status().map(|s| s["state"].clone()), Some(Value::from("connecting")));
    }
    for (link, part) in [
        ("classic://127.0.0.1/lobby#AQEHBwcHBwcHBwcHBwcHBwcH", "rooms"),
        ("classic://127.0.0.1:0", "65535"),
        ("classic://", "classic://HOST:PORT"),
    ] {
        let mut wrong = demo("Ann", link);
        assert_eq!(wrong.child.wait_exit(SOON), 2);
        let said = wrong.child.transcript();
        assert!(said.contains(part), "{said}");
    }
}

/// A legacy server is remembered as the last place.
#[test]
fn legacy_server_is_remembered() {
    let server = LegacyServer::start(Mode::Separate);
    let config = Scratch::new("last");
    for join in [server.link().as_str(), "last"] {
        let mut command = Command::new(programs::rtjam());
        command.args(["--headless", "--status-json", "--backend", "dummy", "--source", "demo", "--join", join]);
        command.env("HOME", config.path()).env("XDG_CONFIG_HOME", config.path());
        let mut ann = Child::start(&mut command, None);
        ann.wait_out("a status that is joined", SOON, |line| {
            let status: Value = serde_json::from_str(line).ok()?;
            (status["state"] == "joined" && status["classic"] == true).then_some(())
        });
        ann.end(SOON);
    }
}

/// The plugin plays on a legacy server, and its project stores the link.
#[test]
fn plugin_joins_legacy_server() {
    use_private_home();
    let server = LegacyServer::start(Mode::Separate);
    let unit = Unit::start(server.address, UnitStream::audio(17));
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    let link = server.link();
    assert!(plugin.load(project("Dora", &link, ",\"keep_key\":false").replace(",\"keep_key\":true", "").as_bytes()));
    let host = AudioThread::start(&plugin, 48_000, 128, 1, vec![0.2, -0.2]);
    // It rejoins muted and sends headers as soon as the server is known.
    let own =
        until("the plugin's packets", SOON, || server.packets().iter().find(|c| c.client != 17).map(|c| c.client));
    host.set(SEND_MUTE, 0.0);
    let loud = |got: &rtjam_tests::legacy::ReceivedPacket| got.channel(0).iter().all(|n| n.abs_diff(32_768) > 3000);
    until("the plugin's sound", SOON, || unit.audio_from(Some(own)).iter().any(loud).then_some(()));
    until("the unit's sound", SOON, || host.take().got[0].iter().any(|s| s.abs() > 0.25).then_some(()));
    assert!(String::from_utf8(plugin.save()).expect("JSON").contains(&link));
}

const SEND_MUTE: u32 = 3;
