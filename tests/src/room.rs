//! A running `rtjam-server`.

use crate::child::Child;
use crate::machine::Scratch;
use crate::programs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Time limit for a server to start.
pub const START: Duration = Duration::from_secs(10);

/// A running `rtjam-server` with its own data folder.
pub struct Room {
    /// The program.
    pub child: Child,
    /// Invite link of the lobby, for musicians.
    pub invite: String,
    /// TCP and UDP port.
    pub port: u16,
    data: Scratch,
}

impl Room {
    /// Starts a server on a free loopback port.
    pub fn start() -> Room {
        Room::start_with(&[])
    }

    /// Starts a server on a free loopback port with further arguments.
    pub fn start_with(arguments: &[&str]) -> Room {
        Room::launch_at(free_port(), arguments)
    }

    /// Starts a server with an empty data folder, and therefore another key, on the port of a stopped server.
    pub fn start_at(port: u16) -> Room {
        Room::launch_at(port, &[])
    }

    fn launch_at(port: u16, arguments: &[&str]) -> Room {
        let data = Scratch::new("room");
        let (child, invite) = launch(data.path(), port, arguments);
        Room { child, invite, port, data }
    }

    /// Kills the server as a crash would and starts it again on the same port and data.
    pub fn crash_and_restart(&mut self) {
        self.child.kill();
        (self.child, self.invite) = launch(self.data.path(), self.port, &[]);
    }

    /// Starts the server again after it has ended.
    pub fn restart(&mut self) {
        (self.child, self.invite) = launch(self.data.path(), self.port, &[]);
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Output of `rtjam-server invite` for this server.
    pub fn invite_command(&self, arguments: &[&str]) -> String {
        self.command(&[&["invite"], arguments].concat())
    }

    /// Output of a command of `rtjam-server` on this room's data folder.
    pub fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(programs::server());
        command.args(arguments).arg("--data").arg(self.data.path());
        let mut child = Child::start(&mut command, None);
        assert_eq!(child.wait_exit(START), 0, "{}", child.transcript());
        child.out().all().concat()
    }
}

fn launch(data: &Path, port: u16, arguments: &[&str]) -> (Child, String) {
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(programs::server());
    command.args(["--listen", &address, "--public-address", &address]).arg("--data").arg(data).args(arguments);
    let mut child = Child::start(&mut command, None);
    let invite = child.wait_out("invite line", START, |l| l.strip_prefix("invite: ").map(str::to_string));
    (child, invite)
}

/// A port that is currently free for TCP and UDP on loopback.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for both TCP and UDP");
}
