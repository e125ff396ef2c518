//! What the settings come to: defaults filled in, the link read.

use super::backends::Request;
use super::settings::{ChannelLayout, Decibels, Format, Mix, Monitor, PacketFrames, Playout, Settings, SourceChoice};
use super::settings_file::SettingsFolder;
use super::stdin;
use rtjam_engine::PlayoutBias;
use rtjam_protocol::control::tidy_name;
use rtjam_protocol::link::Link;

/// Everything that the program runs by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Where to go at first; `None`, with a window: nowhere yet.
    pub(crate) link: Option<Link>,
    pub(crate) name: String,
    /// Whether somebody gave the name; else it is a guess.
    pub(crate) named: bool,
    pub(crate) request: Request,
    /// `None`: nothing was asked for.
    pub(crate) source: Option<SourceChoice>,
    pub(crate) format: Format,
    /// `None`: by the audio system's block.
    pub(crate) packet: Option<PacketFrames>,
    pub(crate) playout: Playout,
    pub(crate) comfort: PlayoutBias,
    pub(crate) mix: Mix,
    /// Whom to hear in any case, by their names.
    pub(crate) pinned: Vec<String>,
    pub(crate) layout: ChannelLayout,
    pub(crate) monitor: Monitor,
    pub(crate) room: Decibels,
    pub(crate) mute: bool,
    pub(crate) json: bool,
    /// A window is wanted, by not saying --headless.
    pub(crate) window: bool,
}

impl Config {
    /// Fills in what was not said.
    pub(crate) fn new(settings: Settings, link: Option<Link>) -> Config {
        Config {
            link,
            named: settings.name.is_some(),
            name: tidy_name(&settings.name.unwrap_or_else(rtjam_ui::default_name)),
            request: Request {
                choice: settings.backend.unwrap_or_default(),
                jack_name: settings.jack_name.unwrap_or_default().0,
                connect: !settings.no_connect.unwrap_or(false),
                input: settings.input.filter(|name| !name.is_empty()),
                output: settings.output.filter(|name| !name.is_empty()),
            },
            source: settings.source,
            format: settings.format.unwrap_or_default(),
            packet: settings.packet,
            playout: settings.playout.unwrap_or_default(),
            comfort: settings.comfort.unwrap_or_default(),
            mix: settings.mix.unwrap_or_default(),
            pinned: names(settings.pin.as_deref().unwrap_or_default()),
            layout: settings.layout.unwrap_or_default(),
            monitor: settings.monitor.unwrap_or_default(),
            room: settings.room.unwrap_or_default(),
            mute: settings.mute.unwrap_or(false),
            json: settings.status_json.unwrap_or(false),
            window: !settings.headless.unwrap_or(false),
        }
    }
}

/// Names between commas.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The link that `--join` means.
///
/// # Errors
/// A sentence: it is none.
pub(crate) fn find_link(join: Option<&str>, folder: &SettingsFolder) -> Result<Option<Link>, String> {
    let text = match join {
        Some("-") => stdin::read_link().map_err(|e| format!("No link could be read from standard input: {e}."))?,
        Some("last") => {
            folder.last_room().ok_or("You were in no room yet. Ask for an invite link, and give it to --join.")?
        }
        Some(link) => link.to_owned(),
        None => return Ok(None),
    };
    read_link(&text).map(Some)
}

/// A link that opens a room.
///
/// # Errors
/// A sentence: it is none.
pub(crate) fn read_link(text: &str) -> Result<Link, String> {
    let link: Link = text.trim().parse().map_err(|e| format!("{e}"))?;
    if !link.opens() {
        return Err("The invite link has no key: it goes on after a \"#\". Copy the whole link again.".to_owned());
    }
    Ok(link)
}

/// What to tell whoever named no room.
pub(crate) fn no_link(folder: &SettingsFolder) -> String {
    let mut sentence = "Which room? Ask the person who runs it for its invite link, and start rtjam with it:\n  \
                        rtjam --join 'rtjam://HOST/ROOM#KEY'\n\
                        To open a room of your own, run rtjam-server; it prints the link."
        .to_owned();
    if let Some(Ok(link)) = folder.last_room().map(|text| text.parse::<Link>()) {
        sentence.push_str(&format!("\nBack to the last room ({}): rtjam --join last", link.without_key()));
    }
    sentence
}
