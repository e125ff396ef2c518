//! The settings file, `rtjam.toml`: read, checked with line numbers, and laid out once for a musician to fill in.

use super::settings::Settings;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use toml::de::{DeTable, DeValue};

const FILE: &str = "rtjam.toml";
const LAST_ROOM: &str = "last-room";

/// The keys, each once, as they stand in the file.
const KEYS: [&str; 20] = [
    "join",
    "name",
    "headless",
    "backend",
    "jack-name",
    "no-connect",
    "source",
    "format",
    "packet",
    "playout",
    "comfort",
    "mix",
    "pin",
    "layout",
    "monitor",
    "room",
    "mute",
    "input",
    "output",
    "status-json",
];

/// The folder that holds a musician's settings, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct SettingsFolder {
    path: PathBuf,
}

/// What is wrong with the settings: a whole sentence, with file and line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadSettings(String);

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SettingsFolder {
    /// `given`, else the platform's folder (`$XDG_CONFIG_HOME/rtjam` on Linux).
    pub(crate) fn find(given: Option<PathBuf>) -> Option<SettingsFolder> {
        let path = match given {
            Some(path) => path,
            None => directories::ProjectDirs::from("", "", "rtjam")?.config_dir().to_owned(),
        };
        Some(SettingsFolder { path })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; one that is not there says nothing.
    pub(crate) fn read(&self) -> Result<Settings, BadSettings> {
        let path = self.path.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).map_err(|what| BadSettings(format!("{} {what}", path.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(e) => Err(BadSettings(format!("{} cannot be read: {e}", path.display()))),
        }
    }

    /// Lays out a file with every key in a comment, where there is none yet. Not being able to is no failure: the
    /// program needs no file.
    pub(crate) fn lay_out(&self) {
        let path = self.path.join(FILE);
        if !path.exists() && self.make().is_ok() {
            let _ = write_private(&path, TEMPLATE);
        }
    }

    /// Makes a file that holds a link with its key unreadable for others. True when it had been readable.
    #[cfg(unix)]
    pub(crate) fn close_to_others(&self) -> bool {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path.join(FILE);
        let open = fs::metadata(&path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0);
        open && fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).is_ok()
    }

    /// Elsewhere the user's folder is the user's own by default.
    #[cfg(not(unix))]
    pub(crate) fn close_to_others(&self) -> bool {
        false
    }

    /// Makes the folder, for its owner only.
    fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)
    }

    /// The link of the room that was joined last.
    pub(crate) fn last_room(&self) -> Option<String> {
        let text = fs::read_to_string(self.path.join(LAST_ROOM)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Keeps the link of the room that was just joined, readable for its owner only.
    pub(crate) fn remember_room(&self, link: &str) -> io::Result<()> {
        if self.last_room().as_deref() == Some(link) {
            return Ok(());
        }
        self.replace(LAST_ROOM, &format!("{link}\n"))
    }

    /// Writes a file of the folder anew, readable for its owner only.
    pub(crate) fn replace(&self, file: &str, text: &str) -> io::Result<()> {
        self.make()?;
        // A file of its own name first, so that two programs, or a full disk, never leave half of it.
        let fresh = self.path.join(format!("{file}.{}", std::process::id()));
        write_private(&fresh, text)?;
        fs::rename(&fresh, self.path.join(file)).inspect_err(|_| drop(fs::remove_file(&fresh)))
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}

/// Reads the file's text. The error begins with "line N: ".
fn parse(text: &str) -> Result<Settings, String> {
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start);
        format!("line {}: {}", line_of(text, at), e.message())
    })?;
    let mut settings = Settings::default();
    for (key, value) in table.get_ref() {
        set(&mut settings, key.get_ref(), value.get_ref())
            .map_err(|what| format!("line {}: {what}", line_of(text, key.span().start)))?;
    }
    Ok(settings)
}

fn set(settings: &mut Settings, key: &str, value: &DeValue<'_>) -> Result<(), String> {
    match key {
        "join" => settings.join = Some(read(key, value)?),
        "name" => settings.name = Some(read(key, value)?),
        "headless" => settings.headless = Some(read(key, value)?),
        "backend" => settings.backend = Some(read(key, value)?),
        "jack-name" => settings.jack_name = Some(read(key, value)?),
        "no-connect" => settings.no_connect = Some(read(key, value)?),
        "source" => settings.source = Some(read(key, value)?),
        "format" => settings.format = Some(read(key, value)?),
        "packet" => settings.packet = Some(read(key, value)?),
        "playout" => settings.playout = Some(read(key, value)?),
        "comfort" => settings.comfort = Some(read(key, value)?),
        "mix" => settings.mix = Some(read(key, value)?),
        "pin" => settings.pin = Some(read(key, value)?),
        "layout" => settings.layout = Some(read(key, value)?),
        "monitor" => settings.monitor = Some(read(key, value)?),
        "room" => settings.room = Some(read(key, value)?),
        "mute" => settings.mute = Some(read(key, value)?),
        "input" => settings.input = Some(read(key, value)?),
        "output" => settings.output = Some(read(key, value)?),
        "status-json" => settings.status_json = Some(read(key, value)?),
        _ => {
            let hint = nearest(key).map_or(String::new(), |k| format!("; did you mean \"{k}\"?"));
            return Err(format!("unknown key \"{key}\"{hint}"));
        }
    }
    Ok(())
}

