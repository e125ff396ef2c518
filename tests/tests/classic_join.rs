//! `rtjam --join classic://…`: our ends on classic servers, one made from the bytes of its packet and our own.

use rtjam_tests::child::Child;
use rtjam_tests::claphost::{IDS, Library, Paced, live_in_a_home_of_our_own, project};
use rtjam_tests::classic::{Playing, Unit, packet};
use rtjam_tests::classic_server::{Came, ClassicServer, Mode};
use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::{Room, free_port};
use rtjam_tests::scratch::Scratch;
use rtjam_tests::wait::until;
use rtjam_tests::{probe, programs, sound};
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Everything happens within this time, also on a busy machine.
const SOON: Duration = Duration::from_secs(30);

const RATE: usize = 48_000;

#[test]
fn two_of_ours_hear_each_other_through_a_classic_server_whatever_their_period() {
    for (period, longest) in [(64, 284), (128, 540), (256, 540)] {
        let server = ClassicServer::start(Mode::Separate);
        sounds_alike(period, &server.link(), &server.link());
        only_sent(&server, &[28, longest]);
    }
}

#[test]
fn one_by_the_classic_packet_and_one_in_the_room_hear_each_other_through_our_own_server() {
    let (room, classic) = classic_room();
    for period in [64, 256] {
        sounds_alike(period, &room.invite, &classic);
    }
}

#[test]
fn both_by_the_classic_packet_hear_each_other_through_our_own_server() {
    let (_room, classic) = classic_room();
    sounds_alike(128, &classic, &classic);
}

/// Our own server with a classic port, and the link to that.
fn classic_room() -> (Room, String) {
    let mut room = Room::start_with(&["--classic", "127.0.0.1:0"]);
    let address: SocketAddr = room.child.wait_out("classic line", SOON, |l| l.strip_prefix("classic: ")?.parse().ok());
    (room, format!("classic://{address}"))
}

/// Every packet has one of these lengths, and in the end they return what they were told, numbered one after the other.
fn only_sent(server: &ClassicServer, lengths: &[usize]) {
    let came = server.came();
    assert!(came.iter().all(|c| lengths.contains(&c.len)), "{:?}", came.iter().find(|c| !lengths.contains(&c.len)));
    let source = came.last().expect("packets").from;
    let own: Vec<&Came> = came.iter().filter(|c| c.from == source).collect();
    assert!(own.iter().rev().take(1000).all(|c| c.returned), "a server time that nobody was told");
    assert!(own.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)), "numbers");
    assert!((1..40_000).contains(&own[0].client), "{}", own[0].client);
}

/// What each plays, on both channels, is what the other hears: alike to more than 0.999 for a whole second, on a jackd of
/// this period. Takes are repeated where xruns leave no such second.
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
    for attempt in 0..6 {
        let play = |i: usize| (ports[i], sound::noise_16bit(5 * RATE, 10 * attempt + i as u32));
        let take = probe::take(&jackd.name, &[0, 1, 2, 3].map(play), &["B:out_1", "B:out_2", "A:out_1", "A:out_2"]);
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
            println!("period {period}: {best:?} in take {attempt}");
            return;
        }
        eprintln!("attempt {attempt}: xruns at {:?}, best {best:?}", take.xruns);
    }
    panic!("at {period} frames only {best:?}\n{}\n{}", a.child.transcript(), b.child.transcript());
}

