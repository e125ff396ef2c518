//! What all backends share: the request, what their audio threads report, and real-time priority.

use rtjam_platform::priority::{self, RealTimeRole};
use rtjam_ui::audio::{DeviceDelay, DevicesInUse};
use rtjam_ui::settings::AudioChoices;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the user asks of a backend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AudioRequest {
    pub(crate) choices: AudioChoices,
    pub(crate) jack_name: String,
    /// Whether to connect JACK's ports to those of the system.
    pub(crate) connect: bool,
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

    /// The delay of the devices; `None` where the audio system does not report it.
    fn delay(&self) -> Option<DeviceDelay> {
        None
    }

    /// The devices in use.
    fn devices(&self) -> DevicesInUse;

    /// Why the backend has stopped, as a sentence; `None` while it runs.
    fn lost(&mut self) -> Option<String>;
}

/// Requests real-time priority for the calling audio thread, which this program or its audio library has created; `health`
/// reports a denial. JACK's threads have JACK's priority.
pub(crate) fn raise_priority(health: &AudioHealth) {
    health.priority_denied.store(priority::raise(RealTimeRole::Audio).is_err(), Ordering::Relaxed);
}
