//! The interface between the editor and what it edits: a plugin instance or the standalone program. It knows no plugin
//! format and no window.

use crate::editor::measure::USUAL;
use crate::messages::language::Language;
use crate::params::Param;
use rtjam_client::{IdentityError, Status};
use rtjam_engine::{Comfort, Console, PacketSize, Playout};
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::{MixChoice, tidy_name};
use rtjam_protocol::link::BadLink;
use std::path::PathBuf;

/// What the editor shows and edits. Any thread except the audio thread may use it; no method waits for a network.
pub trait EditorModel: Send + Sync + 'static {
    /// What is being edited.
    fn kind(&self) -> Kind;

    /// The language of the editor.
    fn language(&self) -> Language {
        Language::of_system()
    }

    /// Status of the session. Cheap enough for 30 calls a second.
    fn status(&self) -> Status;

    /// Meters and readings.
    fn console(&self) -> Console;

    /// Condition of the instance itself.
    fn condition(&self) -> InstanceCondition;

    /// Current value of a parameter.
    fn value(&self, param: Param) -> f64;

    /// Begins a gesture: the user takes hold of a control.
    fn begin(&self, param: Param);

    /// Sets a parameter, between [`EditorModel::begin`] and [`EditorModel::end`], so that a host can record it.
    fn set(&self, param: Param, value: f64);

    /// Ends a gesture.
    fn end(&self, param: Param);

    /// Leaves the current room and joins that of an invite link. `anyway` joins even if another instance in this process
    /// is in that room.
    ///
    /// # Errors
    /// Joining does not begin. [`JoinError::AlreadyInRoom`] is a question: on "yes" the editor calls again with `anyway`.
    fn join(&self, link: &str, anyway: bool) -> Result<(), JoinError>;

    /// Leaves the room.
    fn leave(&self);

    /// Resumes sending after the loop guard has muted.
    fn resume_sending(&self);

    /// The current settings.
    fn settings(&self) -> Settings;

    /// Changes one of the settings.
    fn change(&self, change: Change);

    /// Makes a new engine after [`InstanceCondition::Failed`].
    fn restart(&self);
}

/// What an [`EditorModel`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The plugin with one stereo output.
    Plugin,
    /// The plugin with an additional output for each slot.
    Multi,
    /// The program.
    Standalone,
}

/// Why [`EditorModel::join`] does not begin. `messages::join_error` has the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The text is not a link.
    BadLink(BadLink),
    /// The link has no key, and none is known for its room.
    NoKey,
    /// Another instance in this process is in the room.
    AlreadyInRoom {
        /// The room's name.
        room: String,
    },
    /// The user has no home folder to keep an identity in.
    NoHomeFolder,
    /// There is no identity.
    Identity(IdentityError),
    /// The engine has failed and must be restarted first.
    EngineGone,
}

impl std::error::Error for JoinError {}

impl From<BadLink> for JoinError {
    fn from(error: BadLink) -> JoinError {
        JoinError::BadLink(error)
    }
}

impl From<IdentityError> for JoinError {
    fn from(error: IdentityError) -> JoinError {
        JoinError::Identity(error)
    }
}

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
    pub comfort: Comfort,
    /// What the two channels are.
    pub layout: Layout,
    /// What of the others to be sent: everyone separately, or one mix; `None`: as the room says.
    pub mix: Option<MixChoice>,
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
            comfort: Comfort::default(),
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
            Change::Comfort(_) => Change::Comfort(self.comfort),
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
            Change::Comfort(comfort) => self.comfort = comfort,
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
        console.set_comfort(self.comfort);
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
    Comfort(Comfort),
    /// See [`Choices::layout`].
    Layout(Layout),
    /// See [`Choices::mix`].
    Mix(Option<MixChoice>),
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

/// Why the editor's window does not open. `messages::window_error` has the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// The host's window cannot contain another one.
    BadParent,
    /// There is no display or no OpenGL 2.1, for this reason.
    NotOpened(String),
}

impl std::error::Error for WindowError {}

/// Condition of an instance, apart from its session. `messages::instance_condition` has the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InstanceCondition {
    /// Everything works.
    #[default]
    Fine,
    /// The host renders offline, without the room.
    Offline,
    /// The host does not call: the plugin is switched off, or the host's audio does not run.
    Paused,
    /// The bypass parameter is on.
    Bypassed,
    /// It has rejoined its room with the project, muted.
    CameBackMuted,
    /// The host processes ahead of time or in bursts.
    RunsAhead,
    /// The host does not play this plugin because some of its outputs are not connected.
    NotPlayed,
    /// RTJam has panicked, and is silent until [`EditorModel::restart`].
    Failed {
        /// The log file, if it could be written.
        log: Option<PathBuf>,
    },
}
