//! What a face draws from and asks of: the border between the editor and what it is the editor of, a plugin instance or
//! the standalone program. No plugin format, no window.

use crate::editor::measure::USUAL;
use crate::params::Param;
use rtjam_client::Status;
use rtjam_engine::{Console, PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::{DownstreamMode, tidy_name};
use std::fmt;
use std::path::PathBuf;

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

/// What is set beside the parameters, and where one can go.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What was chosen.
    pub choices: Choices,
    /// The room: the invite link with its key, if that is known.
    pub link: Option<String>,
    /// Rooms that this user was in, the last one first.
    pub recent: Vec<RecentRoom>,
}

/// What is chosen beside the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// As the others see this musician, from the next join on.
    pub name: String,
    /// Whether the user has ever said what the name is to be; else it is a guess.
    pub named: bool,
    /// How samples are sent.
    pub format: Codec,
    /// How large packets are.
    pub packet: PacketSize,
    /// How long the others' sound waits.
    pub playout: Playout,
    /// What automatic playout prefers.
    pub comfort: PlayoutBias,
    /// What the two channels are.
    pub layout: Layout,
    /// What of the others to be sent: everyone separately, or one mix; `None`: as the room says.
    pub mix: Option<DownstreamMode>,
    /// Names of the musicians to hear in any case, where more play than one is sent.
    pub pinned: Vec<String>,
    /// Keeps the link's key in the project, so that it opens the room on other computers. Plugin only.
    pub keep_key: bool,
    /// Joins again when the project opens, muted. Plugin only.
    pub rejoin: bool,
    /// Whether the window is light or dark.
    pub look: Look,
    /// The window's size in logical pixels.
    pub window: (u32, u32),
}

impl Choices {
    /// What nobody has changed yet, under a name.
    pub fn of(name: String) -> Choices {
        Choices {
            name,
            named: false,
            format: Codec::default(),
            packet: PacketSize::Auto,
            playout: Playout::Auto,
            comfort: PlayoutBias::default(),
            layout: Layout::Stereo,
            mix: None,
            pinned: Vec::new(),
            keep_key: false,
            rejoin: false,
            look: Look::Dark,
            window: USUAL,
        }
    }

    /// The change that sets what `change` changes to what it is now.
    pub fn as_set(&self, change: &Change) -> Change {
        match change {
            Change::Name(_) => Change::Name(self.name.clone()),
            Change::Format(_) => Change::Format(self.format),
            Change::Packet(_) => Change::Packet(self.packet),
            Change::Playout(_) => Change::Playout(self.playout),
            Change::PlayoutBias(_) => Change::PlayoutBias(self.comfort),
            Change::Layout(_) => Change::Layout(self.layout),
            Change::Mix(_) => Change::Mix(self.mix),
            Change::Pinned(_) => Change::Pinned(self.pinned.clone()),
            Change::KeepKey(_) => Change::KeepKey(self.keep_key),
            Change::Rejoin(_) => Change::Rejoin(self.rejoin),
            Change::Look(_) => Change::Look(self.look),
            Change::Window(..) => Change::Window(self.window.0, self.window.1),
        }
    }

    /// Chooses otherwise.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Name(name) => (self.name, self.named) = (tidy_name(&name), true),
            Change::Format(format) => self.format = format,
            Change::Packet(packet) => self.packet = packet,
            Change::Playout(playout) => self.playout = playout,
            Change::PlayoutBias(comfort) => self.comfort = comfort,
            Change::Layout(layout) => self.layout = layout,
            Change::Mix(mix) => self.mix = mix,
            Change::Pinned(names) => self.pinned = names,
            Change::KeepKey(keep) => self.keep_key = keep,
            Change::Rejoin(rejoin) => self.rejoin = rejoin,
            Change::Look(look) => self.look = look,
            Change::Window(width, height) => self.window = (width, height),
        }
    }

    /// Tells an engine what of it is the engine's.
    pub fn steer(&self, console: &Console) {
        console.set_layout(self.layout);
        console.set_packet_size(self.packet);
        console.set_playout(self.playout);
        console.set_playout_bias(self.comfort);
    }
}

/// A room that this user was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRoom {
    /// "lobby at jam.example.org".
    pub name: String,
    /// The invite link with its key.
    pub link: String,
}

/// Whether the window is light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Light signs on a dark ground.
    #[default]
    Dark,
    /// Dark signs on a light ground.
    Light,
}

/// One choice and what it is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// See [`Choices::name`].
    Name(String),
    /// See [`Choices::format`].
    Format(Codec),
    /// See [`Choices::packet`].
    Packet(PacketSize),
    /// See [`Choices::playout`].
    Playout(Playout),
    /// See [`Choices::comfort`].
    PlayoutBias(PlayoutBias),
    /// See [`Choices::layout`].
    Layout(Layout),
    /// See [`Choices::mix`].
    Mix(Option<DownstreamMode>),
    /// See [`Choices::pinned`].
    Pinned(Vec<String>),
    /// See [`Choices::keep_key`].
    KeepKey(bool),
    /// See [`Choices::rejoin`].
    Rejoin(bool),
    /// See [`Choices::look`].
    Look(Look),
    /// See [`Choices::window`].
    Window(u32, u32),
}

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
