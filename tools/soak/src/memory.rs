//! Peak memory of server and musicians, and whether it grows.

use rtjam_load::process::{self, ProcessUsage};
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use std::fmt;
use std::time::{Duration, Instant};

const MUSICIANS: usize = 8;

/// Memory of a room.
#[derive(Debug)]
pub struct MemoryReport {
    /// Peak of the server before anyone joined, KiB.
    pub server_idle_kib: u64,
    /// Peak of the server with everyone in the room, KiB.
    pub server_full_kib: u64,
    /// Peak of the largest musician's program, KiB.
    pub musician_kib: u64,
    /// Growth of the server's resident memory after the warm-up, KiB.
    pub server_growth_kib: i64,
    /// Growth of the musician's program that grew most, KiB.
    pub musician_growth_kib: i64,
    /// Growth of threads and descriptors of all programs.
    pub handle_growth: i64,
}

/// Limits.
impl MemoryReport {
    /// A sentence per exceeded limit.
    pub fn broken(&self) -> Vec<String> {
        let a_musician = self.server_full_kib.saturating_sub(self.server_idle_kib) / MUSICIANS as u64;
        let rules = [
            (self.server_idle_kib > 30 * 1024, format!("the idle server needs {} KiB", self.server_idle_kib)),
            (a_musician > 1024, format!("the server needs {a_musician} KiB a musician")),
            (self.musician_kib > 40 * 1024, format!("a musician's program needs {} KiB", self.musician_kib)),
            (self.server_growth_kib > GROWTH_KIB, format!("the server grew by {} KiB", self.server_growth_kib)),
            (self.musician_growth_kib > GROWTH_KIB, format!("a musician grew by {} KiB", self.musician_growth_kib)),
            (self.handle_growth > 0, format!("{} threads or descriptors were left open", self.handle_growth)),
        ];
        rules.into_iter().filter(|(broken, _)| *broken).map(|(_, sentence)| sentence).collect()
    }
}

/// Normal fluctuation of the allocator.
const GROWTH_KIB: i64 = 512;

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let a_musician = self.server_full_kib.saturating_sub(self.server_idle_kib) as f64 / MUSICIANS as f64;
        writeln!(f, "server, idle, peak            {:8.1} MiB", mib(self.server_idle_kib))?;
        writeln!(f, "server, {MUSICIANS} musicians, peak     {:8.1} MiB", mib(self.server_full_kib))?;
        writeln!(f, "server, a musician            {a_musician:8.0} KiB")?;
        writeln!(f, "rtjam --headless, peak        {:8.1} MiB", mib(self.musician_kib))?;
        writeln!(f, "server, growth                {:8} KiB", self.server_growth_kib)?;
        writeln!(f, "rtjam, growth                 {:8} KiB", self.musician_growth_kib)?;
        write!(f, "threads and descriptors, more {:8}", self.handle_growth)
    }
}

/// Plays for `length`; the first fifth of it (at most a minute) is the warm-up. `progress` receives an occasional line.
pub fn run(length: Duration, mut progress: impl FnMut(&str)) -> MemoryReport {
    let room = Room::start();
    let server_idle_kib = process::usage(room.child.pid()).peak_kib;
    let names: Vec<String> = (1..=MUSICIANS).map(|n| format!("M{n}")).collect();
    let start = |name: &String| Musician::start(&Options::demo(name, &room.invite));
    let mut musicians: Vec<Musician> = names.iter().map(start).collect();
    for musician in &mut musicians {
        let everyone = |s: &serde_json::Value| (s["musicians"].as_array()?.len() == MUSICIANS - 1).then_some(());
        musician.wait("everyone in the room", Duration::from_secs(30), everyone);
    }
    let pids: Vec<u32> = std::iter::once(room.child.pid()).chain(musicians.iter().map(|m| m.child.pid())).collect();
    let figures = || -> Vec<ProcessUsage> { pids.iter().map(|pid| process::usage(*pid)).collect() };

    pass((length / 5).min(Duration::from_secs(60)), |left| progress(&format!("warming up, {left:?} left")));
    let before = figures();
    pass(length, |left| progress(&format!("playing, {left:?} left")));
    let after = figures();

    let growth: Vec<i64> = before.iter().zip(&after).map(|(b, a)| a.rss_kib as i64 - b.rss_kib as i64).collect();
    let handles = |f: &ProcessUsage| f.threads as i64 + f.descriptors as i64;
    MemoryReport {
        server_idle_kib,
        server_full_kib: after[0].peak_kib,
        musician_kib: after[1..].iter().map(|f| f.peak_kib).max().unwrap_or(0),
        server_growth_kib: growth[0],
        musician_growth_kib: growth[1..].iter().copied().max().unwrap_or(0),
        handle_growth: after.iter().map(handles).sum::<i64>() - before.iter().map(handles).sum::<i64>(),
    }
}

/// Waits for `length`, and reports every ten seconds.
fn pass(length: Duration, mut word: impl FnMut(Duration)) {
    let end = Instant::now() + length;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        word(Duration::from_secs(left.as_secs()));
        wait::within(left.min(Duration::from_secs(10)), || None::<()>);
    }
}
