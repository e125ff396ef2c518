//! Settings: the values that a musician chooses beside the parameters.

use rtjam_engine::{Comfort, Console, PacketSize, Playout};
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::{MixChoice, tidy_name};

/// The initial window size, in logical pixels.
pub const USUAL: (u32, u32) = (760, 480);
/// The smallest window.
pub const LEAST: (u32, u32) = (520, 320);
/// The largest window that is remembered.
pub const MOST: (u32, u32) = (3840, 2160);

/// Clamps a window size to [`LEAST`] and [`MOST`].
pub fn tidy_size(size: (u32, u32)) -> (u32, u32) {
    (size.0.clamp(LEAST.0, MOST.0), size.1.clamp(LEAST.1, MOST.1))
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
