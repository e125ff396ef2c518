//! One mix from the server instead of forwarded musicians, with real programs and JACK.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{JOIN, Musician, Options};
use rtjam_tests::probe::{self, Recording};
use rtjam_tests::room::Room;
use rtjam_tests::{realtime_stalls, sound};
use serde_json::Value;
use std::time::Duration;

const SECOND: usize = 48_000;
/// Joining, finding the playout position, settling.
const SKIP: usize = 3 * SECOND;
/// Length of one comparison.
const WINDOW: usize = SECOND / 10;
/// This many windows of this correlation are enough.
const ENOUGH: usize = 4;
const ALIKE: f64 = 0.999;
/// The longest delay that is searched.
const MOST: usize = 9600;

fn start(name: &str, link: &str, jack: &str, more: &[&str]) -> Musician {
    let arguments = ["--backend", "jack", "--no-connect", "--monitor", "off", "--jack-name", name];
    let all: Vec<&str> = arguments.iter().chain(more).copied().collect();
    Musician::start(&Options { name, link, arguments: &all, jack: Some(jack), prefix: &[] })
}

/// In windows away from xruns: the delay of the signal `from` in the recording `to`, and their correlation; stops once
/// [`ENOUGH`] windows match.
fn windows(take: &Recording, from: usize, to: usize) -> Vec<(usize, f64)> {
    let near_xrun = |at: usize| take.xruns.iter().any(|x| at < x + SECOND && *x < at + WINDOW + MOST);
    let (sent, got) = (&take.sent[from], &take.got[to]);
    let mut found = Vec::new();
    for at in (SKIP..sent.len() - WINDOW - MOST).step_by(SECOND / 2).filter(|at| !near_xrun(*at)) {
        let (lag, _) = sound::delay_at(sent, got, at, 2048, MOST);
        let exact = sound::similarity(&sent[at..at + WINDOW], &got[at + lag..]);
        let alike =
            if exact > ALIKE { exact } else { sound::similarity_at_fractional_delay(sent, got, at, WINDOW, lag) };
        found.push((lag, alike));
        if good(&found) == ENOUGH {
            break;
        }
    }
    found
}

fn good(windows: &[(usize, f64)]) -> usize {
    windows.iter().filter(|(_, alike)| *alike > ALIKE).count()
}

/// With a mix, a musician hears the others in one stream, and never themselves.
#[test]
fn mix_contains_others_only() {
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let mut ann = start("A", &room.invite, &jackd.name, &["--mix", "one"]);
    let mut ben = start("B", &room.invite, &jackd.name, &[]);
    let mut cat = start("C", &room.invite, &jackd.name, &[]);
    [&mut ann, &mut ben, &mut cat].into_iter().for_each(Musician::wait_joined);
    ben.wait_hears("C");
    let packets = |s: &serde_json::Value| s["mix_stream"]["packets"].as_u64();
    ann.wait("a mix", JOIN, |s| (packets(s)? > 0).then_some(()));
    realtime_stalls::some_take(|take| {
        let noise = |n: u32| sound::noise_50_to_8000(12 * SECOND, 48_000, 10 * take + n);
        let silence = || vec![0.0; 12 * SECOND];
        // Ben on the left and Cat on the right, so that the sum tells them apart; Ann on both.
        let signals = [
            ("B:in_1", noise(1)),
            ("B:in_2", silence()),
            ("C:in_1", silence()),
            ("C:in_2", noise(2)),
            ("A:in_1", noise(3)),
            ("A:in_2", noise(4)),
        ];
        let take = probe::record(&jackd.name, &signals, &["A:out_1", "A:out_2", "B:out_1", "B:out_2"]);
        for (from, to) in [(4, 0), (5, 1)] {
            let (lag, own) = sound::delay_at(&take.sent[from], &take.got[to], SKIP + SECOND, WINDOW, MOST);
            assert!(own < 0.1, "Ann hears herself ({own:.3} at {lag})");
        }
        let (bens, cats) = (windows(&take, 0, 0), windows(&take, 3, 1));
        println!(
            "{} of {} windows of Ben and {} of {} of Cat correlate above 0.999; {} xruns",
            good(&bens),
            bens.len(),
            good(&cats),
            cats.len(),
            take.xruns.len()
        );
        // Delay by the mix, and without it: Ben receives Cat forwarded.
        let delay = |all: &[(usize, f64)]| all.iter().map(|(lag, _)| *lag).min().unwrap_or(0) as f64 / 48.0;
        let (separate, _) = sound::delay_at(&take.sent[3], &take.got[3], SKIP, 2048, MOST);
        println!("smallest delay by the mix {:.1} ms, forwarded {:.1} ms", delay(&cats), separate as f64 / 48.0);
        let alike = [good(&bens), good(&cats)];
        if alike.iter().all(|alike| *alike >= ENOUGH) { Ok(()) } else { Err(alike) }
    });

    let status = ann.wait_new("the wait at the server", JOIN, |s| s["mix_delay_ms"].is_number().then(|| s.clone()));
    println!("the mix adds {} ms at the server", status["mix_delay_ms"]);
    assert_eq!(status["mix"], "one");
    let others = status["musicians"].as_array().expect("a list");
    assert_eq!(others.len(), 2);
    assert!(others.iter().all(|m| m["packets"] == 0), "there is one stream: {status}");
}

