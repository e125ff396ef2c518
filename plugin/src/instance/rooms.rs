//! The rooms that this user was in, with their keys, and the user's name: `rooms.json` in the config folder, for its owner only.

use rtjam_client::private_file;
use rtjam_protocol::link::Link;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "rooms.json";

/// More rooms than that are not remembered.
const MOST: usize = 50;

/// Instances of this process write one after the other.
static TURN: Mutex<()> = Mutex::new(());

#[derive(Default, Serialize, Deserialize)]
struct Content {
    /// Whole links, the last one first.
    #[serde(default)]
    rooms: Vec<String>,
    /// The name that this user gave last.
    #[serde(default)]
    name: Option<String>,
}

/// The file.
pub(super) struct Rooms {
    path: PathBuf,
}

impl Rooms {
    /// In this config folder. Opens nothing.
    pub(super) fn in_folder(folder: &Path) -> Rooms {
        Rooms { path: folder.join(FILE) }
    }

    /// All, the last one first. What cannot be read is no room.
    pub(super) fn all(&self) -> Vec<Link> {
        self.content().rooms.iter().filter_map(|link| link.parse().ok()).collect()
    }

    /// The name that this user gave last, in any project.
    pub(super) fn name(&self) -> Option<String> {
        self.content().name
    }

    /// Keeps a name for the next instance. That it cannot be kept is no failure.
    pub(super) fn remember_name(&self, name: &str) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let content = self.content();
        if content.name.as_deref() != Some(name) {
            self.write(&Content { name: Some(name.to_owned()), ..content });
        }
    }

    fn content(&self) -> Content {
        let bytes = private_file::read(&self.path).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn write(&self, content: &Content) {
        if let Ok(text) = serde_json::to_vec_pretty(content) {
            let _ = private_file::replace(&self.path, &text);
        }
    }

    /// The link with the key that was used last for the room of `link`, which has none.
    pub(super) fn with_key(&self, link: &Link) -> Option<Link> {
        let room = link.without_key();
        self.all().into_iter().find(|known| known.without_key() == room)
    }

    /// Puts a room first. That it cannot be kept is no failure: it is only remembered for convenience.
    pub(super) fn remember(&self, link: &Link) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut links = self.all();
        if links.first() == Some(link) {
            return;
        }
        links.retain(|known| known.without_key() != link.without_key());
        links.insert(0, link.clone());
        links.truncate(MOST);
        self.write(&Content { rooms: links.iter().map(ToString::to_string).collect(), ..self.content() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_a_private_file_and_are_found_by_the_room() {
        let folder = std::env::temp_dir().join(format!("rtjam-rooms-{}", std::process::id()));
        let rooms = Rooms::in_folder(&folder);
        assert!(rooms.all().is_empty() && !folder.exists());
        let link = |text: &str| text.parse::<Link>().expect("a link");
        let lobby = link("rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH");
        let band = link("rtjam://jam.example.org/band#AQEHBwcHBwcHBwcHBwcHBwcH");
        rooms.remember(&lobby);
        rooms.remember(&band);
        rooms.remember(&lobby);
        rooms.remember_name("Anna");
        assert_eq!(rooms.all(), [lobby.clone(), band.clone()]);
        rooms.remember(&band);
        rooms.remember(&lobby);
        assert_eq!((rooms.all().len(), rooms.name().as_deref()), (2, Some("Anna")), "each keeps the other");
        assert_eq!(rooms.with_key(&band.without_key()), Some(band));
        assert_eq!(rooms.with_key(&link("rtjam://jam.example.org/other")), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.join(FILE)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::remove_dir_all(folder).expect("own folder");
    }
}
