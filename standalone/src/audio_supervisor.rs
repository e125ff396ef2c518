//! The audio supervisor: keeps one backend running with the audio processor on it, and restarts audio after it is lost.
//!
//! Main thread only. The session does not depend on it: while no backend runs, the musician keeps their place in the room.

use super::audio_processor::AudioProcessor;
use super::backends::{self, AudioHealth, AudioRequest, BackendKind, OpenError, RunningBackend, is_bluetooth};
use super::handover::{MainThreadEnd, handover};
use super::sources::{Source, WavError};
use super::test_tone::ToneSwitch;
#[cfg(feature = "window")]
use rtjam_ui::audio::RunningAudio;
use rtjam_ui::audio::{DeviceDelay, DevicesInUse};
use rtjam_ui::messages::{Language, MessageKey};
use rtjam_ui::settings::{BackendChoice, SourceChoice};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RETRY: Duration = Duration::from_millis(700);

/// Longer than any period.
const RECALL: Duration = Duration::from_secs(2);

/// Why audio did not start or change.
#[derive(Debug)]
pub(crate) enum AudioError {
    Backend(OpenError),
    Source(WavError),
    /// An audio thread kept the processor.
    ProcessorLost,
}

impl AudioError {
    /// What happened, and what to do.
    pub(crate) fn text(&self, language: Language) -> String {
        match self {
            AudioError::Backend(why) => why.to_string(),
            AudioError::Source(why) => why.text(language),
            AudioError::ProcessorLost => language.text(MessageKey::AudioThreadStuck).to_owned(),
        }
    }
}

/// The backend that runs, or that the supervisor waits for.
pub(crate) struct AudioSupervisor {
    request: AudioRequest,
    /// `None`: not given.
    source: Option<SourceChoice>,
    health: Arc<AudioHealth>,
    running: Option<(RunningBackend, MainThreadEnd)>,
    /// The backend that runs, or ran last. The supervisor waits for that one only: it does not replace a JACK server that
    /// restarts by another audio system.
    kind: Option<BackendKind>,
    /// Here while no backend runs.
    processor: Option<Box<AudioProcessor>>,
    tone: ToneSwitch,
    retry_at: Instant,
}

impl AudioSupervisor {
    /// A supervisor of nothing yet; see [`AudioSupervisor::open`].
    pub(crate) fn new(
        request: AudioRequest,
        source: Option<SourceChoice>,
        processor: Box<AudioProcessor>,
        tone: ToneSwitch,
    ) -> AudioSupervisor {
        AudioSupervisor {
            request,
            source,
            health: Arc::new(AudioHealth::default()),
            running: None,
            kind: None,
            processor: Some(processor),
            tone,
            retry_at: Instant::now(),
        }
    }

    /// What the audio threads report.
    pub(crate) fn health(&self) -> &Arc<AudioHealth> {
        &self.health
    }

    /// Whether a backend runs.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The delay of the devices, where the audio system reports it.
    pub(crate) fn delay(&self) -> Option<DeviceDelay> {
        self.running.as_ref().and_then(|(backend, _)| backend.delay())
    }

    /// The devices that run; the dummy clock has none.
    #[cfg(feature = "window")]
    pub(crate) fn running(&self) -> Option<RunningAudio> {
        let (backend, _) = self.running.as_ref().filter(|_| self.kind != Some(BackendKind::Dummy))?;
        Some(RunningAudio {
            by_jack: self.kind == Some(BackendKind::Jack),
            bluetooth: bluetooth(&backend.devices()),
            devices: backend.devices(),
            rate: backend.rate(),
            period: self.health.period(),
            delay: backend.delay(),
        })
    }

    /// The switch of the test tone.
    pub(crate) fn tone(&self) -> &ToneSwitch {
        &self.tone
    }

    /// Checks the backend and restarts it where needed; call several times a second. Returns a message for the user.
    pub(crate) fn tick(&mut self, language: Language) -> Option<String> {
        if let Some((backend, _)) = &mut self.running {
            let why = backend.lost()?;
            self.stop();
            return Some(format!("audio: {why}"));
        }
        if Instant::now() < self.retry_at {
            return None;
        }
        // The user has been told that it is gone.
        self.open(language).ok()
    }

