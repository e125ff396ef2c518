//! The settings that the editor edits, and the changes that it makes.

use super::schema::GivenSettings;
use super::values::default_name;
use crate::messages::Language;
use rtjam_client::{Client, ClientOptions, IdentitySource};
use rtjam_engine::{Console, PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::{DownstreamMode, tidy_name};
use rtjam_protocol::link::Link;
use std::path::PathBuf;

/// The initial window size, in logical pixels.
pub const DEFAULT_WINDOW: (u32, u32) = (760, 480);
/// The smallest window size.
pub const MIN_WINDOW: (u32, u32) = (520, 320);
/// The largest window size.
pub const MAX_WINDOW: (u32, u32) = (3840, 2160);

/// Clamps a window size to [`MIN_WINDOW`] and [`MAX_WINDOW`].
pub fn clamp_window(size: (u32, u32)) -> (u32, u32) {
    (size.0.clamp(MIN_WINDOW.0, MAX_WINDOW.0), size.1.clamp(MIN_WINDOW.1, MAX_WINDOW.1))
}

/// What the editor shows beside parameters and status.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The choices.
    pub choices: Choices,
    /// The room: its invite link, with the key if that is known.
    pub link: Option<String>,
    /// Rooms that this user has joined, the latest first.
    pub recent: Vec<RecentRoom>,
}

/// A room that this user has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRoom {
    /// "lobby at jam.example.org".
    pub name: String,
    /// The invite link with its key.
    pub link: String,
}

impl From<&Link> for RecentRoom {
    fn from(link: &Link) -> RecentRoom {
        RecentRoom { name: link.place(), link: link.to_string() }
    }
}

