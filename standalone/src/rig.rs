//! The audio rig: keeps one backend running with the performer on its stage, and starts it again when it is lost.
//!
//! Everything here runs on the main thread. The session knows nothing of it: while there is no backend, the room goes
//! on without our sound.

use super::backends::{self, Kind, OpenError, Pulse, Request, Running};
use super::handover::{Desk, stage};
use super::performer::Performer;
use super::settings::{BackendChoice, SourceChoice};
use super::sources::Source;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RETRY: Duration = Duration::from_millis(700);

/// More than any block lasts.
const RECALL: Duration = Duration::from_secs(2);

/// What is on the stage, or why nothing is.
pub(crate) struct Rig {
    request: Request,
    /// `None`: nothing was asked for.
    source: Option<SourceChoice>,
    pulse: Arc<Pulse>,
    playing: Option<(Running, Desk)>,
    /// What plays, or played and is waited for. A JACK that comes back is not left for another system meanwhile.
    kind: Option<Kind>,
    /// Here while nothing plays.
    performer: Option<Box<Performer>>,
    retry_at: Instant,
}

impl Rig {
    /// Starts the best backend for the request. Gives also what to tell the musician.
    ///
    /// # Errors
    /// A sentence that says what to do; nothing runs then.
    pub(crate) fn start(
        request: Request,
        source: Option<SourceChoice>,
        performer: Box<Performer>,
    ) -> Result<(Rig, String), String> {
        let pulse = Arc::new(Pulse::default());
        let performer = Some(performer);
        let mut rig = Rig { request, source, pulse, playing: None, kind: None, performer, retry_at: Instant::now() };
        let told = rig.open()?;
        Ok((rig, told))
    }

    /// What the audio side counts.
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Whether audio runs.
    pub(crate) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// What the device takes, in ms, where the audio system says so.
    pub(crate) fn latency_ms(&self) -> Option<f32> {
        self.playing.as_ref().and_then(|(running, _)| running.latency_ms())
    }

    /// Looks after the backend; call it several times a second. Gives what to tell the musician.
    pub(crate) fn tick(&mut self) -> Option<String> {
        if let Some((running, _)) = &mut self.playing {
            let why = running.lost()?;
            self.stop();
            return Some(format!("audio: {why}"));
        }
        if Instant::now() < self.retry_at {
            return None;
        }
        // Not back yet: that was said when it went.
        self.open().ok()
    }

    /// Takes another request or source. Gives what to tell the musician.
    ///
    /// # Errors
    /// A sentence. A source that cannot be had leaves the old one playing; a backend that cannot be had is retried.
    pub(crate) fn change(&mut self, request: Request, source: Option<SourceChoice>) -> Result<Option<String>, String> {
        if source != self.source {
            self.change_source(source)?;
        }
        if request == self.request {
            return Ok(None);
        }
        self.request = request;
        self.kind = None;
        self.stop();
        self.open().map(Some)
    }

    fn change_source(&mut self, source: Option<SourceChoice>) -> Result<(), String> {
        if let (Some((running, desk)), Some(kind)) = (&mut self.playing, self.kind) {
            let rate = running.rate();
            let prepared = Source::prepare(&source_for(source.as_ref(), kind, &self.request), rate)?;
            if let Some(mut performer) = desk.recall(RECALL) {
                performer.prepare(rate, self.pulse.block(), prepared);
                self.performer = desk.give(performer).err();
            }
        }
        self.source = source;
        Ok(())
    }

    /// Ends the backend; the performer comes home.
    pub(crate) fn stop(&mut self) {
        if let Some((running, mut desk)) = self.playing.take() {
            drop(running);
            self.performer = self.performer.take().or_else(|| desk.after_the_show());
        }
        self.retry_at = Instant::now() + RETRY;
    }

    /// Tries the backends in their order; the one that is waited for alone.
    fn open(&mut self) -> Result<String, String> {
        self.retry_at = Instant::now() + RETRY;
        let waited_for = self.kind;
        let candidates = waited_for.as_ref().map_or(Kind::candidates(self.request.choice), std::slice::from_ref);
        let mut why = String::new();
        for kind in candidates {
            let (desk, stage) = stage();
            match backends::open(*kind, &self.request, stage, &self.pulse) {
                Ok(running) => return self.raise_curtain(*kind, running, desk),
                Err(OpenError(sentence)) => why = sentence,
            }
        }
        Err(why)
    }

    fn raise_curtain(&mut self, kind: Kind, running: Running, mut desk: Desk) -> Result<String, String> {
        let mut told = format!("audio: {}", running.describe());
        if plays_for_you(self.source.as_ref(), kind, &self.request) {
            told.push_str("; no JACK server and no audio device was found, so the demo plays for you");
        }
        let rate = running.rate();
        let source = Source::prepare(&source_for(self.source.as_ref(), kind, &self.request), rate)?;
        let Some(mut performer) = self.performer.take() else {
            return Err("The audio thread did not end. Start rtjam again.".to_owned());
        };
        performer.prepare(rate, self.pulse.block(), source);
        self.performer = desk.give(performer).err();
        self.kind = Some(kind);
        self.playing = Some((running, desk));
        Ok(told)
    }
}

/// What is played: what was asked for, else the input; the demo where there is none.
fn source_for(asked: Option<&SourceChoice>, kind: Kind, request: &Request) -> SourceChoice {
    if plays_for_you(asked, kind, request) { SourceChoice::Demo } else { asked.cloned().unwrap_or_default() }
}

fn plays_for_you(asked: Option<&SourceChoice>, kind: Kind, request: &Request) -> bool {
    asked.is_none() && kind == Kind::Dummy && request.choice == BackendChoice::Auto
}
