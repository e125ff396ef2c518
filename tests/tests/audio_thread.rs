//! The audio thread makes no system call except the wake. The kernel checks this: any other call kills the test.

#![cfg(target_os = "linux")]

use rtjam_client::{Client, ClientOptions, Clock, Identity, Wake};
use rtjam_engine::{Engine, Outputs, SLOTS};
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BLOCK: usize = 64;

#[derive(Default)]
struct Counts {
    blocks: AtomicU64,
    wakes: AtomicU64,
    stop: AtomicBool,
    stopped: AtomicBool,
}

/// `process` wakes the sending thread at most once per block and makes no other system call.
#[test]
fn process_makes_only_wake_calls() {
    let room = Room::start();
    let scratch = Scratch::new("audio-thread");
    let counts = Arc::new(Counts::default());
    let (wake, clock) = (Wake::new(), Clock::new());
    let (closure, counted) = (wake.closure(), counts.clone());
    let (mut engine, network, console) = rtjam_engine::engine(7, move || {
        counted.wakes.fetch_add(1, Ordering::Relaxed);
        closure();
    });
    engine.configure(48_000, BLOCK);
    let identity = Identity::load_or_create(scratch.path()).expect("an identity");
    let client = Client::new(ClientOptions::new(identity, "Ann"), clock, wake, network, console.clone());
    client.join(room.invite.parse().expect("a link"));
    let ben = Musician::start(&Options::demo("Ben", &room.invite));

    let shared = counts.clone();
    // Ending this thread would need forbidden system calls: it spins until the process ends.
    std::thread::spawn(move || play(&mut engine, clock, &shared));
    let hears = |name: &str, limit| {
        let heard = |s: &rtjam_client::Status| s.musicians.iter().any(|m| m.name == name && m.counts.packets > 100);
        wait::until(name, limit, || heard(&client.status()).then_some(()));
    };
    hears("Ben", Duration::from_secs(10));
    for name in ["Cleo", "Dora"] {
        let someone = Musician::start(&Options::demo(name, &room.invite));
        hears(name, Duration::from_secs(10));
        drop(someone);
    }
    client.leave();
    client.join(room.invite.parse().expect("a link"));
    hears("Ben", Duration::from_secs(10));
    drop(ben);
    let enough = || (counts.blocks.load(Ordering::SeqCst) > 4000).then_some(());
    wait::until("some seconds of audio", Duration::from_secs(60), enough);

    counts.stop.store(true, Ordering::SeqCst);
    wait::until("the end of the audio", Duration::from_secs(2), || counts.stopped.load(Ordering::SeqCst).then_some(()));
    let (blocks, wakes) = (counts.blocks.load(Ordering::SeqCst), counts.wakes.load(Ordering::SeqCst));
    eprintln!("{blocks} blocks, {wakes} wakes");
    assert!(wakes > blocks / 2 && wakes <= blocks);
}

fn play(engine: &mut Engine, clock: Clock, counts: &Counts) {
    let input = [0.25_f32; BLOCK];
    let mut buffers = vec![[0.0_f32; BLOCK]; 2 + 2 * SLOTS];
    let begun = Instant::now();
    only_wakes_from_here();
    let mut block = 0_u32;
    while !counts.stop.load(Ordering::Relaxed) {
        // Read through the vDSO, without a system call.
        let due = begun + Duration::from_nanos(1_000_000_000 / 750) * block;
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let (main, slots) = buffers.split_at_mut(2);
        let [left, right] = main else { return };
        let mut slots = slots.chunks_exact_mut(2).map(|pair| {
            let (a, b) = pair.split_at_mut(1);
            [&mut a[0][..], &mut b[0][..]]
        });
        let mut outputs = Outputs { main: [left, right], slots: std::array::from_fn(|_| slots.next()) };
        engine.process(clock.now(), [&input, &input], &mut outputs);
        engine.finished(clock.now());
        counts.blocks.fetch_add(1, Ordering::Relaxed);
        block += 1;
    }
    counts.stopped.store(true, Ordering::SeqCst);
    loop {
        std::hint::spin_loop();
    }
}

/// Installs a seccomp filter on the calling thread: FUTEX_WAKE passes, any other system call kills the process.
fn only_wakes_from_here() {
    const NUMBER: u32 = 0;
    const SECOND_ARGUMENT: u32 = 24;
    const COMMAND: u32 = 0x7f;
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let unless_skip = |value, skip| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skip, value);
    let give = |verdict| step(libc::BPF_RET | libc::BPF_K, 0, 0, verdict);
    let mut program = [
        load(NUMBER),
        unless_skip(libc::SYS_futex as u32, 4),
        load(SECOND_ARGUMENT),
        step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, COMMAND),
        unless_skip(libc::FUTEX_WAKE as u32, 1),
        give(libc::SECCOMP_RET_ALLOW),
        give(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: both calls read the filter only while they run; it lives until the end of this function.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    assert!(set, "the kernel accepts seccomp filters");
}

fn step(code: u32, jump_if: u8, jump_else: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: jump_if, jf: jump_else, k }
}
