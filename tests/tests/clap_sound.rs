//! Two plugins in hosts that call in real time, in one room: the signal of one arrives at the other's host.

use rtjam_tests::claphost::{AudioThread, IDS, Library, project, use_private_home};
use rtjam_tests::room::Room;
use rtjam_tests::{realtime_stalls, sound, wait};
use std::time::Duration;

const MONITOR: u32 = 1;
const SEND_MUTE: u32 = 3;
/// Time limit for joining and the first audio.
const HEARD: Duration = Duration::from_secs(15);

/// 44.1 kHz, blocks of 32 frames.
#[test]
fn sound_at_44100_by_32() {
    same_sound(44_100, 32);
}

/// 44.1 kHz, blocks of 1024 frames.
#[test]
fn sound_at_44100_by_1024() {
    same_sound(44_100, 1024);
}

/// 48 kHz, blocks of 32 frames.
#[test]
fn sound_at_48000_by_32() {
    same_sound(48_000, 32);
}

/// 48 kHz, blocks of 128 frames.
#[test]
fn sound_at_48000_by_128() {
    same_sound(48_000, 128);
}

/// 48 kHz, blocks of 1024 frames.
#[test]
fn sound_at_48000_by_1024() {
    same_sound(48_000, 1024);
}

/// 96 kHz, blocks of 64 frames.
#[test]
fn sound_at_96000_by_64() {
    same_sound(96_000, 64);
}

/// 96 kHz, blocks of 512 frames.
#[test]
fn sound_at_96000_by_512() {
    same_sound(96_000, 512);
}

/// RTJam plays, RTJam Multi listens.
fn same_sound(rate: u32, block: u32) {
    use_private_home();
    let room = Room::start();
    let library = Library::load();
    let (ann, ben) = (library.plugin(IDS[0]), library.plugin(IDS[1]));
    let settings = ",\"format\":\"f32\",\"playout_ms\":150";
    assert!(ann.load(project("Ann", &room.invite, settings).as_bytes()));
    assert!(ben.load(project("Ben", &room.invite, settings).as_bytes()));
    let second = rate as usize;
    let ann = AudioThread::start(&ann, rate, block, 1, sound::noise_50_to_8000(3 * second, rate, 5));
    let ben = AudioThread::start(&ben, rate, block, 13, vec![0.0]);
    ann.set(SEND_MUTE, 0.0);
    ben.set(MONITOR, -60.0);
    wait::until("Ben hears Ann", HEARD, || {
        (ben.recorded() > second / 4).then(|| ben.take()).filter(|take| take.got[0].iter().any(|s| s.abs() > 0.1))
    });

    realtime_stalls::some_take(|_| {
        ben.take();
        ann.take();
        let full = wait::within(HEARD, || (ann.recorded().min(ben.recorded()) > second + second / 4).then_some(()));
        full.expect("the hosts keep running");
        let (sent, heard) = (ann.take().sent, ben.take());
        let slots: Vec<usize> = (1..13).filter(|n| heard.got[*n].iter().any(|s| *s != 0.0)).collect();
        assert_eq!(slots.len(), 1, "Ann is on one slot: {slots:?}");
        let at = second / 4;
        let (lag, alike) = sound::delay_at(&sent, &heard.got[0], at, 2048, second / 2);
        let close =
            |output: usize| sound::similarity_at_fractional_delay(&sent, &heard.got[output], at, second / 20, lag);
        // If the signals differ much, searching for a fraction of a frame would only take time.
        let [main, slot] = if alike > 0.9 { [close(0), close(slots[0])] } else { [alike; 2] };
        println!(
            "{rate} Hz, {block} frames: {main:.6}, slot {slot:.6}, after {:.1} ms",
            lag as f64 * 1e3 / rate as f64
        );
        if main.min(slot) > 0.999 { Ok(()) } else { Err([main, slot]) }
    });
}
