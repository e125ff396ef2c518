//! The config folder of the program: `rtjam.toml`, read with line numbers for its mistakes, and the link of the last room.

use rtjam_client::private_file;
use rtjam_platform::private::{self, Readers};
use rtjam_ui::settings::{GivenSettings, InvalidValue, SETTINGS, SetError, toml_template};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

const FILE: &str = "rtjam.toml";
const LAST_ROOM: &str = "last-room";

/// The config folder.
#[derive(Clone, Debug)]
pub(crate) struct SettingsFolder {
    path: PathBuf,
}

/// Why `rtjam.toml` was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsFileError {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("{0} {1}")]
    Mistake(PathBuf, Mistake),
}

/// A mistake in the file, with its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub(crate) struct Mistake {
    line: usize,
    kind: MistakeKind,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum MistakeKind {
    /// Not TOML; the text is the parser's.
    #[error("{0}")]
    Syntax(String),
    #[error("unknown key \"{0}\"{meant}", meant = meant(.0))]
    UnknownKey(String),
    /// A table, an array or a date.
    #[error("\"{0}\" must be text, a number, true or false")]
    NotAScalar(String),
    #[error("\"{key}\" is \"{text}\": {why}")]
    Invalid { key: String, text: String, why: InvalidValue },
}

impl SettingsFolder {
    pub(crate) fn new(path: PathBuf) -> SettingsFolder {
        SettingsFolder { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads `rtjam.toml`. A missing file gives no settings.
    pub(crate) fn read(&self) -> Result<GivenSettings, SettingsFileError> {
        let path = self.path.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).map_err(|mistake| SettingsFileError::Mistake(path, mistake)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(GivenSettings::default()),
            Err(e) => Err(SettingsFileError::Unreadable(path, e)),
        }
    }

    /// Writes a `rtjam.toml` with every key in a comment, if there is none. Ignores errors: the program needs no file.
    pub(crate) fn write_template(&self) {
        let path = self.path.join(FILE);
        if !path.exists() {
            let _ = private_file::replace(&path, toml_template().as_bytes());
        }
    }

    /// Makes `rtjam.toml` readable for its owner only. Returns whether others could read it.
    pub(crate) fn make_private(&self) -> bool {
        let path = self.path.join(FILE);
        let open = private::readers(&path).is_ok_and(|readers| readers != Readers::OwnerOnly);
        open && private::restrict(&path).is_ok()
    }

    /// The link of the room that was joined last.
    pub(crate) fn last_room(&self) -> Option<String> {
        let text = fs::read_to_string(self.path.join(LAST_ROOM)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Keeps the link of the room that was joined, readable for its owner only.
    pub(crate) fn remember_room(&self, link: &str) -> io::Result<()> {
        if self.last_room().as_deref() == Some(link) {
            return Ok(());
        }
        private_file::replace(&self.path.join(LAST_ROOM), format!("{link}\n").as_bytes())
    }
}

fn parse(text: &str) -> Result<GivenSettings, Mistake> {
    let mistake = |at: usize, kind| Mistake { line: line_of(text, at), kind };
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        mistake(at, MistakeKind::Syntax(e.message().to_owned()))
    })?;
    let mut settings = GivenSettings::default();
    for (key, value) in table.get_ref() {
        set(&mut settings, key.get_ref(), value.get_ref()).map_err(|kind| mistake(key.span().start, kind))?;
    }
    Ok(settings)
}

fn set(settings: &mut GivenSettings, key: &str, value: &DeValue<'_>) -> Result<(), MistakeKind> {
    let text = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        _ => return Err(MistakeKind::NotAScalar(key.to_owned())),
    };
    settings.set(key, text).map_err(|e| match e {
        SetError::UnknownKey => MistakeKind::UnknownKey(key.to_owned()),
        SetError::Invalid(why) => MistakeKind::Invalid { key: key.to_owned(), text: text.to_owned(), why },
    })
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// Asks about the key that the user probably meant, at most two edits away.
fn meant(wrong: &str) -> String {
    let wrong = wrong.to_lowercase().replace('_', "-");
    let keys = SETTINGS.iter().map(|setting| (strsim::osa_distance(&wrong, setting.key), setting.key));
    let nearest = keys.filter(|(edits, _)| *edits <= 2).min();
    nearest.map_or(String::new(), |(_, key)| format!("; did you mean \"{key}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_engine::{PacketSize, Playout};
    use rtjam_ui::settings::{Decibels, MonitorLevel, SourceChoice};

    /// The mistake in a text.
    fn mistake(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn settings_are_read() {
        let settings = parse(
            "name = \"Anna\" # me\nbackend = 'jack'\npacket = 64\nplayout = 12.5\nmonitor = -6\nroom = 0\n\
             mute = true\nsource = \"demo\"\n",
        )
        .expect("a valid file");
        assert_eq!(settings.name.as_deref(), Some("Anna"));
        assert_eq!(settings.packet, Some(PacketSize::Frames(64)));
        assert_eq!(settings.playout, Some(Playout::Fixed { ms: 12.5 }));
        assert_eq!(settings.monitor, Some(MonitorLevel::On(Decibels(-6.0))));
        assert_eq!(settings.room, Some(Decibels(0.0)));
        assert_eq!(settings.mute, Some(true));
        assert_eq!(settings.source, Some(SourceChoice::Demo));
        assert_eq!(settings.output, None);
    }

    #[test]
    fn unknown_keys_suggest_known_ones() {
        let error = mistake("name = \"Anna\"\n\n# comment\nplayuot = \"auto\"\n");
        assert_eq!(error, "line 4: unknown key \"playuot\"; did you mean \"playout\"?");
        assert_eq!(mistake("jack_name = \"x\""), "line 1: unknown key \"jack_name\"; did you mean \"jack-name\"?");
        assert_eq!(mistake("colour = 1"), "line 1: unknown key \"colour\"");
    }

    #[test]
    fn invalid_values_name_their_line() {
        let error = mistake("name = \"A\"\npacket = 8");
        assert_eq!(error, "line 2: \"packet\" is \"8\": must be auto, or a whole number of frames from 16 to 512");
        assert_eq!(mistake("[playout]\nms = 3"), "line 1: \"playout\" must be text, a number, true or false");
        assert!(mistake("a = \n").starts_with("line 1: "));
        assert!(mistake("mute = 1").starts_with("line 1: \"mute\" is \"1\""));
        assert!(mistake("room = 1\nroom = 2").starts_with("line 2: "));
    }

    #[test]
    fn template_is_valid() {
        let template = toml_template();
        assert_eq!(parse(&template), Ok(GivenSettings::default()));
        for setting in SETTINGS {
            let start = format!("# {} = ", setting.key);
            let line = template.lines().find(|line| line.starts_with(&start)).expect("every key is in the template");
            parse(&line[2..]).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn last_room_stays_private() {
        let path = std::env::temp_dir().join(format!("rtjam-settings-{}", std::process::id()));
        let folder = SettingsFolder::new(path.clone());
        assert_eq!(folder.last_room(), None);
        folder.remember_room("rtjam://h/a#K").expect("writable");
        folder.remember_room("rtjam://h/b#K").expect("writable");
        assert_eq!(folder.last_room().as_deref(), Some("rtjam://h/b#K"));
        folder.write_template();
        assert_eq!(folder.read().expect("a valid file"), GivenSettings::default());
        for file in [FILE, LAST_ROOM] {
            assert_eq!(private::readers(&path.join(file)).expect("there"), Readers::OwnerOnly, "{file}");
        }
        private::share_with_all(&path.join(FILE)).expect("own file");
        assert!(folder.make_private());
        assert!(!folder.make_private());
        fs::remove_dir_all(path).expect("own folder");
    }
}