/// Generates [`Choices`], [`Change`] and what leads from one to the other, from one list.
macro_rules! choices {
    ($($(#[$doc:meta])+ $field:ident: $kind:ty = $variant:ident, default $default:expr;)+) => {
        /// The settings that the editor edits.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Choices {
            /// Display name, at most 40 characters. Others see it from the next join on.
            pub name: String,
            /// Whether the user has chosen the name; otherwise it is [`default_name`].
            pub named: bool,
            $($(#[$doc])+ pub $field: $kind,)+
            /// Window size in logical pixels.
            pub window: (u32, u32),
        }

        /// A new value of one of the [`Choices`].
        #[derive(Clone, Debug, PartialEq)]
        pub enum Change {
            /// See [`Choices::name`].
            Name(String),
            $($(#[$doc])+ $variant($kind),)+
            /// See [`Choices::window`].
            Window(u32, u32),
        }

        impl Choices {
            /// The defaults, under a name that the user has not chosen.
            pub fn with_name(name: String) -> Choices {
                Choices { name, named: false, $($field: $default,)+ window: DEFAULT_WINDOW }
            }

            /// The change that restores the present value of what `change` changes.
            pub fn restoring(&self, change: &Change) -> Change {
                match change {
                    Change::Name(_) => Change::Name(self.name.clone()),
                    $(Change::$variant(_) => Change::$variant(self.$field.clone()),)+
                    Change::Window(..) => Change::Window(self.window.0, self.window.1),
                }
            }

            /// Makes a change.
            pub fn apply(&mut self, change: Change) {
                match change {
                    Change::Name(name) => (self.name, self.named) = (tidy_name(&name), true),
                    $(Change::$variant(value) => self.$field = value,)+
                    Change::Window(width, height) => self.window = (width, height),
                }
            }
        }
    };
}

choices! {
    /// Sample format of the audio that is sent.
    format: Codec = Format, default Codec::default();
    /// Packet size.
    packet: PacketSize = Packet, default PacketSize::Auto;
    /// Playout delay.
    playout: Playout = Playout, default Playout::Auto;
    /// What automatic playout prefers.
    comfort: PlayoutBias = PlayoutBias, default PlayoutBias::default();
    /// What the two channels are.
    layout: Layout = Layout, default Layout::Stereo;
    /// What the room sends: each musician's stream, or one mix; `None`: the room's default.
    mix: Option<DownstreamMode> = Mix, default None;
    /// Names of the musicians to always hear, where more play than one is sent.
    pinned: Vec<String> = Pinned, default Vec::new();
    /// Language of everything that is shown; `None`: the system's.
    language: Option<Language> = Language, default None;
    /// Keeps the link's key in the project, so that the project opens the room on other computers. Plugin only.
    keep_key: bool = KeepKey, default false;
    /// Rejoins when the project opens, muted. Plugin only.
    rejoin: bool = Rejoin, default false;
    /// Colours of the window.
    look: Look = Look, default Look::Dark;
}

/// The colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Light text on a dark background.
    #[default]
    Dark,
    /// Dark text on a light background.
    Light,
}

impl Choices {
    /// The choices that `given` makes, completed by the defaults.
    pub fn from_given(given: &GivenSettings) -> Choices {
        let name = given.name.clone().unwrap_or_else(default_name);
        Choices {
            name: tidy_name(&name),
            named: given.name.is_some(),
            format: given.format.unwrap_or_default(),
            packet: given.packet.unwrap_or_default(),
            playout: given.playout.unwrap_or_default(),
            comfort: given.comfort.unwrap_or_default(),
            layout: given.layout.unwrap_or_default(),
            mix: given.mix.unwrap_or_default(),
            pinned: given.pin.clone().unwrap_or_default(),
            language: given.language.unwrap_or_default(),
            ..Choices::with_name(String::new())
        }
    }

    /// The settings that give these choices. Leaves out a name that the user has not chosen.
    pub fn to_given(&self) -> GivenSettings {
        GivenSettings {
            name: self.named.then(|| self.name.clone()),
            format: Some(self.format),
            packet: Some(self.packet),
            playout: Some(self.playout),
            comfort: Some(self.comfort),
            layout: Some(self.layout),
            mix: Some(self.mix),
            pin: Some(self.pinned.clone()),
            language: Some(self.language),
            ..GivenSettings::default()
        }
    }

    /// Applies the choices to an engine.
    pub fn apply_to_engine(&self, console: &Console) {
        console.set_layout(self.layout);
        console.set_packet_size(self.packet);
        console.set_playout(self.playout);
        console.set_playout_bias(self.comfort);
    }

    /// Applies the choices to a client. The name takes effect at the next join.
    pub fn apply_to_client(&self, client: &Client) {
        client.set_format(self.format);
        client.set_mix(self.mix);
        client.set_pinned(self.pinned.clone());
        client.set_name(self.name.clone());
    }

    /// Options for a client with these choices, whose identity and slots are in the config folder `folder`.
    pub fn client_options(&self, folder: PathBuf) -> ClientOptions {
        ClientOptions {
            format: self.format,
            mix: self.mix,
            pinned: self.pinned.clone(),
            folder: Some(folder.clone()),
            ..ClientOptions::new(IdentitySource::Folder(folder), self.name.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_round_trip_as_settings() {
        let mut choices = Choices::with_name("Musician".to_owned());
        for change in [
            Change::Name(" Anna ".to_owned()),
            Change::Packet(PacketSize::Frames(64)),
            Change::Mix(Some(DownstreamMode::Mixed)),
            Change::Pinned(vec!["Bob".to_owned()]),
            Change::Language(Some(Language::German)),
        ] {
            let before = choices.clone();
            let undo = choices.restoring(&change);
            choices.apply(change.clone());
            assert_ne!(choices, before, "{change:?}");
            let mut undone = choices.clone();
            undone.apply(undo);
            assert_eq!(Choices { named: before.named, ..undone }, before, "{change:?}");
        }
        assert_eq!(choices.name, "Anna");
        assert_eq!(Choices::from_given(&choices.to_given()), choices);
    }

    #[test]
    fn window_sizes_are_clamped() {
        assert_eq!(clamp_window((0, 0)), MIN_WINDOW);
        assert_eq!(clamp_window((u32::MAX, 500)), (MAX_WINDOW.0, 500));
        assert_eq!(clamp_window(DEFAULT_WINDOW), DEFAULT_WINDOW);
    }
}
