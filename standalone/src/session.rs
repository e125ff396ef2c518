//! The program's session: the client and the engine's controls, kept in line with the configuration.

use super::config::ProgramConfig;
use rtjam_client::{Client, Clock, SessionState, Status, StatusNotice, TraceFile, Wake};
use rtjam_engine::{Console, Engine};
use rtjam_protocol::link::Link;
use rtjam_ui::params::{self, Param};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

/// The client of the program, in a room or not.
pub(crate) struct ProgramSession {
    /// `None` after leaving.
    client: Option<Arc<Client>>,
    console: Console,
    last_state: SessionState,
    /// The number of xruns when the room was joined.
    xruns_at_join: u64,
    shown_notices: Vec<StatusNotice>,
}

impl ProgramSession {
    /// A session that is in no room, its engine, and the clock of both.
    pub(crate) fn new(config: &ProgramConfig, folder: &Path) -> (ProgramSession, Engine, Clock) {
        let (clock, wake) = (Clock::new(), Wake::new());
        let (engine, network, console) = rtjam_engine::engine(random(), wake.closure());
        let options = config.choices.client_options(folder.to_owned());
        let client = Some(Arc::new(Client::new(options, clock, wake, network, console.clone())));
        let session = ProgramSession {
            client,
            console,
            last_state: SessionState::Offline,
            xruns_at_join: 0,
            shown_notices: Vec::new(),
        };
        session.apply_to_engine(config);
        session.set_mute(config.mute);
        (session, engine, clock)
    }

    /// Joins a room, and retries until it is left.
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

    /// Records packet arrivals. Call before joining.
    pub(crate) fn record(&self, trace: TraceFile) {
        if let Some(client) = &self.client {
            client.record(trace);
        }
    }

    /// Leaves the room and ends the client's threads, within 300 ms.
    pub(crate) fn leave(&mut self) {
        self.client = None;
    }

    /// Resumes sending after the loop guard has stopped it.
    pub(crate) fn resume_sending(&self) {
        if let Some(client) = &self.client {
            client.resume_sending();
        }
    }

    /// Sends silence instead of the musician's audio, or not.
    pub(crate) fn set_mute(&self, mute: bool) {
        self.console.set_send_mute(mute);
    }

    /// Applies another configuration. A mute that the user typed stays unless the configuration's changes.
    pub(crate) fn change(&self, old: &ProgramConfig, new: &ProgramConfig) {
        self.apply_to_engine(new);
        if new.mute != old.mute {
            self.set_mute(new.mute);
        }
        let Some(client) = &self.client else { return };
        new.choices.apply_to_client(client);
        // A new name takes effect by joining again.
        if let Some(link) = &new.link
            && (new.link != old.link || new.choices.name != old.choices.name)
        {
            client.join(link.clone());
        }
    }

    fn apply_to_engine(&self, config: &ProgramConfig) {
        params::apply(&self.console, Param::Monitor, config.monitor.db());
        params::apply(&self.console, Param::Room, f64::from(config.room.0));
        config.choices.apply_to_engine(&self.console);
    }

    /// The status, completed by the audio system's part: `xruns` since the program started, and the device's delay.
    pub(crate) fn status(&mut self, xruns: u64, device_ms: Option<f32>) -> Option<Status> {
        let mut status = self.client.as_ref()?.status();
        if status.state == SessionState::Joined && self.last_state != SessionState::Joined {
            self.xruns_at_join = xruns;
        }
        self.last_state = status.state;
        status.device_ms = device_ms.map(|ms| (ms * 10.0).round() / 10.0);
        status.xruns = Some(xruns.saturating_sub(self.xruns_at_join));
        Some(status)
    }

    /// The notices of a status that were not returned before.
    pub(crate) fn new_notices(&mut self, status: &Status) -> Vec<StatusNotice> {
        let is_shown = |notice: &StatusNotice| self.shown_notices.iter().any(|shown| says_the_same(shown, notice));
        let new: Vec<_> = status.notices.iter().filter(|notice| !is_shown(notice)).cloned().collect();
        self.shown_notices.extend(new.iter().cloned());
        new
    }
}

/// Whether one notice tells what the other does. A musician's stalls are told once, since their figures vary.
fn says_the_same(shown: &StatusNotice, notice: &StatusNotice) -> bool {
    match (shown, notice) {
        (StatusNotice::MusicianStalling { name: shown, .. }, StatusNotice::MusicianStalling { name, .. }) => {
            shown == name
        }
        _ => shown == notice,
    }
}

/// Differs at every start: the seed of std's hash maps.
fn random() -> u32 {
    RandomState::new().hash_one(std::process::id()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_client::RoundedStalls;

    /// A musician's stalls are told once, whatever their figures, and those of another musician too.
    #[test]
    fn stalls_are_told_once_per_musician() {
        let about = |name: &str, ms| StatusNotice::MusicianStalling {
            name: name.to_owned(),
            stalls: RoundedStalls { ms, every_s: 1.0 },
        };
        assert!(says_the_same(&about("Ann", 4.0), &about("Ann", 6.0)));
        assert!(!says_the_same(&about("Ann", 4.0), &about("Bob", 4.0)));
        let own = |ms| StatusNotice::Stalling(RoundedStalls { ms, every_s: 1.0 });
        assert!(says_the_same(&own(4.0), &own(4.0)) && !says_the_same(&own(4.0), &own(6.0)));
    }
}