/// Changing between a mix and forwarded musicians neither clicks nor rejoins.
#[test]
fn changing_mix_mode_is_seamless() {
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let config = Scratch::new("mix");
    let say = |mix: &str| std::fs::write(config.path().join("rtjam.toml"), format!("mix = \"{mix}\"\n"));
    say("separate").expect("written");
    let folder = config.path().to_str().expect("a plain path");
    let mut ann = start("A", &room.invite, &jackd.name, &["--config", folder]);
    let mut ben = start("B", &room.invite, &jackd.name, &[]);
    [&mut ann, &mut ben].into_iter().for_each(Musician::wait_joined);
    ann.wait_hears("B");
    let level = 0.25;
    let step = 220.0 * std::f64::consts::TAU / 48_000.0;
    let steepest = (0..4).map(|attempt| {
        let tone: Vec<f32> = (0..16 * SECOND).map(|i| ((i as f64 * step).sin() * level) as f32).collect();
        let name = jackd.name.clone();
        let taking = std::thread::spawn(move || probe::record(&name, &[("B:in_1", tone)], &["A:out_1"]));
        let loud = |s: &serde_json::Value| s["musicians"][0]["dbfs"][0].as_f64().is_some_and(|db| db > -20.0);
        ann.wait_new("Ben's tone", JOIN, |s| loud(s).then_some(()));
        for mix in ["one", "separate", "one", "separate"] {
            say(mix).expect("written");
            ann.child.signal(libc::SIGHUP);
            ann.wait_new(mix, JOIN, |s| (s["mix"] == mix).then_some(()));
            // The change is over when a second status reports it.
            ann.wait_new("another status", Duration::from_secs(5), |s| (s["mix"] == mix).then_some(()));
        }
        let take = taking.join().expect("a take");
        // The recording begins in the middle of a wave, where the tone starts.
        let left_out = |at: usize| at < SECOND || take.xruns.iter().any(|x| at < x + SECOND && *x < at + SECOND);
        let jumps = take.got[0].windows(2).enumerate().filter(|(at, _)| !left_out(*at));
        let (at, jump) =
            jumps.map(|(at, w)| (at, (w[1] - w[0]).abs())).fold((0, 0.0), |m, j| if j.1 > m.1 { j } else { m });
        let loud = take.got[0].iter().filter(|s| s.abs() > 0.2).count();
        println!("attempt {attempt}: steepest {jump:.4} at {at}, {} xruns, {loud} loud samples", take.xruns.len());
        assert!(loud > SECOND / 4, "Ben is heard");
        jump
    });
    // Adjacent samples of the tone differ by 0.0072; by twice that while both streams play; a cut makes up to 0.25.
    let smooth = steepest.into_iter().any(|jump| jump < 0.03);
    assert!(smooth, "each change clicks\n{}", ann.child.transcript());
    let states: Vec<Value> = ann.child.out().all().iter().filter_map(|line| state(line)).collect();
    let since_join = states.iter().skip_while(|state| **state != "joined");
    assert!(since_join.clone().count() > 0 && since_join.clone().all(|state| *state == "joined"), "{states:?}");
}

/// The field `state` of a line of status.
fn state(line: &str) -> Option<Value> {
    Some(serde_json::from_str::<Value>(line).ok()?["state"].clone())
}
