//! Ardour without its window: a real DAW on a JACK server, controlled by a script (`ardour.lua`).

use crate::child::Child;
use crate::jackd::Jackd;
use crate::machine::Scratch;
use crate::{machine, programs, vst3};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

/// Time limit for opening a session with all of its plugins.
const LIMIT: Duration = Duration::from_secs(60);

/// Name of Ardour's JACK client.
pub const CLIENT: &str = "Ardour";

/// A running Ardour with its own home folder, in which RTJam is installed.
pub struct Ardour {
    child: Child,
    orders: ChildStdin,
    answers: usize,
    home: Scratch,
}

impl Ardour {
    /// Starts Ardour; returns `None`, and says so on stderr, if it is not installed.
    ///
    /// # Panics
    /// If Ardour is installed and does not start, or if skipping is forbidden.
    pub fn start(jackd: &Jackd) -> Option<Ardour> {
        let Some(place) = Place::find() else {
            machine::skipped("Ardour 7 or newer is not installed (package ardour)");
            return None;
        };
        let home = Scratch::new("ardour");
        let bundle = home.path().join(".vst3").join(vst3::BUNDLE);
        vst3::bundle(&programs::plugin(), &bundle);
        // Ardour only knows plugins that it has scanned.
        let mut scanner = place.command("ardour-vst3-scanner", home.path());
        let mut scan = Child::start(scanner.arg("-f").arg(&bundle), None);
        assert_eq!(scan.wait_exit(LIMIT), 0, "{}", scan.transcript());
        let script = home.path().join("ardour.lua");
        std::fs::write(&script, include_str!("ardour.lua")).expect("the scratch folder can be written");
        let mut command = place.command("luasession", home.path());
        command.arg(&script).env("JACK_DEFAULT_SERVER", &jackd.name).env("LD_PRELOAD", request_serialiser(home.path()));
        let (child, orders) = Child::start_with_stdin(&mut command);
        Some(Ardour { child, orders, answers: 0, home })
    }

    /// Stores a project's JSON where Ardour finds it as the preset `name` of a plugin.
    pub fn preset(&self, plugin: &vst3::Class, name: &str, project: &str) {
        let folder = self.home.path().join(".vst3/presets/RTJam").join(plugin.name);
        std::fs::create_dir_all(&folder).expect("the scratch folder can be written");
        let file = folder.join(format!("{name}.vstpreset"));
        std::fs::write(file, vst3::preset(plugin, project.as_bytes())).expect("the scratch folder can be written");
    }

    /// Evaluates a Lua expression and returns its value.
    ///
    /// # Panics
    /// If the expression fails.
    pub fn run(&mut self, lua: &str) -> String {
        writeln!(self.orders, "{lua}").expect("Ardour reads its input");
        self.answers += 1;
        let mark = format!("=> {} ", self.answers);
        let answer = self.child.wait_out(lua, LIMIT, |line| line.strip_prefix(&mark).map(str::to_owned));
        let value = answer.strip_prefix("ok ");
        value.unwrap_or_else(|| panic!("{lua}: {answer}\n{}", self.child.transcript())).to_owned()
    }

    /// Value of a parameter, 0 to 1, as Ardour knows it.
    pub fn value(&mut self, track: &str, parameter: &str) -> f64 {
        self.run(&format!("get({track:?}, {parameter:?})")).parse().expect("a number")
    }

    /// Sets a parameter, 0 to 1.
    pub fn set(&mut self, track: &str, parameter: &str, value: f64) {
        self.run(&format!("set({track:?}, {parameter:?}, {value})"));
    }

    /// Its home folder, which holds sessions and the plugin's settings.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Ardour {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Output of Ardour:\n{}", self.child.transcript());
        }
    }
}

/// Builds the library that serialises Ardour's requests to JACK; see `jack_serialiser.rs`.
fn request_serialiser(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("jack_serialiser.rs"), folder.join("libjack_serialiser.so"));
    std::fs::write(&source, include_str!("jack_serialiser.rs")).expect("the scratch folder can be written");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "-O", "-o"]).arg(&library).arg(&source);
    let mut build = Child::start(&mut rustc, None);
    assert_eq!(build.wait_exit(LIMIT), 0, "{}", build.transcript());
    library
}

/// An Ardour installation.
struct Place {
    programs: PathBuf,
    /// Name of its folder, such as `ardour7`.
    name: String,
}

impl Place {
    fn find() -> Option<Place> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        let mut places: Vec<Place> = folders
            .filter_map(|entry| Some(Place { programs: entry.path(), name: entry.file_name().into_string().ok()? }))
            .filter(|p| p.name.starts_with("ardour") && p.programs.join("luasession").is_file())
            .collect();
        places.sort_by(|a, b| a.name.cmp(&b.name));
        places.pop()
    }

    /// One of Ardour's programs, with the environment that Ardour's wrapper scripts set, and a home folder.
    fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new(self.programs.join(program));
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            command.env(name, home);
        }
        command.env("LD_LIBRARY_PATH", &self.programs).env("ARDOUR_DLL_PATH", &self.programs);
        command.env("ARDOUR_DATA_PATH", Path::new("/usr/share").join(&self.name));
        command.env("ARDOUR_CONFIG_PATH", Path::new("/etc").join(&self.name));
        // No window, even if this machine has a display.
        command.env_remove("DISPLAY").current_dir(home);
        command
    }
}
