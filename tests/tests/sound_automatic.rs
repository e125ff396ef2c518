//! Automatic playout on a clean network: at most two periods, and it stays there.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::{probe, sound};

const SECONDS: usize = 12;
const RATE: usize = 48_000;
const WINDOW: usize = 480;

#[test]
fn two_musicians_on_one_machine_hear_each_other_within_two_periods() {
    let period = 64;
    let Some(jackd) = Jackd::start(RATE as u32, period) else { return };
    let room = Room::start();
    let start = |name: &str| {
        let arguments = ["--backend", "jack", "--no-connect", "--jack-name", name, "--monitor", "off"];
        let jack = Some(jackd.name.as_str());
        Musician::start(&Options { name, link: &room.invite, arguments: &arguments, jack, prefix: &[] })
    };
    let (mut a, mut b) = (start("A"), start("B"));
    a.wait_joined();
    b.wait_joined();
    b.wait_hears("A");

    // Xruns are the driver's: a take that had some proves nothing about us.
    for _ in 0..5 {
        let signal = sound::noise_16bit(SECONDS * RATE, 7);
        let take = probe::take(&jackd.name, &[("A:in_1", signal)], &["B:out_1"]);
        if !take.xruns.is_empty() {
            continue;
        }
        let delays = delays(&take);
        let last = *delays.last().expect("there are windows");
        let changes = delays.windows(2).filter(|w| w[0] != w[1]).count();
        assert!(last <= 2 * period as usize, "{last} frames");
        assert!(changes <= 1, "the delay changed {changes} times: {delays:?}");
        return;
    }
    panic!("no take of {SECONDS} s without an xrun of the dummy driver");
}

/// The delay of every 10 ms from three seconds on; each window must be found undamaged.
fn delays(take: &probe::Take) -> Vec<usize> {
    let starts = (3 * RATE..take.sent[0].len() - 4 * WINDOW).step_by(WINDOW);
    starts
        .map(|at| {
            let (lag, alike) = sound::delay_at(&take.sent[0], &take.got[0], at, WINDOW, 2 * WINDOW);
            assert!(alike > 0.9, "10 ms at frame {at} are damaged ({alike:.3})");
            lag
        })
        .collect()
}