#[test]
fn it_says_that_the_link_is_not_private_and_who_is_there() {
    let server = ClassicServer::start(Mode::Separate);
    let unit = Unit::start(server.address, Playing::audio(17));
    let mut ann = Musician::start(&Options::demo("Ann", &server.link()));
    let heard = ann.wait("the unit's sound", SOON, |s| {
        let unit = named(s, "Musician 17")?;
        let level = unit["dbfs"][0].as_f64()?;
        ((-23.5..=-22.5).contains(&level) && s["rtt_ms"].is_number()).then(|| s.clone())
    });
    assert_eq!((&heard["state"], &heard["classic"]), (&Value::from("joined"), &Value::from(true)));
    assert_eq!(heard["room"].as_str(), Some(server.link().as_str()));
    let sentence = heard["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("neither private nor authenticated"), "{sentence}");
    let unit_here = &heard["musicians"][0];
    assert_eq!((unit_here["slot"].as_u64(), &unit_here["classic"]), (Some(1), &Value::Bool(true)));
    assert_eq!(unit_here["dbfs"][1].as_f64(), Some(-120.0), "its silence is silent");
    let own = server.came().iter().find(|c| c.client != 17).expect("Ann's packets").client;
    assert_eq!(heard["you"]["name"], format!("Musician {own}"));
    until("Ann's sound at the unit", SOON, || (unit.heard(Some(own)).len() > 375).then_some(()));
    drop(unit);
    ann.wait_new("an empty server", SOON, |s| s["musicians"].as_array()?.is_empty().then_some(()));
    assert!(ann.status().is_some_and(|s| s["sentence"].as_str().is_some_and(|s| s.contains("alone"))));
}

fn named<'s>(status: &'s Value, name: &str) -> Option<&'s Value> {
    status["musicians"].as_array()?.iter().find(|m| m["name"] == name)
}

#[test]
fn silence_of_ours_is_silent_at_ours_also_through_a_server_of_theirs() {
    let server = ClassicServer::start(Mode::Separate);
    let _ann = Musician::start(&Options::dummy("Ann", &server.link()));
    let mut ben = Musician::start(&Options::dummy("Ben", &server.link()));
    let silent = |s: &Value| {
        let ann = &s["musicians"][0];
        (ann["packets"].as_u64()? > 375).then(|| ann["dbfs"].clone())
    };
    assert_eq!(ben.wait("silence", SOON, silent), serde_json::json!([-120.0, -120.0]));
}

#[test]
fn a_mix_is_one_musician() {
    let server = ClassicServer::start(Mode::Mix);
    let mut ann = Musician::start(&Options::dummy("Ann", &server.link()));
    let (_one, _two) = (Unit::start(server.address, Playing::audio(5)), Unit::start(server.address, Playing::audio(6)));
    ann.wait("both units in the mix", SOON, |s| {
        let all = s["musicians"].as_array()?;
        let level = named(s, "Mix")?["dbfs"][0].as_f64()?;
        // Two sines of −23 dBFS, in whatever phase: often enough they are heard.
        (all.len() == 1 && level > -40.0).then_some(())
    });
}

#[test]
fn muted_the_header_alone_goes_out_and_the_loop_goes_on() {
    let server = ClassicServer::start(Mode::Separate);
    let arguments = ["--backend", "dummy", "--source", "demo", "--mute"];
    let options = Options { name: "Ann", link: &server.link(), arguments: &arguments, jack: None, prefix: &[] };
    let mut ann = Musician::start(&options);
    ann.wait("a loop", SOON, |s| s["rtt_ms"].is_number().then_some(()));
    let before = server.came().len();
    let muted = until("a second of headers", SOON, || Some(server.came()).filter(|came| came.len() > before + 400));
    assert!(muted[before + 20..].iter().all(|c| c.len == 28 && c.returned), "{:?}", muted.last());
}

#[test]
fn what_does_not_come_from_the_server_is_not_heard() {
    let server = ClassicServer::start(Mode::Separate);
    let unit = Unit::start(server.address, Playing::audio(17));
    let mut ann = Musician::start(&Options::dummy("Ann", &server.link()));
    ann.wait_hears("Musician 17");
    let ann_is_at = server.came().iter().find(|c| c.client != 17).expect("Ann's packets").from;
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let (before, mut sequence) = (unit.got().len(), 0);
    until("a second of the unit's own", SOON, || {
        for _ in 0..5 {
            stranger.send_to(&packet(666, sequence, 1, [&[40_000; 64], &[40_000; 64]]), ann_is_at).expect("sent");
            sequence += 1;
        }
        (unit.got().len() > before + 750).then_some(())
    });
    let status = ann.wait_new("a status", SOON, |s| Some(s.clone()));
    let names: Vec<&str> =
        status["musicians"].as_array().into_iter().flatten().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["Musician 17"]);
}