    /// Changes the request and the source. Returns a message for the user.
    ///
    /// # Errors
    /// After a source error the old source plays on; after a backend error the supervisor retries.
    pub(crate) fn change(
        &mut self,
        request: AudioRequest,
        source: Option<SourceChoice>,
        language: Language,
    ) -> Result<Option<String>, AudioError> {
        if source != self.source {
            self.change_source(source)?;
        }
        if request == self.request {
            return Ok(None);
        }
        self.request = request;
        self.kind = None;
        self.stop();
        self.open(language).map(Some)
    }

    fn change_source(&mut self, source: Option<SourceChoice>) -> Result<(), AudioError> {
        if let (Some((backend, main_end)), Some(kind)) = (&mut self.running, self.kind) {
            let rate = backend.rate();
            let choice = source_for(source.as_ref(), kind, &self.request);
            let prepared = Source::prepare(&choice, rate).map_err(AudioError::Source)?;
            if let Some(mut processor) = main_end.recall(RECALL) {
                processor.prepare(rate, self.health.period(), prepared);
                self.processor = main_end.give(processor).err();
            }
        }
        self.source = source;
        Ok(())
    }

    /// Stops the backend and takes the processor back.
    pub(crate) fn stop(&mut self) {
        if let Some((backend, mut main_end)) = self.running.take() {
            drop(backend);
            self.processor = self.processor.take().or_else(|| main_end.take_back());
        }
        self.retry_at = Instant::now() + RETRY;
    }

    /// Starts the best backend for the request, or the one that was lost. Returns a message for the user.
    ///
    /// # Errors
    /// No backend, or not the source. [`AudioSupervisor::tick`] tries again.
    pub(crate) fn open(&mut self, language: Language) -> Result<String, AudioError> {
        self.retry_at = Instant::now() + RETRY;
        let waited_for = self.kind;
        let candidates =
            waited_for.as_ref().map_or(BackendKind::candidates(self.request.choices.backend), std::slice::from_ref);
        let mut error = AudioError::ProcessorLost;
        for kind in candidates {
            let (main_end, audio) = handover();
            match backends::open(*kind, &self.request, audio, &self.health) {
                Ok(backend) => return self.begin(*kind, backend, main_end, language),
                Err(why) => error = AudioError::Backend(why),
            }
        }
        Err(error)
    }

    /// Gives the processor to a backend that was opened.
    fn begin(
        &mut self,
        kind: BackendKind,
        backend: RunningBackend,
        mut main_end: MainThreadEnd,
        language: Language,
    ) -> Result<String, AudioError> {
        let mut message = format!("audio: {}", backend.describe());
        if falls_back_to_demo(self.source.as_ref(), kind, &self.request) {
            message = format!("{message}; {}", language.text(MessageKey::PlaysDemo));
        }
        if let Some(name) = bluetooth(&backend.devices()) {
            message = format!("{message}; {}", language.fill(MessageKey::BluetoothDevice, &[("device", &name)]));
        }
        let rate = backend.rate();
        let choice = source_for(self.source.as_ref(), kind, &self.request);
        let source = Source::prepare(&choice, rate).map_err(AudioError::Source)?;
        let mut processor = self.processor.take().ok_or(AudioError::ProcessorLost)?;
        processor.prepare(rate, self.health.period(), source);
        self.processor = main_end.give(processor).err();
        self.kind = Some(kind);
        self.running = Some((backend, main_end));
        Ok(message)
    }
}

/// The name of a device in use that is a Bluetooth device.
fn bluetooth(devices: &DevicesInUse) -> Option<String> {
    devices.input.iter().chain([&devices.output]).find(|name| is_bluetooth(name)).cloned()
}

/// The given source, else the audio input, or the demo where there is none.
fn source_for(given: Option<&SourceChoice>, kind: BackendKind, request: &AudioRequest) -> SourceChoice {
    if falls_back_to_demo(given, kind, request) { SourceChoice::Demo } else { given.cloned().unwrap_or_default() }
}

fn falls_back_to_demo(given: Option<&SourceChoice>, kind: BackendKind, request: &AudioRequest) -> bool {
    given.is_none() && kind == BackendKind::Dummy && request.choices.backend == BackendChoice::Auto
}
