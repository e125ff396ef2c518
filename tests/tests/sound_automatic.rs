//! Automatic playout on a clean network: at most two periods, and it stays there.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::probe::{self, Take};
use rtjam_tests::room::Room;
use rtjam_tests::sound;

const SECONDS: usize = 16;
const RATE: usize = 48_000;
const WINDOW: usize = 480;

#[test]
fn at_128_frames_the_delay_is_two_periods_at_most_and_changes_once_at_most() {
    let long_enough = |take: &Take| quiet_stretch(take, 3 * RATE).filter(|(from, to)| from + 5 * RATE < *to);
    let Some((take, (from, to))) = play(128, long_enough) else { return };
    let delays: Vec<usize> = delays(&take, from, to).into_iter().map(|d| d.expect("nothing is damaged")).collect();
    let changes = delays.windows(2).filter(|w| w[0] != w[1]).count();
    assert!(delays.iter().all(|d| *d <= 2 * 128), "{delays:?}");
    assert!(changes <= 1, "the delay changed {changes} times: {delays:?}");
}

/// At so short a period a shared machine has xruns every few seconds, and between them moments that are almost one:
/// a short stretch must do, and one block of a hundred in it. What such a moment adds to the delay is taken back
/// after two seconds.
#[test]
fn at_64_frames_the_delay_is_two_periods_at_most() {
    let long_enough = |take: &Take| quiet_stretch(take, 5 * RATE / 2).filter(|(from, to)| from + RATE < *to);
    let Some((take, (from, to))) = play(64, long_enough) else { return };
    let delays = delays(&take, from, to);
    let heard: Vec<usize> = delays.iter().copied().flatten().collect();
    assert!(heard.iter().all(|d| *d <= 2 * 64), "{heard:?}");
    assert!(
        (delays.len() - heard.len()) * 100 <= delays.len(),
        "{} of {} damaged",
        delays.len() - heard.len(),
        delays.len()
    );
}

/// Two musicians on one machine; a take that has what `pick` seeks.
fn play<T>(period: u32, pick: impl Fn(&Take) -> Option<T>) -> Option<(Take, T)> {
    let jackd = Jackd::start(RATE as u32, period)?;
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
    let mut xruns = Vec::new();
    for _ in 0..6 {
        let signal = sound::noise_16bit(SECONDS * RATE, 7);
        let take = probe::take(&jackd.name, &[("A:in_1", signal)], &["B:out_1"]);
        if let Some(picked) = pick(&take) {
            return Some((take, picked));
        }
        xruns.push(take.xruns);
    }
    panic!("the dummy driver leaves no stretch without an xrun: {xruns:?}");
}

/// The longest stretch that begins so many frames after joining or an xrun. Xruns are the driver's: what they
/// shift is no change of ours.
fn quiet_stretch(take: &Take, settle: usize) -> Option<(usize, usize)> {
    let end = take.sent[0].len() - 4 * WINDOW;
    let begins = std::iter::once(3 * RATE - settle).chain(take.xruns.iter().copied()).map(|at| at + settle);
    let ends = take.xruns.iter().copied().chain([end]);
    begins.zip(ends).max_by_key(|(from, to)| to.saturating_sub(*from))
}

/// The delay of every 10 ms; `None` where they are damaged.
fn delays(take: &Take, from: usize, to: usize) -> Vec<Option<usize>> {
    let window = |at: usize| {
        let (lag, alike) = sound::delay_at(&take.sent[0], &take.got[0], at, WINDOW, 2 * WINDOW);
        (alike > 0.9).then_some(lag)
    };
    (from..to - WINDOW).step_by(WINDOW).map(window).collect()
}
