//! The server under attack.

use crate::town::{Quarter, Town};
use crate::trouble::Trouble;
use rtjam_protocol::link::InviteLink;
use rtjam_tests::child::Child;
use rtjam_tests::machine::Scratch;
use rtjam_tests::wait;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A server starts within this time, and its commands end within it.
const START: Duration = Duration::from_secs(15);

/// A running server with default settings and a data folder of its own, in its namespace of the town.
pub struct House {
    child: Child,
    program: PathBuf,
    namespace: String,
    data: Scratch,
}

impl House {
    /// Starts `program` with further `arguments`, and waits until it serves.
    ///
    /// # Errors
    /// When it does not serve within some seconds.
    pub fn open(town: &Town, program: &Path, arguments: &[&str]) -> Result<House, Trouble> {
        let data = Scratch::new("abuse");
        let namespace = town.server.name.clone();
        let mut command = in_namespace(&namespace, program);
        command.args(arguments).arg("--data").arg(data.path()).args(public_address());
        let mut child = Child::start(&mut command, None);
        let lines = child.out().clone();
        let ready = wait::within(START, || {
            lines
                .newest(|line| line.strip_prefix("invite: ").map(|_| true))
                .or_else(|| child.exit_code().map(|_| false))
        });
        if ready != Some(true) {
            return Err(Trouble::Server(child.transcript()));
        }
        Ok(House { child, program: program.to_owned(), namespace, data })
    }

    /// What `rtjam-server invite ROOM` prints while the server runs, with further `arguments`.
    ///
    /// # Errors
    /// When the program refuses.
    pub fn invite(&self, room: &str, arguments: &[&str]) -> Result<String, Trouble> {
        let mut command = in_namespace(&self.namespace, &self.program);
        command.args(["invite", room]).args(arguments).arg("--data").arg(self.data.path()).args(public_address());
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && text.starts_with("rtjam://") {
            Ok(text)
        } else {
            Err(Trouble::Server(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.exit_code().is_none()
    }
}

fn in_namespace(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

fn public_address() -> [String; 2] {
    ["--public-address".to_owned(), Quarter::Honest.server().to_string()]
}

/// A link of the server as people of a quarter use it.
///
/// # Errors
/// When the server printed something else than a link.
pub fn link_from(quarter: Quarter, link: &str) -> Result<InviteLink, Trouble> {
    let there = link.replace(&Quarter::Honest.server().to_string(), &quarter.server().to_string());
    there.parse().map_err(|_| Trouble::Server(format!("{link:?} is no link")))
}
