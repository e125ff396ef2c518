//! What clocks the performer: JACK, the system's own audio by cpal, or a timer.

mod cpal;
mod crossing;
mod dummy;
mod jack;
pub(crate) mod list;
mod priority;

use super::handover::Stage;
use super::settings::BackendChoice;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What is asked of a backend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) choice: BackendChoice,
    pub(crate) jack_name: String,
    /// Connect JACK's ports to the system's first ones.
    pub(crate) connect: bool,
    /// Device names, for cpal.
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
}

/// What the audio side tells the rest while it runs. Outlives each backend, so that counts go on over a restart.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Times that audio was missed.
    xruns: AtomicU64,
    /// Frames that the audio system hands over at once.
    block: AtomicU32,
    /// JACK exports faster or slower than time: no music with others.
    freewheeling: AtomicBool,
    /// The audio thread asked for real-time priority and did not get it.
    priority_denied: AtomicBool,
}

impl Pulse {
    /// Any thread. Times that audio was missed since the program began.
    pub(crate) fn xruns(&self) -> u64 {
        self.xruns.load(Ordering::Relaxed)
    }

    /// Any thread. The present block size in frames.
    pub(crate) fn block(&self) -> u32 {
        self.block.load(Ordering::Relaxed)
    }

    /// Any thread. JACK is exporting.
    pub(crate) fn freewheeling(&self) -> bool {
        self.freewheeling.load(Ordering::Relaxed)
    }

    /// Main thread. True once after the audio thread could not get real-time priority.
    pub(crate) fn take_priority_denied(&self) -> bool {
        self.priority_denied.swap(false, Ordering::Relaxed)
    }

    fn count_xruns(&self, n: u64) {
        self.xruns.fetch_add(n, Ordering::Relaxed);
    }
}

/// A backend at work. Dropping it stops the callbacks and sends the performer home.
pub(crate) trait Backend {
    /// What runs, for a musician: "JACK as \"rtjam\" (48000 Hz, 64 frames)".
    fn describe(&self) -> String;

    /// Frames a second.
    fn rate(&self) -> u32;

    /// From a microphone into the callback, and from the callback to the loudspeaker, together, in ms; `None` where
    /// the audio system does not say.
    fn latency_ms(&self) -> Option<f32> {
        None
    }

    /// Why it runs no longer, as a sentence; `None` while it runs.
    fn lost(&mut self) -> Option<String>;
}

/// Why a backend did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenError(pub(crate) String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens one backend, which clocks `stage` from now on.
///
/// # Errors
/// A sentence that says what to do.
pub(crate) fn open(kind: Kind, request: &Request, stage: Stage, pulse: &Arc<Pulse>) -> Result<Running, OpenError> {
    pulse.freewheeling.store(false, Ordering::Relaxed);
    let pulse = Arc::clone(pulse);
    Ok(match kind {
        Kind::Jack => Box::new(jack::Jack::open(request, stage, pulse)?),
        Kind::Cpal => Box::new(cpal::Cpal::open(request, stage, pulse)?),
        Kind::Dummy => Box::new(dummy::Dummy::open(stage, pulse)?),
    })
}

/// A backend that was opened.
pub(crate) type Running = Box<dyn Backend>;

/// The backends that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jack,
    Cpal,
    Dummy,
}

impl Kind {
    /// The backends to try for a choice, the best first.
    pub(crate) fn candidates(choice: BackendChoice) -> &'static [Kind] {
        match choice {
            BackendChoice::Auto => &[Kind::Jack, Kind::Cpal, Kind::Dummy],
            BackendChoice::Jack => &[Kind::Jack],
            BackendChoice::Cpal => &[Kind::Cpal],
            BackendChoice::Dummy => &[Kind::Dummy],
        }
    }
}