/// Reads a value by its `FromStr`, so that the file takes what the command line takes.
fn read<T: FromStr<Err: fmt::Display>>(key: &str, value: &DeValue<'_>) -> Result<T, String> {
    let text = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        DeValue::Boolean(yes) => {
            if *yes {
                "true"
            } else {
                "false"
            }
        }
        _ => return Err(format!("\"{key}\" must be a text, a number, true or false")),
    };
    text.parse().map_err(|e| format!("\"{key}\" is \"{text}\": {e}"))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// The key that was probably meant: at most two slips of the finger away.
fn nearest(wrong: &str) -> Option<&'static str> {
    let wrong = wrong.to_lowercase().replace('_', "-");
    KEYS.into_iter().map(|key| (slips(&wrong, key), key)).filter(|(n, _)| *n <= 2).min().map(|(_, key)| key)
}

/// Edits between two words: a letter too many, too few, wrong, or two exchanged (optimal string alignment).
fn slips(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut n = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                n = n.min(rows[i - 2][j - 2] + 1);
            }
            row.push(n);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

const TEMPLATE: &str = r##"# Settings of rtjam. Every key is explained by `rtjam --help`; what you say on the command line wins.
# Take away the "#" before a key to set it. A running rtjam reads this file again on SIGHUP.

# name = "Anna"
# join = "rtjam://jam.example.org/lobby#KEY"   # joined when you start rtjam without --join

# backend = "auto"         # auto, jack, cpal, dummy
# jack-name = "rtjam"
# no-connect = false
# input = ""               # a name from `rtjam --list-devices`
# output = ""

# source = "device"        # device, demo, or a file: "/home/anna/song.wav"
# layout = "stereo"        # stereo, dual-mono
# format = "pcm16"         # pcm16, pcm24, f32
# packet = 128             # frames, 16 to 512
# playout = "auto"         # auto, or milliseconds
# comfort = "normal"       # tight, normal, safe
# mix = "room"             # room, separate, one
# pin = "Anna, Ben"        # heard in any case, where more than 33 play
# monitor = "off"          # off, or dB
# room = 0                 # dB
# mute = false

# headless = false
# status-json = false
"##;

#[cfg(test)]
mod tests {
    use super::super::settings::{Decibels, Monitor, PacketFrames, Playout, SourceChoice};
    use super::*;

    #[test]
    fn a_full_file_is_read() {
        let settings = parse(
            "name = \"Anna\" # me\nbackend = 'jack'\npacket = 64\nplayout = 12.5\nmonitor = -6\nroom = 0\n\
             mute = true\nsource = \"demo\"\n",
        )
        .expect("a good file");
        assert_eq!(settings.name.as_deref(), Some("Anna"));
        assert_eq!(settings.packet, Some(PacketFrames(64)));
        assert_eq!(settings.playout, Some(Playout::Fixed(12.5)));
        assert_eq!(settings.monitor, Some(Monitor::On(Decibels(-6.0))));
        assert_eq!(settings.room, Some(Decibels(0.0)));
        assert_eq!(settings.mute, Some(true));
        assert_eq!(settings.source, Some(SourceChoice::Demo));
        assert_eq!(settings.output, None);
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line_and_what_was_meant() {
        let error = parse("name = \"Anna\"\n\n# comment\nplayuot = \"auto\"\n").expect_err("a wrong key");
        assert_eq!(error, "line 4: unknown key \"playuot\"; did you mean \"playout\"?");
        let error = parse("jack_name = \"x\"").expect_err("an underscore");
        assert_eq!(error, "line 1: unknown key \"jack_name\"; did you mean \"jack-name\"?");
        assert_eq!(parse("colour = 1").expect_err("no such key"), "line 1: unknown key \"colour\"");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line() {
        let error = parse("name = \"A\"\npacket = 8").expect_err("too small");
        assert_eq!(error, "line 2: \"packet\" is \"8\": must be a whole number of frames from 16 to 512");
        let error = parse("[playout]\nms = 3").expect_err("a table");
        assert_eq!(error, "line 1: \"playout\" must be a text, a number, true or false");
        assert!(parse("a = \n").expect_err("no value").starts_with("line 1: "));
        assert!(parse("mute = 1").expect_err("no boolean").starts_with("line 1: \"mute\" is \"1\""));
        assert!(parse("room = 1\nroom = 2").expect_err("twice").starts_with("line 2: "));
    }

    #[test]
    fn the_laid_out_file_is_good_and_so_is_each_of_its_keys() {
        assert_eq!(parse(TEMPLATE), Ok(Settings::default()));
        for key in KEYS {
            let line = TEMPLATE.lines().find_map(|l| l.strip_prefix("# ").filter(|l| l.starts_with(key)));
            let line = line.unwrap_or_else(|| panic!("{key} is not laid out"));
            parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn the_last_room_is_kept_for_its_owner_only() {
        let path = std::env::temp_dir().join(format!("rtjam-settings-{}", std::process::id()));
        let folder = SettingsFolder::find(Some(path.clone())).expect("a given folder");
        assert_eq!(folder.last_room(), None);
        folder.remember_room("rtjam://h/a#K").expect("writable");
        folder.remember_room("rtjam://h/b#K").expect("writable");
        assert_eq!(folder.last_room().as_deref(), Some("rtjam://h/b#K"));
        folder.lay_out();
        assert_eq!(folder.read(), Ok(Settings::default()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            for file in [FILE, LAST_ROOM] {
                let mode = fs::metadata(path.join(file)).expect("there").permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{file}");
            }
            fs::set_permissions(path.join(FILE), fs::Permissions::from_mode(0o644)).expect("own file");
            assert!(folder.close_to_others());
            assert!(!folder.close_to_others());
        }
        fs::remove_dir_all(path).expect("own folder");
    }
}
