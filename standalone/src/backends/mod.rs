//! Backends: what clocks the audio processor. JACK, the system's own audio through cpal, or a timer.

mod backend;
mod cpal;
mod device_delay;
mod device_error;
mod dummy;
mod input_ring;
mod jack;
pub(crate) mod list;
#[cfg(feature = "window")]
mod problem;
mod stream_plan;

pub(crate) use backend::{AudioHealth, AudioRequest, Backend, raise_priority};
pub(crate) use list::is_bluetooth;

use super::handover::AudioThreadEnd;
use rtjam_ui::settings::BackendChoice;
use std::fmt;
use std::sync::Arc;

/// Opens a backend, which clocks `audio` from now on.
///
/// # Errors
/// The audio system refuses; the error says what to do.
pub(crate) fn open(
    kind: BackendKind,
    request: &AudioRequest,
    audio: AudioThreadEnd,
    health: &Arc<AudioHealth>,
) -> Result<RunningBackend, OpenError> {
    health.set_freewheeling(false);
    let health = Arc::clone(health);
    Ok(match kind {
        BackendKind::Jack => Box::new(jack::Jack::open(request, audio, health).map_err(OpenError::Jack)?),
        BackendKind::Cpal => Box::new(cpal::Cpal::open(request, audio, health).map_err(OpenError::Device)?),
        BackendKind::Dummy => Box::new(dummy::Dummy::open(audio, health).map_err(OpenError::Dummy)?),
    })
}

/// A running backend of any kind.
pub(crate) type RunningBackend = Box<dyn Backend>;

/// Why a backend did not open.
#[derive(Debug)]
pub(crate) enum OpenError {
    Jack(jack::JackError),
    Device(device_error::DeviceError),
    /// The system gave no thread.
    Dummy(std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Jack(why) => why.fmt(f),
            OpenError::Device(why) => why.fmt(f),
            OpenError::Dummy(why) => write!(f, "The dummy clock could not start: {why}."),
        }
    }
}

impl std::error::Error for OpenError {}

/// The kinds of backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackendKind {
    Jack,
    Cpal,
    Dummy,
}

impl BackendKind {
    /// The backends to try for a choice, the best first.
    pub(crate) fn candidates(choice: BackendChoice) -> &'static [BackendKind] {
        match choice {
            BackendChoice::Auto => &[BackendKind::Jack, BackendKind::Cpal, BackendKind::Dummy],
            BackendChoice::Jack => &[BackendKind::Jack],
            BackendChoice::Cpal => &[BackendKind::Cpal],
            BackendChoice::Dummy => &[BackendKind::Dummy],
        }
    }
}
