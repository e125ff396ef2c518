//! The rooms that this user has joined, with their keys, and the user's name and language: `rooms.json` in the config
//! folder. The plugin and the program share it; only its owner can read it.

use super::values::as_text;
use crate::messages::Language;
use rtjam_client::private_file;
use rtjam_protocol::link::{BadLink, Link};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "rooms.json";

/// Number of rooms that the file keeps.
const CAPACITY: usize = 50;

/// Serializes the writers of this process.
static WRITER: Mutex<()> = Mutex::new(());

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Content {
    /// Links with their keys, the latest first.
    rooms: Vec<String>,
    name: Option<String>,
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
}

/// The file `rooms.json`.
#[derive(Clone, Debug)]
pub struct RecentRooms {
    path: PathBuf,
}

/// Why a text does not lead to a room. `messages::invite_error` has the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteError {
    /// It is not a link.
    NotALink(BadLink),
    /// The link has no key, and the user has not joined that room before.
    NoKey,
}

impl RecentRooms {
    /// Number of rooms that user interfaces list.
    pub const LISTED: usize = 12;

    /// The file in a config folder. Opens nothing.
    pub fn in_folder(folder: &Path) -> RecentRooms {
        RecentRooms { path: folder.join(FILE) }
    }

    /// All rooms, the latest first. Invalid entries are left out.
    pub fn all(&self) -> Vec<Link> {
        self.content().rooms.iter().filter_map(|link| link.parse().ok()).collect()
    }

    /// The name that the user gave last, in any project.
    pub fn name(&self) -> Option<String> {
        self.content().name
    }

    /// The language that the user chose last in the plugin.
    pub fn language(&self) -> Option<Language> {
        self.content().language
    }

    /// Reads an invite link. Completes a link without a key from the rooms that the user has joined.
    ///
    /// # Errors
    /// The text is not a link, or its key is unknown.
    pub fn resolve(&self, text: &str) -> Result<Link, InviteError> {
        let link: Link = text.trim().parse().map_err(InviteError::NotALink)?;
        if link.opens() {
            return Ok(link);
        }
        let room = link.without_key();
        self.all().into_iter().find(|known| known.without_key() == room).ok_or(InviteError::NoKey)
    }

    /// Moves a room to the front. Ignores write errors.
    pub fn remember(&self, link: &Link) {
        self.update(|content| {
            let mut links = parsed(&content.rooms);
            if links.first() == Some(link) {
                return false;
            }
            links.retain(|known| known.without_key() != link.without_key());
            links.insert(0, link.clone());
            content.rooms = texts(&links);
            true
        });
    }

    /// Appends the rooms that are not known yet: those of an older version's file. Ignores write errors.
    pub fn adopt(&self, older: &[Link]) {
        self.update(|content| {
            let mut links = parsed(&content.rooms);
            let known = links.len();
            for link in older {
                if !links.iter().any(|known| known.without_key() == link.without_key()) {
                    links.push(link.clone());
                }
            }
            content.rooms = texts(&links);
            links.len() > known
        });
    }

    /// Keeps the user's name for other instances. Ignores write errors.
    pub fn remember_name(&self, name: &str) {
        self.update(|content| content.name.replace(name.to_owned()).as_deref() != Some(name));
    }

    /// Keeps the user's language for other instances. Ignores write errors.
    pub fn remember_language(&self, language: Option<Language>) {
        self.update(|content| std::mem::replace(&mut content.language, language) != language);
    }

    /// Writes the file if `change` returns true.
    fn update(&self, change: impl FnOnce(&mut Content) -> bool) {
        let _writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
        let mut content = self.content();
        if change(&mut content)
            && let Ok(text) = serde_json::to_vec_pretty(&content)
        {
            let _ = private_file::replace(&self.path, &text);
        }
    }

    fn content(&self) -> Content {
        let bytes = private_file::read(&self.path).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

fn parsed(rooms: &[String]) -> Vec<Link> {
    rooms.iter().filter_map(|link| link.parse().ok()).collect()
}

fn texts(links: &[Link]) -> Vec<String> {
    links.iter().take(CAPACITY).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_platform::private::{self, Readers};

    fn link(text: &str) -> Link {
        text.parse().expect("a link")
    }

    fn room(name: &str) -> Link {
        link(&format!("rtjam://jam.example.org/{name}#AQEHBwcHBwcHBwcHBwcHBwcH"))
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rtjam-{name}-{}", std::process::id()))
    }

    #[test]
    fn rooms_and_keys_stay_private() {
        let folder = scratch("rooms");
        let rooms = RecentRooms::in_folder(&folder);
        assert!(rooms.all().is_empty() && !folder.exists());
        let (lobby, band) = (room("lobby"), room("band"));
        rooms.remember(&lobby);
        rooms.remember(&band);
        rooms.remember(&lobby);
        rooms.remember_name("Anna");
        rooms.remember_language(Some(Language::German));
        assert_eq!(rooms.all(), [lobby.clone(), band.clone()]);
        rooms.remember(&band);
        rooms.remember(&lobby);
        assert_eq!((rooms.all().len(), rooms.name().as_deref()), (2, Some("Anna")));
        assert_eq!(rooms.language(), Some(Language::German));
        assert_eq!(rooms.resolve(&band.without_key().to_string()), Ok(band));
        assert_eq!(rooms.resolve("rtjam://jam.example.org/other"), Err(InviteError::NoKey));
        assert!(matches!(rooms.resolve("hello"), Err(InviteError::NotALink(_))));
        assert_eq!(private::readers(&folder.join(FILE)).expect("there"), Readers::OwnerOnly);
        std::fs::remove_dir_all(folder).expect("own folder");
    }

    #[test]
    fn older_rooms_are_adopted_once() {
        let folder = scratch("adopted");
        let rooms = RecentRooms::in_folder(&folder);
        rooms.remember(&room("lobby"));
        rooms.adopt(&[room("band"), room("lobby")]);
        rooms.adopt(&[room("band"), room("lobby")]);
        assert_eq!(rooms.all(), [room("lobby"), room("band")]);
        std::fs::remove_dir_all(folder).expect("own folder");
    }
}
