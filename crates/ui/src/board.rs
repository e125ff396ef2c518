//! What a face draws from and asks of: the border between the editor and what it is the editor of, a plugin instance or
//! the standalone program. No plugin format, no window.

use crate::params::Param;
use rtjam_client::Status;
use rtjam_engine::Console;
use std::fmt;
use std::path::PathBuf;

pub use crate::settings::{Change, Choices, Look, RecentRoom, Settings};

/// A musician's end as its face sees it. Any thread but the audio thread; nothing here waits for a network.
pub trait Board: Send + Sync + 'static {
    /// What this is.
    fn kind(&self) -> Kind;

    /// How the session stands. Cheap enough for 30 a second.
    fn status(&self) -> Status;

    /// Meters and readings.
    fn console(&self) -> Console;

    /// What is the matter with the instance itself, if anything.
    fn condition(&self) -> Condition;

    /// What a parameter is set to.
    fn value(&self, param: Param) -> f64;

    /// The hand takes hold of a control.
    fn begin(&self, param: Param);

    /// Sets a parameter; between [`Board::begin`] and [`Board::end`], so that a host can record it.
    fn set(&self, param: Param, value: f64);

    /// The hand lets go.
    fn end(&self, param: Param);

    /// Goes to the room of an invite link; leaves the one before. With `anyway` also where another instance of this
    /// program is in that room already.
    ///
    /// # Errors
    /// What to show under the link field, or to ask.
    fn join(&self, link: &str, anyway: bool) -> Result<(), NotJoining>;

    /// Leaves the room.
    fn leave(&self);

    /// Sends again after the loop guard has muted.
    fn resume_sending(&self);

    /// What is set beside the parameters.
    fn settings(&self) -> Settings;

    /// Sets one of them.
    fn change(&self, change: Change);

    /// Begins anew after [`Condition::Failed`].
    fn restart(&self);
}

/// What a [`Board`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The plugin with a stereo output.
    Plugin,
    /// The plugin with an output for each slot besides.
    Multi,
    /// The program.
    Standalone,
}

/// Why [`Board::join`] does not go to the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotJoining {
    /// The sentence says what is wrong and what to do.
    Wrong(String),
    /// The sentence is a question: ask it, and join `anyway` on a yes.
    Ask(String),
}

impl fmt::Display for NotJoining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotJoining::Wrong(sentence) | NotJoining::Ask(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for NotJoining {}

/// How an instance is, beside its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// As it should be.
    #[default]
    Fine,
    /// The host renders without listening: the room is left out.
    Offline,
    /// The host does not call: bypassed, switched off, or its audio is not running.
    Paused,
    /// The bypass parameter is on.
    Bypassed,
    /// It came back with the project, muted.
    CameBackMuted,
    /// The host works ahead of time or in bursts; the sentence says what to switch off.
    RunsAhead,
    /// The host does not play this plugin because of outputs that are not connected.
    NotPlayed,
    /// A fault in RTJam: silence until [`Board::restart`].
    Failed {
        /// Where it is written down, if that was possible.
        log: Option<PathBuf>,
    },
}

impl Condition {
    /// What to tell the musician; `None` when all is well.
    pub fn sentence(&self) -> Option<String> {
        let sentence = match self {
            Condition::Fine => return None,
            Condition::Offline => {
                "The host renders offline: the result has your own signal at the Monitor level and nothing of the \
                 room, and nothing is sent."
            }
            Condition::Paused => {
                "Paused: the host does not play this track. You keep your place in the room. Switch the plugin on, \
                 or start the host's audio."
            }
            Condition::Bypassed => {
                "RTJam is bypassed: you hear yourself unchanged, the room is silent, and nobody hears you. You keep \
                 your seat. Switch the bypass off to play on."
            }
            Condition::CameBackMuted => {
                "You are back in the room of this project, muted. Switch off \"mute\" when you want to be heard."
            }
            Condition::RunsAhead => {
                "The host works ahead of time, so the room is heard in pieces. Switch off Anticipative FX (Reaper), \
                 ASIO-Guard (Cubase), or what your host calls it, for this track, or arm the track for recording."
            }
            Condition::NotPlayed => {
                "The host does not play RTJam Multi because some of its outputs are switched off. Switch all of them \
                 on, or use RTJam, which has a stereo output."
            }
            Condition::Failed { log: Some(log) } => {
                return Some(format!(
                    "RTJam has failed and is silent. Press \"Restart engine\" to go on, and please send us {}.",
                    log.display()
                ));
            }
            Condition::Failed { log: None } => "RTJam has failed and is silent. Press \"Restart engine\" to go on.",
        };
        Some(sentence.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_file_to_send_and_what_to_press() {
        let failed = Condition::Failed { log: Some("/tmp/rtjam.log".into()) };
        let sentence = failed.sentence().expect("a sentence");
        assert!(sentence.contains("/tmp/rtjam.log") && sentence.contains("Restart engine"), "{sentence}");
        assert_eq!(Condition::Fine.sentence(), None);
    }
}
