//! The session with the room: the client and the engine's controls, bound to the settings.

use super::config::Config;
use super::settings::{Monitor, Playout};
use rtjam_client::{Client, ClientOptions, Clock, Identity, State, Status, StatusNotice, TraceFile, Wake};
use rtjam_engine::{Console, Engine, Gain, PacketSize};
use rtjam_protocol::link::Link;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

/// A musician's place in a room, or on the way there.
pub(crate) struct Session {
    /// `None` after leaving.
    client: Option<Arc<Client>>,
    console: Console,
    last: State,
    /// Where the count of xruns stood at joining.
    xruns_before: u64,
    told: Vec<StatusNotice>,
}

impl Session {
    /// A session that is in no room, the engine that belongs to it, and the clock of both.
    ///
    /// # Errors
    /// A sentence, when there is no identity to be had.
    pub(crate) fn new(config: &Config, folder: &Path) -> Result<(Session, Engine, Clock), String> {
        let identity = Identity::load_or_create(folder).map_err(|e| e.to_string())?;
        let (clock, wake) = (Clock::new(), Wake::new());
        let (engine, network, console) = rtjam_engine::engine(random(), wake.closure());
        let mut options = ClientOptions::new(identity, config.name.clone());
        options.format = config.format.0;
        options.mix = config.mix.0;
        options.pinned.clone_from(&config.pinned);
        options.folder = Some(folder.to_owned());
        let client = Some(Arc::new(Client::new(options, clock, wake, network, console.clone())));
        let session = Session { client, console, last: State::Offline, xruns_before: 0, told: Vec::new() };
        session.set_controls(config);
        session.set_mute(config.mute);
        Ok((session, engine, clock))
    }

    /// Goes to a room, for as long as it takes.
    pub(crate) fn join(&self, link: &Link) {
        if let Some(client) = &self.client {
            client.join(link.clone());
        }
    }

    /// The client and the engine's controls, for a window. `None` after leaving.
    #[cfg(feature = "window")]
    pub(crate) fn parts(&self) -> Option<(&Arc<Client>, Console)> {
        Some((self.client.as_ref()?, self.console.clone()))
    }

    /// Records when packets arrive; before joining.
    pub(crate) fn record(&self, trace: TraceFile) {
        if let Some(client) = &self.client {
            client.record(trace);
        }
    }

    /// Leaves the room and ends the client's threads, within 300 ms.
    pub(crate) fn leave(&mut self) {
        self.client = None;
    }

    /// Sends again after the loop guard.
    pub(crate) fn resume_sending(&self) {
        if let Some(client) = &self.client {
            client.resume_sending();
        }
    }

    /// Sends silence instead of one's own sound, or not.
    pub(crate) fn set_mute(&self, mute: bool) {
        self.console.set_send_mute(mute);
    }

    /// Takes other settings.
    pub(crate) fn change(&self, old: &Config, new: &Config) {
        self.set_controls(new);
        // What was typed since stays, unless the settings now say something else.
        if new.mute != old.mute {
            self.set_mute(new.mute);
        }
        let Some(client) = &self.client else { return };
        if new.format != old.format {
            client.set_format(new.format.0);
        }
        if new.mix != old.mix {
            client.set_mix(new.mix.0);
        }
        if new.pinned != old.pinned {
            client.set_pinned(new.pinned.clone());
        }
        if new.name != old.name {
            client.set_name(new.name.clone());
        }
        // A name is told when joining.
        if let Some(link) = &new.link
            && (new.link != old.link || new.name != old.name)
        {
            client.join(link.clone());
        }
    }

    fn set_controls(&self, config: &Config) {
        let console = &self.console;
        console.set_monitor(match config.monitor {
            Monitor::Off => Gain::OFF,
            Monitor::On(db) => Gain::db(db.0),
        });
        console.set_room(Gain::db(config.room.0));
        console.set_layout(config.layout.0);
        console.set_packet_size(config.packet.map_or(PacketSize::Auto, |p| PacketSize::Frames(p.0)));
        console.set_playout(match config.playout {
            Playout::Auto => rtjam_engine::Playout::Auto,
            Playout::Fixed(ms) => rtjam_engine::Playout::Fixed { ms },
        });
        console.set_comfort(config.comfort);
    }

    /// How things stand, with the audio system's part: times that audio was missed since the program began.
    pub(crate) fn status(&mut self, xruns: u64, device_ms: Option<f32>) -> Option<Status> {
        let mut status = self.client.as_ref()?.status();
        if status.state == State::Joined && self.last != State::Joined {
            self.xruns_before = xruns;
        }
        self.last = status.state;
        status.device_ms = device_ms.map(|ms| (ms * 10.0).round() / 10.0);
        status.xruns = Some(xruns.saturating_sub(self.xruns_before));
        Some(status)
    }

    /// The notices that were not shown yet.
    pub(crate) fn news(&mut self, status: &Status) -> Vec<StatusNotice> {
        let new: Vec<_> = status.notices.iter().filter(|notice| !self.told.contains(notice)).cloned().collect();
        self.told.extend(new.iter().cloned());
        new
    }
}

/// Different at every start: what std's hash maps are seeded with.
fn random() -> u32 {
    RandomState::new().hash_one(std::process::id()) as u32
}