#[test]
fn a_server_that_goes_and_comes_back_is_joined_again() {
    let server = ClassicServer::start(Mode::Separate);
    let address = server.address;
    let (mut ann, mut ben) = (demo("Ann", &server.link()), demo("Ben", &server.link()));
    let hears = |s: &Value| (s["state"] == "joined" && s["musicians"][0]["packets"].as_u64()? > 100).then_some(());
    for musician in [&mut ann, &mut ben] {
        musician.wait_new("the other", SOON, hears);
    }
    drop(server);
    for musician in [&mut ann, &mut ben] {
        musician.wait_new("word that it is gone", SOON, |s| {
            let gone = s["sentence"].as_str()?.contains("RTJam continues as soon as it is back");
            (gone && s["state"] == "connecting" && s["musicians"].as_array()?.is_empty()).then_some(())
        });
    }
    let _server = ClassicServer::start_at(Mode::Separate, address);
    for musician in [&mut ann, &mut ben] {
        musician.wait_new("the other again", SOON, hears);
    }
}

fn demo(name: &str, link: &str) -> Musician {
    Musician::start(&Options::demo(name, link))
}

#[test]
fn a_wrong_port_and_a_wrong_link_say_what_to_do() {
    // A room server's own port answers nothing to what does not open.
    let room = Room::start();
    for port in [room.port, free_port()] {
        let mut ann = demo("Ann", &format!("classic://127.0.0.1:{port}"));
        let sentence = ann.wait("a sentence", SOON, |s| s["sentence"].as_str().map(str::to_owned));
        assert!(sentence.contains(&format!("UDP port {port}")) && sentence.contains("7891"), "{sentence}");
        assert!(sentence.contains("which port it has"), "{sentence}");
        assert_eq!(ann.status().map(|s| s["state"].clone()), Some(Value::from("connecting")));
    }
    for (link, part) in [
        ("classic://127.0.0.1/lobby#AQEHBwcHBwcHBwcHBwcHBwcH", "no rooms and no keys"),
        ("classic://127.0.0.1:0", "from 1 to 65535"),
        ("classic://", "classic://HOST:PORT"),
    ] {
        let mut wrong = demo("Ann", link);
        assert_eq!(wrong.child.wait_exit(SOON), 2);
        let said = wrong.child.transcript();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_classic_server_is_kept_as_the_last_place() {
    let server = ClassicServer::start(Mode::Separate);
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

#[test]
fn the_plugin_plays_on_a_classic_server_and_its_project_keeps_the_link() {
    live_in_a_home_of_our_own();
    let server = ClassicServer::start(Mode::Separate);
    let unit = Unit::start(server.address, Playing::audio(17));
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    let link = server.link();
    assert!(plugin.load(project("Dora", &link, ",\"keep_key\":false").replace(",\"keep_key\":true", "").as_bytes()));
    let host = Paced::start(&plugin, 48_000, 128, 1, vec![0.2, -0.2]);
    // It comes back muted: headers, once it is known.
    let own = until("the plugin's packets", SOON, || server.came().iter().find(|c| c.client != 17).map(|c| c.client));
    host.set(SEND_MUTE, 0.0);
    let loud = |got: &rtjam_tests::classic::Got| got.channel(0).iter().all(|n| n.abs_diff(32_768) > 3000);
    until("the plugin's sound", SOON, || unit.heard(Some(own)).iter().any(loud).then_some(()));
    until("the unit's sound", SOON, || host.take().got[0].iter().any(|s| s.abs() > 0.25).then_some(()));
    assert!(String::from_utf8(plugin.save()).expect("JSON").contains(&link));
}

const SEND_MUTE: u32 = 3;
