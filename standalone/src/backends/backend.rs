//! What all backends share: the request, what their audio threads report, and real-time priority.

use rtjam_ui::settings::BackendChoice;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the user asks of a backend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AudioRequest {
    pub(crate) backend: BackendChoice,
    pub(crate) jack_name: String,
    /// Whether to connect JACK's ports to the first ones of the system.
    pub(crate) connect: bool,
    /// Name of the input device, for cpal.
    pub(crate) input: Option<String>,
    /// Name of the output device, for cpal.
    pub(crate) output: Option<String>,
}

/// What audio threads report. Outlives each backend, so that counts continue over a restart.
#[derive(Debug, Default)]
pub(crate) struct AudioHealth {
    xruns: AtomicU64,
    /// Frames.
    period: AtomicU32,
    freewheeling: AtomicBool,
    priority_denied: AtomicBool,
}

impl AudioHealth {
    /// Any thread. Xruns since the program started.
    pub(crate) fn xruns(&self) -> u64 {
        self.xruns.load(Ordering::Relaxed)
    }

    /// Any thread. The present period in frames.
    pub(crate) fn period(&self) -> u32 {
        self.period.load(Ordering::Relaxed)
    }

    /// Any thread. Whether JACK is freewheeling: it exports, not in real time.
    pub(crate) fn freewheeling(&self) -> bool {
        self.freewheeling.load(Ordering::Relaxed)
    }

    /// Main thread. Whether real-time priority was denied to an audio thread since the last call.
    pub(crate) fn take_priority_denied(&self) -> bool {
        self.priority_denied.swap(false, Ordering::Relaxed)
    }

    pub(super) fn add_xrun(&self) {
        self.xruns.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_period(&self, frames: u32) {
        self.period.store(frames, Ordering::Relaxed);
    }

    pub(super) fn set_freewheeling(&self, on: bool) {
        self.freewheeling.store(on, Ordering::Relaxed);
    }
}

/// A running backend. Dropping it stops the callbacks, and the handover returns the audio processor.
pub(crate) trait Backend {
    /// A description for the user: "JACK as \"rtjam\" (48000 Hz, 64 frames)".
    fn describe(&self) -> String;

    /// The sample rate in Hz.
    fn rate(&self) -> u32;

    /// The delay from the microphone into the callback plus the delay from the callback to the loudspeaker, in ms; `None`
    /// where the audio system does not report it.
    fn latency_ms(&self) -> Option<f32> {
        None
    }

    /// Why the backend has stopped, as a sentence; `None` while it runs.
    fn lost(&mut self) -> Option<String>;
}

/// The priority of audio threads: above the network threads (4), which the audio thread must not wait for, and no higher
/// than JACK's own (10).
#[cfg(target_os = "linux")]
const PRIORITY: i32 = 10;

/// Requests real-time priority for the calling audio thread, which this program has created; `health` reports a denial.
/// JACK's threads have JACK's priority.
#[cfg(target_os = "linux")]
pub(crate) fn raise_priority(health: &AudioHealth) {
    let param = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: `param` lives over the call, and the thread is the calling one.
    let denied = unsafe { libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const param) };
    health.priority_denied.store(denied != 0, Ordering::Relaxed);
}

/// On other systems the audio library sets the priority of its threads.
#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_priority(health: &AudioHealth) {
    health.priority_denied.store(false, Ordering::Relaxed);
}
