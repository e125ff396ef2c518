//! Measures the time from the end of `process` until the datagram leaves: `send_latency [--seconds N] [--block FRAMES]`.
//!
//! Uses a real client in a real room, with callbacks at the pace of a sound card. The kernel time-stamps the datagrams.

#![allow(clippy::expect_used, reason = "a measurement fails by a panic that says what is missing")]

use rtjam_client::{Client, ClientOptions, Clock, Identity, SessionState, Wake};
use rtjam_engine::{Engine, Outputs};
use rtjam_load::{process, timestamps};
use rtjam_tests::machine::Scratch;
use rtjam_tests::relay::Relay;
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: send_latency [--seconds N (10)] [--block FRAMES (64)]";

fn main() -> ExitCode {
    let Some((seconds, block)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let room = Room::start();
    let relay = Relay::in_front_of(room.port);
    let scratch = Scratch::new("send-latency");
    let (wake, clock) = (Wake::new(), Clock::new());
    let (mut engine, network, console) = rtjam_engine::engine(11, wake.closure());
    engine.configure(48_000, block);
    let identity = Identity::load_or_create(scratch.path()).expect("an identity");
    let client = Client::new(ClientOptions::new(identity, "Ann"), clock, wake, network, console);
    client.join(relay.link(&room.invite).parse().expect("a link"));
    wait::until("joining", Duration::from_secs(10), || (client.status().state == SessionState::Joined).then_some(()));

    if !process::be_real_time(60) {
        eprintln!("no real-time priority for the callback: these are the figures of a normal thread");
    }
    relay.audio_left();
    let ended = play(&mut engine, clock, block, seconds);
    let left = relay.audio_left();
    let mut took: Vec<f64> = left.iter().filter_map(|at| since_the_last(&ended, *at)).collect();
    took.sort_by(f64::total_cmp);
    if took.is_empty() {
        eprintln!("no datagram was sent");
        return ExitCode::FAILURE;
    }
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("{} datagrams of {block} frames, from the end of process until they left", took.len());
    println!("median {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs, max {:.0} µs", at(0.5), at(0.99), at(0.999), at(1.0));
    ExitCode::SUCCESS
}

fn arguments() -> Option<(u32, usize)> {
    let (mut seconds, mut block) = (10, 64);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => seconds = words.next()?.parse().ok()?,
            "--block" => block = words.next()?.parse().ok().filter(|b| (32..=256).contains(b))?,
            _ => return None,
        }
    }
    Some((seconds, block))
}

/// Plays in real time and returns the end of each call of `process`.
fn play(engine: &mut Engine, clock: Clock, block: usize, seconds: u32) -> Vec<Duration> {
    let input = vec![0.25; block];
    let (mut left, mut right) = (vec![0.0; block], vec![0.0; block]);
    let blocks = u64::from(seconds) * 48_000 / block as u64;
    let mut ended = Vec::with_capacity(blocks as usize);
    let begun = monotonic();
    for n in 1..=blocks {
        sleep_until(begun + Duration::from_nanos(n * block as u64 * 1_000_000_000 / 48_000));
        let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; rtjam_engine::SLOTS] };
        engine.process(clock.now(), [&input, &input], &mut outputs);
        ended.push(timestamps::now());
    }
    ended
}

/// µs from the last end of `process` before `at`. The wake is inside `process`, so a datagram may leave before the end: this
/// counts as zero.
fn since_the_last(ended: &[Duration], at: Duration) -> Option<f64> {
    // Half a block of tolerance assigns an early datagram to the call that made it.
    let grace = Duration::from_micros(300);
    let index = ended.partition_point(|e| *e <= at + grace).checked_sub(1)?;
    Some(at.saturating_sub(ended[index]).as_secs_f64() * 1e6)
}

fn monotonic() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn sleep_until(at: Duration) {
    let time =
        libc::timespec { tv_sec: at.as_secs() as libc::time_t, tv_nsec: libc::c_long::from(at.subsec_nanos() as i32) };
    // SAFETY: `time` lives during the call; nothing is written back.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const time, std::ptr::null_mut()) };
}
