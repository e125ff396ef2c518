//! The cost of a block of 128 frames for an instance in no room and for one that is joining a room, with a tone and with
//! subnormal numbers as input. Each case prints the mean and the 99th percentile in µs; an instance in no room must stay below
//! 2 µs, and subnormal input must cost no more than a tone.

use criterion::Criterion;
use rtjam::instance::{HostBuffers, Instance};
use rtjam_engine::SLOTS;
use rtjam_ui::editor_model::{EditorModel, Kind};
use std::path::PathBuf;
use std::time::Instant;

const BLOCK: usize = 128;
const CALLS: usize = 50_000;
/// A room on a server that does not exist. An instance that wants to be in it processes audio for it anyway.
const NOWHERE: &str = "rtjam://127.0.0.1:9/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";

/// What the host's track plays.
#[derive(Clone, Copy)]
enum Material {
    Tone,
    Subnormal,
}

impl Material {
    fn samples(self) -> Vec<f32> {
        (0..BLOCK)
            .map(|i| match self {
                Material::Tone => (i as f32 * 0.05).sin() * 0.3,
                Material::Subnormal => f32::from_bits(1 + i as u32 * 65_000),
            })
            .collect()
    }
}

/// A host's buffers.
struct Host {
    input: [Vec<f32>; 2],
    main: [Vec<f32>; 2],
    slots: Vec<[Vec<f32>; 2]>,
}

impl Host {
    fn new(slots: usize, material: Material) -> Host {
        let empty = || [vec![0.0; BLOCK], vec![0.0; BLOCK]];
        let input = [material.samples(), material.samples()];
        Host { input, main: empty(), slots: (0..slots).map(|_| empty()).collect() }
    }

    fn call(&mut self, instance: &Instance) {
        let input = self.input.each_ref().map(|c| c.as_ptr());
        let main = self.main.each_mut().map(|c| c.as_mut_ptr());
        let mut slots = [[std::ptr::null_mut(); 2]; SLOTS];
        for (to, from) in slots.iter_mut().zip(&mut self.slots) {
            *to = from.each_mut().map(|c| c.as_mut_ptr());
        }
        // SAFETY: every buffer is `BLOCK` samples long and lives until the end of the call.
        instance.process(&unsafe { HostBuffers::new(BLOCK, input, main, slots) });
        std::hint::black_box(&self.main);
    }
}

/// The mean and the 99th percentile of many calls, in µs.
fn measure(host: &mut Host, instance: &Instance) -> (f64, f64) {
    let mut calls: Vec<f64> = (0..CALLS)
        .map(|_| {
            let begin = Instant::now();
            host.call(instance);
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    calls.sort_by(f64::total_cmp);
    (calls.iter().sum::<f64>() / CALLS as f64, calls[CALLS * 99 / 100])
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (kind, slots) in [(Kind::Plugin, 0), (Kind::Multi, SLOTS)] {
        for rate in [48_000.0, 44_100.0] {
            for joins in [false, true] {
                let folder: PathBuf = std::env::temp_dir().join(format!("rtjam-bench-{}", std::process::id()));
                let instance = Instance::new(kind, Some(folder.clone()));
                instance.activate(rate, BLOCK);
                if joins {
                    instance.join(NOWHERE, true).expect("a link");
                }
                let where_ = if joins { "on the way to a room" } else { "never joined" };
                for (material, input) in [(Material::Tone, "a tone"), (Material::Subnormal, "subnormal input")] {
                    let mut host = Host::new(slots, material);
                    let name = format!("{kind:?}, {where_}, {rate} Hz, {BLOCK} frames, {input}");
                    let (mean, high) = measure(&mut host, &instance);
                    println!("{name}: {mean:.2} µs in the mean, {high:.2} µs one call in a hundred");
                    criterion.bench_function(&name, |b| b.iter(|| host.call(&instance)));
                }
                instance.leave();
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }
    criterion.final_summary();
}
