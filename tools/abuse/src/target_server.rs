//! The server under attack.

use crate::error::AttackError;
use crate::testbed::{Segment, Testbed};
use rtjam_protocol::link::InviteLink;
use rtjam_tests::child::Child;
use rtjam_tests::machine::Scratch;
use rtjam_tests::wait;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long the server can take to start.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// A running server with default settings and a temporary data folder, in its network namespace.
pub struct TargetServer {
    child: Child,
    program: PathBuf,
    namespace: String,
    data: Scratch,
}

impl TargetServer {
    /// Starts `program` with further `arguments`, and waits until it accepts connections.
    ///
    /// # Errors
    /// When the server does not start in time.
    pub fn start(testbed: &Testbed, program: &Path, arguments: &[&str]) -> Result<TargetServer, AttackError> {
        let data = Scratch::new("abuse");
        let namespace = testbed.server.name.clone();
        let mut command = in_namespace(&namespace, program);
        command.args(arguments).arg("--data").arg(data.path()).args(public_address());
        let mut child = Child::start(&mut command, None);
        let lines = child.out().clone();
        let ready = wait::within(START_TIMEOUT, || {
            lines
                .newest(|line| line.strip_prefix("invite: ").map(|_| true))
                .or_else(|| child.exit_code().map(|_| false))
        });
        if ready != Some(true) {
            return Err(AttackError::Server(child.transcript()));
        }
        Ok(TargetServer { child, program: program.to_owned(), namespace, data })
    }

    /// Makes a link with `rtjam-server invite ROOM` and further `arguments`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn invite(&self, room: &str, arguments: &[&str]) -> Result<String, AttackError> {
        let mut command = in_namespace(&self.namespace, &self.program);
        command.args(["invite", room]).args(arguments).arg("--data").arg(self.data.path()).args(public_address());
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && text.starts_with("rtjam://") {
            Ok(text)
        } else {
            Err(AttackError::Server(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether the server still runs.
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
    ["--public-address".to_owned(), Segment::Honest.server().to_string()]
}

/// A link with the server's address as seen from a segment.
///
/// # Errors
/// When the text is not a link.
pub fn link_from(segment: Segment, link: &str) -> Result<InviteLink, AttackError> {
    let there = link.replace(&Segment::Honest.server().to_string(), &segment.server().to_string());
    there.parse().map_err(|_| AttackError::Server(format!("{link:?} is not a link")))
}
