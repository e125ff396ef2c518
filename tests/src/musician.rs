//! A running `rtjam --headless`, seen through its JSON status.

use crate::child::Child;
use crate::machine::Scratch;
use crate::programs;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// Time limit for joining a room.
pub const JOIN: Duration = Duration::from_secs(10);

/// Starts Ann and Ben, who join one room by a link each, play the demo and hear each other.
pub fn duet(ann: &str, ben: &str) -> (Musician, Musician) {
    let (mut ann, mut ben) = (Musician::start(&Options::demo("Ann", ann)), Musician::start(&Options::demo("Ben", ben)));
    ann.wait_hears("Ben");
    ben.wait_hears("Ann");
    (ann, ben)
}

/// A running `rtjam --status-json` with its own config folder.
pub struct Musician {
    /// The program.
    pub child: Child,
    config: Option<Scratch>,
}

/// How to start `rtjam`.
pub struct Options<'a> {
    /// `--name`.
    pub name: &'a str,
    /// The link, written to standard input.
    pub link: &'a str,
    /// Further arguments, including the backend.
    pub arguments: &'a [&'a str],
    /// `JACK_DEFAULT_SERVER`.
    pub jack: Option<&'a str>,
    /// Command that runs it, such as `ip netns exec NAME`.
    pub prefix: &'a [&'a str],
}

impl<'a> Options<'a> {
    /// On the dummy backend, silent.
    pub fn dummy(name: &'a str, link: &'a str) -> Options<'a> {
        Options { name, link, arguments: &["--backend", "dummy", "--source", "device"], jack: None, prefix: &[] }
    }

    /// On the dummy backend, playing the demo.
    pub fn demo(name: &'a str, link: &'a str) -> Options<'a> {
        Options { name, link, arguments: &["--backend", "dummy", "--source", "demo"], jack: None, prefix: &[] }
    }
}

impl Musician {
    /// Starts a musician with a new identity.
    pub fn start(options: &Options<'_>) -> Musician {
        let config = Scratch::new(options.name);
        let child = launch(options, &config);
        Musician { child, config: Some(config) }
    }

    /// A musician whose program is already running.
    pub fn of(child: Child) -> Musician {
        Musician { child, config: None }
    }

    /// Ends the program by SIGTERM and starts it again with the same identity and settings.
    pub fn restart(mut self, options: &Options<'_>) -> Musician {
        self.child.signal(libc::SIGTERM);
        self.child.wait_exit(Duration::from_secs(2));
        let config = self.config.take().expect("it has a config folder");
        let child = launch(options, &config);
        Musician { child, config: Some(config) }
    }

    /// The newest status.
    pub fn status(&self) -> Option<Value> {
        self.child.out().newest(|line| serde_json::from_str(line).ok())
    }

    /// Waits for a status for which `pick` returns a value.
    pub fn wait<T>(&mut self, what: &str, limit: Duration, pick: impl Fn(&Value) -> Option<T>) -> T {
        self.child.wait_out(what, limit, |line| pick(&serde_json::from_str(line).ok()?))
    }

    /// Waits for a status, written after this call, for which `pick` returns a value.
    pub fn wait_new<T>(&mut self, what: &str, limit: Duration, pick: impl Fn(&Value) -> Option<T>) -> T {
        let lines = self.child.out().clone();
        let before = lines.count();
        let look = || lines.all().iter().skip(before).find_map(|line| pick(&serde_json::from_str(line).ok()?));
        match crate::wait::within(limit, look) {
            Some(found) => found,
            None => panic!("no {what} within {limit:?}\n{}", self.child.transcript()),
        }
    }

    /// Waits until the musician is in the room.
    pub fn wait_joined(&mut self) {
        self.wait("status joined", JOIN, |s| (s["state"] == "joined").then_some(()));
    }

    /// Waits until this musician hears the musician `name`, and returns that musician's part of the status.
    pub fn wait_hears(&mut self, name: &str) -> Value {
        self.wait(&format!("sound of {name}"), JOIN, |s| {
            let heard = s["musicians"].as_array()?.iter().find(|m| m["name"] == name)?;
            (heard["packets"].as_u64()? > 0).then(|| heard.clone())
        })
    }
}

impl Drop for Musician {
    fn drop(&mut self) {
        // A JACK server whose clients are killed just before it ends keeps its slot among the eight that JACK has.
        self.child.end(Duration::from_secs(2));
    }
}

fn launch(options: &Options<'_>, config: &Scratch) -> Child {
    let program = programs::rtjam();
    let mut command = match options.prefix.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
        None => Command::new(&program),
    };
    command.args(["--headless", "--status-json", "--join", "-", "--name", options.name]).args(options.arguments);
    command.env("HOME", config.path()).env("XDG_CONFIG_HOME", config.path());
    // Tests compare English messages.
    command.env("LC_ALL", "C.UTF-8");
    if let Some(server) = options.jack {
        command.env("JACK_DEFAULT_SERVER", server);
    }
    Child::start(&mut command, Some(&format!("{}\n", options.link)))
}
