//! A plugin in a host that stalls every second: what a listener hears of it, and what the others are told.

use rtjam_tests::claphost::{AudioThread, IDS, Library, project, use_private_home};
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::{realtime_stalls, sound, wait};
use std::time::Duration;

const MONITOR: u32 = 1;
const SEND_MUTE: u32 = 3;
const LIMIT: Duration = Duration::from_secs(30);

const RATE: usize = 48_000;
const BLOCK: usize = 128;
/// The delay is measured in windows of 10 ms.
const WINDOW: usize = 480;
/// The longest delay that is found, in frames.
const MOST: usize = 1920;

/// Seconds without stalls, with a stall in each, and afterwards.
const CALM: usize = 3;
const STALLING: usize = 8;
const AFTERWARDS: usize = 4;
/// The delay is back this many seconds after the last stall.
const BACK: usize = 2;

/// The sender's host stalls for 4 ms: little delay, little damage, and the others are told.
#[test]
fn sender_stalls_of_4_ms() {
    some_recording_keeps_the_bounds(4, 0);
}

/// The sender's host stalls for 10 ms.
#[test]
fn sender_stalls_of_10_ms() {
    some_recording_keeps_the_bounds(10, 0);
}

/// The listener's host stalls for 4 ms.
#[test]
fn listener_stalls_of_4_ms() {
    some_recording_keeps_the_bounds(0, 4);
}

/// Ann plays, Ben listens, Cleo reads what she is told.
fn some_recording_keeps_the_bounds(ann_ms: u64, ben_ms: u64) {
    use_private_home();
    let room = Room::start();
    let mut cleo = Musician::start(&Options::dummy("Cleo", &room.invite));
    let library = Library::load();
    let plugins = [library.plugin(IDS[0]), library.plugin(IDS[0])];
    let mut hosts = Vec::new();
    for (plugin, (name, signal)) in
        plugins.iter().zip([("Ann", sound::noise_50_to_8000(3 * RATE, RATE as u32, 5)), ("Ben", vec![0.0])])
    {
        assert!(plugin.load(project(name, &room.invite, "").as_bytes()));
        hosts.push(AudioThread::start_real_time(plugin, RATE as u32, BLOCK as u32, 1, signal));
    }
    let [ann, ben] = &hosts[..] else { unreachable!("two hosts") };
    ann.set(SEND_MUTE, 0.0);
    ben.set(MONITOR, -60.0);
    wait::until("Ben hears Ann", LIMIT, || {
        (ben.recorded() > RATE / 4).then(|| ben.take()).filter(|take| take.got[0].iter().any(|s| s.abs() > 0.1))
    });
    realtime_stalls::some_take(|_| {
        let heard = Heard::record(ann, ben, [ann_ms, ben_ms]);
        println!("{heard:?}");
        heard.keeps_bounds(ann_ms.max(ben_ms))
    });

    if ann_ms > 0 {
        ann.stall(ann_ms);
        let about_ann = |status: &serde_json::Value| {
            let musicians = status["musicians"].as_array()?;
            Some(musicians.iter().find(|m| is_ann(&m["name"]))?["stalls"].clone())
        };
        cleo.wait_new("Ann's stalls", LIMIT, |status| {
            let told = status["notices"].as_array()?.iter().any(|notice| {
                is_ann(notice) && notice.as_str().is_some_and(|n| n.contains("'s computer stops audio for about"))
            });
            (told && about_ann(status)?["ms"].as_f64()? >= ann_ms as f64 * 0.7).then_some(())
        });
    }
}

/// Whether a text begins with Ann's name: "Ann", or "Ann 2" if Ben, who has the same identity, joined first.
fn is_ann(text: &serde_json::Value) -> bool {
    text.as_str().is_some_and(|text| text.starts_with("Ann"))
}

/// How a recording was heard.
#[derive(Debug)]
struct Heard {
    /// Mean delay in ms before the stalls, and from two seconds after them on. It contains the unknown time between the
    /// beginnings of the two recordings.
    calm_ms: f64,
    back_ms: f64,
    /// 95th percentile of the delay during the stalls, in ms.
    stalled_p95_ms: f64,
    /// Damaged windows in the three stretches.
    damaged: [usize; 3],
}

impl Heard {
    fn record(ann: &AudioThread<'_>, ben: &AudioThread<'_>, stall_ms: [u64; 2]) -> Heard {
        let stall = |[ann_ms, ben_ms]: [u64; 2]| {
            ann.stall(ann_ms);
            ben.stall(ben_ms);
        };
        let until = |seconds: usize| {
            let frames = seconds * RATE;
            wait::until("a recording", LIMIT, || (ann.recorded().min(ben.recorded()) >= frames).then_some(()));
        };
        ben.take();
        ann.take();
        until(CALM);
        stall(stall_ms);
        until(CALM + STALLING);
        stall([0, 0]);
        until(CALM + STALLING + AFTERWARDS);
        // Ben's recording may begin up to a block later than Ann's.
        let (sent, got) = (ann.take().sent, [vec![0.0; 2 * BLOCK], ben.take().got.remove(0)].concat());
        let delays = |from: usize, to: usize| -> Vec<Option<f64>> {
            let window = |at: usize| {
                let (lag, alike) = sound::delay_at(&sent, &got, at, WINDOW, MOST);
                (alike > 0.9).then_some(lag as f64 * 1e3 / RATE as f64)
            };
            (from * RATE..to * RATE - MOST - WINDOW).step_by(WINDOW).map(window).collect()
        };
        let calm = delays(1, CALM);
        let stalled = delays(CALM, CALM + STALLING);
        let back = delays(CALM + STALLING + BACK, CALM + STALLING + AFTERWARDS);
        let mut sorted: Vec<f64> = stalled.iter().copied().flatten().collect();
        sorted.sort_by(f64::total_cmp);
        Heard {
            calm_ms: mean(&calm),
            back_ms: mean(&back),
            stalled_p95_ms: sorted.get(sorted.len() * 95 / 100).copied().unwrap_or(f64::INFINITY),
            damaged: [&calm, &stalled, &back].map(|delays| delays.iter().filter(|d| d.is_none()).count()),
        }
    }

    /// Which bound the recording breaks, with stalls of this length. The machine's own stalls may move the delay by a
    /// period.
    fn keeps_bounds(&self, stall_ms: u64) -> Result<(), String> {
        let period_ms = BLOCK as f64 * 1e3 / RATE as f64;
        let [calm, stalled, back] = self.damaged;
        // A stall damages what was due meanwhile and in a packet more, and the fades around it: at most three windows. What
        // the machine damages in the two calm seconds, it damages in the others too.
        let touched = 3 * STALLING + calm * STALLING / 2;
        let broken = if self.stalled_p95_ms > self.calm_ms + stall_ms as f64 + period_ms {
            "delay during the stalls"
        } else if self.back_ms > self.calm_ms + period_ms {
            "delay after the stalls"
        } else if calm > 4 || stalled > touched || back > calm + 2 {
            "damage"
        } else {
            return Ok(());
        };
        Err(format!("{broken}: {self:?}"))
    }
}

/// Mean of the windows that are not damaged.
fn mean(delays: &[Option<f64>]) -> f64 {
    let good: Vec<f64> = delays.iter().copied().flatten().collect();
    good.iter().sum::<f64>() / good.len() as f64
}
