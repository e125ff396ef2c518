//! An audio thread that calls a plugin in real time, plays a signal and records the outputs.

use super::{Buffers, Events, Plugin, Raw};
use crate::wait;
use rtjam_platform::priority::{self, RealTimeRole};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A host's audio thread with one plugin. Dropping it ends the thread and deactivates the plugin; drop it before the
/// plugin.
pub struct AudioThread<'a> {
    plugin: &'a Plugin,
    stop: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
    /// Length of a stall in ms.
    stall_ms: Arc<AtomicU64>,
    takes: Arc<Mutex<HostRecording>>,
    events: Sender<(u32, f64)>,
    thread: Option<JoinHandle<()>>,
}

/// Input and outputs, frame by frame.
#[derive(Clone, Default)]
pub struct HostRecording {
    /// The signal on both input channels.
    pub sent: Vec<f32>,
    /// The left channel of each output.
    pub got: Vec<Vec<f32>>,
}

impl<'a> AudioThread<'a> {
    /// Activates `plugin` and calls it every `block` frames at `rate` Hz with `signal` in a loop.
    ///
    /// # Panics
    /// If the plugin does not activate.
    pub fn start(plugin: &'a Plugin, rate: u32, block: u32, outputs: usize, signal: Vec<f32>) -> AudioThread<'a> {
        AudioThread::start_with(plugin, rate, block, outputs, signal, || {})
    }

    /// The same with real-time priority, if this process may have it.
    ///
    /// # Panics
    /// If the plugin does not activate.
    pub fn start_real_time(
        plugin: &'a Plugin,
        rate: u32,
        block: u32,
        outputs: usize,
        signal: Vec<f32>,
    ) -> AudioThread<'a> {
        AudioThread::start_with(plugin, rate, block, outputs, signal, || drop(priority::raise(RealTimeRole::Audio)))
    }

    fn start_with(
        plugin: &'a Plugin,
        rate: u32,
        block: u32,
        outputs: usize,
        signal: Vec<f32>,
        prepare_thread: fn(),
    ) -> AudioThread<'a> {
        assert!(plugin.activate(f64::from(rate), block), "the plugin does not activate");
        let (stop, paused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let stall_ms = Arc::new(AtomicU64::new(0));
        let takes = Arc::new(Mutex::new(HostRecording { sent: Vec::new(), got: vec![Vec::new(); outputs] }));
        let (events, orders) = channel();
        let audio = Audio { raw: plugin.raw(), rate, block, signal };
        let shared = (Arc::clone(&stop), Arc::clone(&paused), Arc::clone(&stall_ms), Arc::clone(&takes));
        let run = move || {
            let (stop, paused, stall_ms, takes) = shared;
            prepare_thread();
            let mut buffers = Buffers::new(audio.block as usize, outputs);
            assert!(audio.raw.start());
            let (began, mut call) = (Instant::now(), 0_u64);
            while !stop.load(Relaxed) {
                let due = Duration::from_secs_f64(call as f64 * f64::from(audio.block) / f64::from(audio.rate));
                let since = Duration::from_micros(due.as_micros() as u64 % 1_000_000);
                let late = Duration::from_millis(stall_ms.load(Relaxed)).saturating_sub(since);
                wait::for_period(began + due + late);
                call += 1;
                if paused.load(Relaxed) {
                    continue;
                }
                let mut events = Events::none();
                orders.try_iter().for_each(|(id, value)| events.push(0, id, value));
                audio.play(&mut buffers, &mut events, &takes);
            }
            audio.raw.stop();
        };
        AudioThread { plugin, stop, paused, stall_ms, takes, events, thread: Some(std::thread::spawn(run)) }
    }

    /// Changes a parameter as automation does.
    pub fn set(&self, id: u32, value: f64) {
        let _ = self.events.send((id, value));
    }

    /// Pauses the calls, as hosts do for a bypassed plugin, or resumes them.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }

    /// Stalls for this long at the beginning of each second: calls that are due then come at once afterwards. 0 stalls no
    /// longer.
    pub fn stall(&self, ms: u64) {
        self.stall_ms.store(ms, Relaxed);
    }

    /// Takes what was recorded since the last call.
    pub fn take(&self) -> HostRecording {
        let mut takes = self.takes.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = HostRecording { sent: Vec::new(), got: vec![Vec::new(); takes.got.len()] };
        std::mem::replace(&mut takes, empty)
    }

    /// Number of frames recorded since the last [`AudioThread::take`].
    pub fn recorded(&self) -> usize {
        self.takes.lock().unwrap_or_else(PoisonError::into_inner).sent.len()
    }
}

struct Audio {
    raw: Raw,
    rate: u32,
    block: u32,
    signal: Vec<f32>,
}

impl Audio {
    fn play(&self, buffers: &mut Buffers, events: &mut Events, takes: &Mutex<HostRecording>) {
        let mut takes = takes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = takes.sent.len();
        for frame in 0..self.block as usize {
            let sample = self.signal.get((at + frame) % self.signal.len().max(1)).copied().unwrap_or(0.0);
            buffers.input.iter_mut().for_each(|c| c[frame] = sample);
            takes.sent.push(sample);
        }
        buffers.process(self.raw, self.block, events);
        for (got, output) in takes.got.iter_mut().zip(&buffers.outputs) {
            got.extend_from_slice(&output[0]);
        }
    }
}

impl Drop for AudioThread<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.plugin.deactivate();
    }
}
