//! JACK servers at other rates: the wire stays at 48 kHz, and the audio is the same.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::probe::{self, Recording};
use rtjam_tests::room::Room;
use rtjam_tests::{realtime_stalls, sound};

/// JACK at 44.1 kHz.
#[test]
fn sound_is_the_same_at_44100() {
    same_at(44_100);
}

/// JACK at 96 kHz.
#[test]
fn sound_is_the_same_at_96000() {
    same_at(96_000);
}

fn same_at(rate: u32) {
    let Some(jackd) = Jackd::start(rate, 128) else { return };
    let room = Room::start();
    let start = |name: &str| {
        let arguments = ["--backend", "jack", "--no-connect", "--jack-name", name, "--playout", "10"];
        let all: Vec<&str> = arguments.iter().copied().chain(["--monitor", "off", "--format", "f32"]).collect();
        let jack = Some(jackd.name.as_str());
        Musician::start(&Options { name, link: &room.invite, arguments: &all, jack, prefix: &[] })
    };
    let (mut a, mut b) = (start("A"), start("B"));
    a.wait_joined();
    b.wait_joined();
    b.wait_hears("A");

    let second = rate as usize;
    let signal = sound::noise_50_to_8000(10 * second, rate, 3);
    realtime_stalls::some_take(|_| {
        let take = probe::record(&jackd.name, &[("A:in_1", signal.clone())], &["B:out_1"]);
        let Some(at) = quiet_place(&take, second) else { return Err(format!("xruns at {:?}", take.xruns)) };
        let (lag, _) = sound::delay_at(&take.sent[0], &take.got[0], at, 4096, second / 10);
        let window = second / 5;
        let alike = sound::similarity_at_fractional_delay(&take.sent[0], &take.got[0], at, window, lag);
        if alike > 0.999 { Ok(()) } else { Err(format!("{alike:.5} at {rate} Hz, xruns at {:?}", take.xruns)) }
    });
}

/// A position 300 ms after the beginning or an xrun, and 300 ms before the end or the next one.
fn quiet_place(take: &Recording, second: usize) -> Option<usize> {
    let begins = [2 * second].into_iter().chain(take.xruns.iter().copied());
    let ends = take.xruns.iter().copied().chain([take.sent[0].len()]);
    let (from, _) =
        begins.zip(ends).filter(|(from, to)| from + second * 6 / 10 <= *to).max_by_key(|(from, to)| to - from)?;
    Some(from + second * 3 / 10)
}
